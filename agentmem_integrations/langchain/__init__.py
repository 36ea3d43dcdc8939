"""Memory for LangChain and LangGraph: thin adapters over `AgentMemory`. Needs the extra `langchain`.

Names are imported when first used, so that a vector store does not bring in what only agents need.
"""

from typing import TYPE_CHECKING

from ..lazy_imports import lazily

if TYPE_CHECKING:
    from .chat_history import AgentMemChatMessageHistory
    from .middleware import MemoryMiddleware
    from .models import StaticEmbeddings, langchain_embedder, langchain_llm
    from .retriever import AgentMemRetriever
    from .store import AgentMemStore, escape_label, unescape_label
    from .tools import memory_tools
    from .vectorstore import AgentMemVectorStore

_HOMES = {
    "chat_history": ("AgentMemChatMessageHistory",),
    "middleware": ("MemoryMiddleware",),
    "models": ("StaticEmbeddings", "langchain_embedder", "langchain_llm"),
    "retriever": ("AgentMemRetriever",),
    "store": ("AgentMemStore", "escape_label", "unescape_label"),
    "tools": ("memory_tools",),
    "vectorstore": ("AgentMemVectorStore",),
}

__all__ = [
    "AgentMemChatMessageHistory",
    "AgentMemRetriever",
    "AgentMemStore",
    "AgentMemVectorStore",
    "MemoryMiddleware",
    "StaticEmbeddings",
    "escape_label",
    "langchain_embedder",
    "langchain_llm",
    "memory_tools",
    "unescape_label",
]

__getattr__, __dir__ = lazily(__name__, _HOMES, extra="langchain", needs=("langchain", "langchain_core", "langgraph"))
