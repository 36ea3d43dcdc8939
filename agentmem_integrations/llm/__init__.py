"""Language models: the prompts they are shown, how their replies are read, the adapters that ask them, and their event loop."""
