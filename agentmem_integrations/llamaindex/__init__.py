"""Memory for LlamaIndex: thin adapters over `AgentMemory`. Needs the extra `llamaindex`.

Names are imported when first used, so that a vector store does not bring in what only agents need.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from ..errors import MissingExtraError

if TYPE_CHECKING:
    from .chat_store import AgentMemChatStore
    from .embedder import LlamaIndexEmbedder
    from .legacy_chat_store import AgentMemLegacyChatStore
    from .memory import AgentMemMemory
    from .memory_block import AgentMemMemoryBlock
    from .models import llamaindex_embedder, llamaindex_llm
    from .retriever import AgentMemRetriever
    from .static_embedding import StaticEmbedding
    from .tools import AgentMemToolSpec
    from .vector_store import AgentMemVectorStore

_HOMES: dict[str, tuple[str, ...]] = {
    "chat_store": ("AgentMemChatStore",),
    "embedder": ("LlamaIndexEmbedder",),
    "legacy_chat_store": ("AgentMemLegacyChatStore",),
    "memory": ("AgentMemMemory",),
    "memory_block": ("AgentMemMemoryBlock",),
    "models": ("llamaindex_embedder", "llamaindex_llm"),
    "retriever": ("AgentMemRetriever",),
    "static_embedding": ("StaticEmbedding",),
    "tools": ("AgentMemToolSpec",),
    "vector_store": ("AgentMemVectorStore",),
}
_HOME_OF = {name: home for home, names in _HOMES.items() for name in names}

__all__ = [
    "AgentMemChatStore",
    "AgentMemLegacyChatStore",
    "AgentMemMemory",
    "AgentMemMemoryBlock",
    "AgentMemRetriever",
    "AgentMemToolSpec",
    "AgentMemVectorStore",
    "LlamaIndexEmbedder",
    "StaticEmbedding",
    "llamaindex_embedder",
    "llamaindex_llm",
]


def __getattr__(name: str) -> Any:
    if name not in _HOME_OF:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    try:
        return getattr(import_module(f".{_HOME_OF[name]}", __name__), name)
    except ModuleNotFoundError as e:
        if e.name is None or e.name.partition(".")[0] not in ("llama_index", "workflows"):
            raise
        raise MissingExtraError(f'{e.name} is not installed: pip install "agentmem-integrations[llamaindex]"') from e


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
