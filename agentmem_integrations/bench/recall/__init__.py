"""`agentmem bench recall` and `agentmem bench fit`: how good the ranking is, and where its weights come from."""
