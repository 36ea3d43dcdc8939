"""Memory for LlamaIndex: thin adapters over `AgentMemory`. Needs the extra `llamaindex`.

Names are imported when first used, so that a vector store does not bring in what only agents need.
"""

from typing import TYPE_CHECKING

from ..lazy_imports import lazily

if TYPE_CHECKING:
    from .chat_store import AgentMemChatStore
    from .legacy_chat_store import AgentMemLegacyChatStore
    from .memory import AgentMemMemory
    from .memory_block import AgentMemMemoryBlock
    from .models import StaticEmbedding, llamaindex_embedder, llamaindex_llm
    from .retriever import AgentMemRetriever
    from .tools import AgentMemToolSpec
    from .vector_store import AgentMemVectorStore

_HOMES = {
    "chat_store": ("AgentMemChatStore",),
    "legacy_chat_store": ("AgentMemLegacyChatStore",),
    "memory": ("AgentMemMemory",),
    "memory_block": ("AgentMemMemoryBlock",),
    "models": ("StaticEmbedding", "llamaindex_embedder", "llamaindex_llm"),
    "retriever": ("AgentMemRetriever",),
    "tools": ("AgentMemToolSpec",),
    "vector_store": ("AgentMemVectorStore",),
}

__all__ = [
    "AgentMemChatStore",
    "AgentMemLegacyChatStore",
    "AgentMemMemory",
    "AgentMemMemoryBlock",
    "AgentMemRetriever",
    "AgentMemToolSpec",
    "AgentMemVectorStore",
    "StaticEmbedding",
    "llamaindex_embedder",
    "llamaindex_llm",
]

__getattr__, __dir__ = lazily(__name__, _HOMES, extra="llamaindex", needs=("llama_index", "workflows"))
