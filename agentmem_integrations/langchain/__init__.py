"""Memory for LangChain and LangGraph: thin adapters over `AgentMemory`. Needs the extra `langchain`.

Names are imported when first used, so that a vector store does not bring in what only agents need.
"""

from typing import TYPE_CHECKING

from ..lazy_imports import lazily

if TYPE_CHECKING:
    from .chat_history import AgentMemChatMessageHistory
    from .middleware import MemoryMiddleware
    from .models import langchain_embedder, langchain_llm
    from .namespace_labels import escape_label, unescape_label
    from .retriever import AgentMemRetriever
    from .static_embeddings import StaticEmbeddings
    from .store import AgentMemStore
    from .tools import memory_tools
    from .vectorstore import AgentMemVectorStore

_HOMES = {
    "chat_history": ("AgentMemChatMessageHistory",),
    "namespace_labels": ("escape_label", "unescape_label"),
    "middleware": ("MemoryMiddleware",),
    "models": ("langchain_embedder", "langchain_llm"),
    "retriever": ("AgentMemRetriever",),
    "static_embeddings": ("StaticEmbeddings",),
    "store": ("AgentMemStore",),
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
