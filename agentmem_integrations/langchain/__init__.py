"""Memory for LangChain and LangGraph: thin adapters over `AgentMemory`. Needs the extra `langchain`."""
