"""Memory for LlamaIndex: thin adapters over `AgentMemory`. Needs the extra `llamaindex`."""
