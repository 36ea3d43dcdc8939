"""Memory for LangChain and LangGraph: thin adapters over `AgentMemory`. Needs the extra `langchain`.

Names are imported when first used, so that a vector store does not bring in what only agents need.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from ..errors import MissingExtraError

if TYPE_CHECKING:
    from .labels import escape_label, unescape_label
    from .static_embeddings import StaticEmbeddings
    from .store import AgentMemStore
    from .vectorstore import AgentMemVectorStore

_HOMES: dict[str, tuple[str, ...]] = {
    "labels": ("escape_label", "unescape_label"),
    "static_embeddings": ("StaticEmbeddings",),
    "store": ("AgentMemStore",),
    "vectorstore": ("AgentMemVectorStore",),
    from .chat_history import AgentMemChatMessageHistory
    from .middleware import MemoryMiddleware
    from .models import langchain_embedder, langchain_llm
    from .retriever import AgentMemRetriever
    from .tools import memory_tools

_HOMES: dict[str, tuple[str, ...]] = {
    "chat_history": ("AgentMemChatMessageHistory",),
    "middleware": ("MemoryMiddleware",),
    "models": ("langchain_embedder", "langchain_llm"),
    "retriever": ("AgentMemRetriever",),
    "tools": ("memory_tools",),
}
_HOME_OF = {name: home for home, names in _HOMES.items() for name in names}

__all__ = [
    "AgentMemStore",
    "AgentMemVectorStore",
    "StaticEmbeddings",
    "escape_label",
    "unescape_label",
    "AgentMemChatMessageHistory",
    "AgentMemRetriever",
    "MemoryMiddleware",
    "langchain_embedder",
    "langchain_llm",
    "memory_tools",
]


def __getattr__(name: str) -> Any:
    if name not in _HOME_OF:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    try:
        return getattr(import_module(f".{_HOME_OF[name]}", __name__), name)
    except ModuleNotFoundError as e:
        if e.name is None or e.name.partition(".")[0] not in ("langchain", "langchain_core", "langgraph"):
            raise
        raise MissingExtraError(f'{e.name} is not installed: pip install "agentmem-integrations[langchain]"') from e


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
