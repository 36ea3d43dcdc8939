"""Memory for LlamaIndex: thin adapters over `AgentMemory`. Needs the extra `llamaindex`.

Names are imported when first used, so that a vector store does not bring in what only agents need.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .embedder import LlamaIndexEmbedder
    from .static_embedding import StaticEmbedding
    from .vector_store import AgentMemVectorStore

from ..errors import MissingExtraError

_HOMES: dict[str, tuple[str, ...]] = {
    "embedder": ("LlamaIndexEmbedder",),
    "static_embedding": ("StaticEmbedding",),
    "vector_store": ("AgentMemVectorStore",),
}
_HOME_OF = {name: home for home, names in _HOMES.items() for name in names}

__all__ = ["AgentMemVectorStore", "LlamaIndexEmbedder", "StaticEmbedding"]


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
