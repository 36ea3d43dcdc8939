"""`agentmem bench compare`: the same turns and questions into this library, three plain stores, and other libraries that are installed."""
