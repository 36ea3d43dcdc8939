"""Long-term memory for LLM agents in one SQLite file.

Names are imported when first used (PEP 562), so that `import agentmem_integrations` costs next to nothing.
"""

from typing import TYPE_CHECKING

from .lazy_imports import lazily

if TYPE_CHECKING:
    from .embedding.given_vectors import GivenVectors
    from .embedding.openai import OpenAIEmbedder
    from .errors import (
        AgentMemError,
        ClosedError,
        ConflictError,
        EmbedderMismatchError,
        EmbeddingError,
        FilterError,
        InvalidInputError,
        MissingExtraError,
        ModelAccessError,
        ModelBusyError,
        ModelError,
        ModelRequestError,
        ModelTimeoutError,
        NetworkFilesystemWarning,
        NotADatabaseError,
        NotFoundError,
        ReplyError,
        RerankError,
        SchemaError,
        ScopeError,
        StaleError,
        StorageError,
        StoreBusyError,
        StoreFullError,
        TextError,
        TextTooLongError,
        VectorError,
    )
    from .llm.openai import OpenAIChat
    from .memory import AgentMemory, UserMemory
    from .models import DIFFERENCES, KINDS, SHARED, AddResult, Event, Finding, Hit, Identity, Job, Memory, Report

__version__ = "0.1.0"

_HOMES = {
    "memory": ("AgentMemory", "UserMemory"),
    "models": ("DIFFERENCES", "KINDS", "SHARED", "AddResult", "Event", "Finding", "Hit", "Identity", "Job", "Memory", "Report"),
    "errors": (
        "AgentMemError", "ClosedError", "ConflictError", "EmbedderMismatchError", "EmbeddingError", "FilterError",
        "InvalidInputError", "MissingExtraError", "NetworkFilesystemWarning", "NotADatabaseError", "NotFoundError", "SchemaError",
        "ScopeError", "StorageError", "StoreBusyError", "StoreFullError", "TextError", "VectorError",
        "ModelAccessError", "ModelBusyError", "ModelError", "ModelRequestError", "ModelTimeoutError", "ReplyError", "RerankError",
        "StaleError", "TextTooLongError",
    ),
    "embedding.given_vectors": ("GivenVectors",),
    "embedding.openai": ("OpenAIEmbedder",),
    "llm.openai": ("OpenAIChat",),
}  # fmt: skip

__all__ = [
    "DIFFERENCES", "KINDS", "SHARED", "AddResult", "AgentMemError", "AgentMemory", "ClosedError", "ConflictError",
    "EmbedderMismatchError", "EmbeddingError", "Event", "FilterError", "Finding", "GivenVectors", "Hit", "Identity", "InvalidInputError",
    "Job", "Memory", "MissingExtraError", "ModelAccessError", "ModelBusyError", "ModelError", "ModelRequestError", "ModelTimeoutError",
    "NetworkFilesystemWarning", "NotADatabaseError", "NotFoundError", "OpenAIChat", "OpenAIEmbedder", "ReplyError", "Report",
    "RerankError", "SchemaError", "ScopeError", "StaleError", "StorageError", "StoreBusyError", "StoreFullError", "TextError",
    "TextTooLongError", "UserMemory", "VectorError",
]  # fmt: skip

__getattr__, __dir__ = lazily(__name__, _HOMES)
