"""What dates mean that are told in words, and which time a question asks about."""
