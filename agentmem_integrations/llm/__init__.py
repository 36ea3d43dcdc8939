"""Language models: the prompts they are shown, and how their replies are read."""
