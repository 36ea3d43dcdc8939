"""How a vector store is opened: its arguments, the refusals, and what of it can be written down as JSON."""

import difflib
import os
from collections.abc import Mapping
from dataclasses import fields
from typing import Any, Final

from llama_index.core.base.embeddings.base import BaseEmbedding

from ..config import MEMORY_URL, Settings
from ..documents import open_documents
from ..embedding.given_vectors import GivenVectors
from ..errors import ConflictError, EmbedderMismatchError, InvalidInputError, shown
from ..memory import AgentMemory, Collection, UserMemory
from ..open_memory import MemoryOrPath
from .models import llamaindex_embedder

_OWN: Final = ("collection", "embed_model", "user_id")
_DECIDED: Final = ("path", "embedder", "namespace", "twins", "mode")  # by the store itself
_FIXED: Final = ("stores_text", "is_embedding_query")  # what LlamaIndex asks of every store; both hold for this one
_OF_A_MESSAGE: Final = {"message", "piece", "pieces", "json"}  # the metadata of what `AgentMemChatStore` stores
_DEFAULTS: Final[Mapping[str, Any]] = {field.name: field.default for field in fields(Settings) if field.name not in _DECIDED}


def read_settings(given: Mapping[str, Any], embed_model: BaseEmbedding | None) -> dict[str, Any]:
    """Return how a path is opened, from the keyword arguments that are not the store's own, or from what `to_dict` made of them.

    Raises:
        TypeError: an argument that there is not.
        InvalidInputError: a store was saved with an object that was not given again.
    """
    fresh = dict(given)
    saved, objects = fresh.pop("settings", {}), fresh.pop("objects", ())
    for name in _FIXED:
        if not fresh.pop(name, True):
            raise InvalidInputError(f"{name}=False: this store keeps the text of its nodes and is asked with embeddings")
    settings = {**saved, **fresh}
    for name in settings:
        if name not in _DEFAULTS:
            near = difflib.get_close_matches(name, (*_OWN, *_DEFAULTS), 2)
            hint = f"did you mean {' or '.join(near)}?" if near else f"there are {', '.join(_OWN)}, and how AgentMemory opens a path"
            raise TypeError(f"AgentMemVectorStore has no argument {shown(name)}: {hint}")
    there = {*settings, *(() if embed_model is None else ("embed_model",))}
    if missing := [name for name in objects if name not in there]:
        again = ", ".join(f"{name}=..." for name in missing)
        raise InvalidInputError(f"this store was saved with {again}, which JSON cannot carry: call from_dict(saved, {again})")
    if settings.get("queue") is not None:
        settings["queue"] = tuple(settings["queue"])  # JSON has no tuples
    return settings


def settings_of(memory: AgentMemory) -> dict[str, Any]:
    """Return how a memory was opened, where that is not the default."""
    chosen = {name: getattr(memory._settings, name) for name in _DEFAULTS}
    return {name: value for name, value in chosen.items() if value != _DEFAULTS[name]}


def as_json(memory: AgentMemory, embed_model: BaseEmbedding | None) -> dict[str, Any]:
    """Return how to come by a memory again, as fields of the store: where it is, how it is opened, and which objects that takes."""
    settings = settings_of(memory)
    told = {name: value for name, value in settings.items() if isinstance(value, str | int | float | tuple | None)}
    objects = [*(() if embed_model is None else ("embed_model",)), *(name for name in settings if name not in told)]
    path = memory.path if memory.path == MEMORY_URL else os.path.abspath(memory.path)  # noqa: PTH100 - as text, like the setting
    return {"memory": path, "settings": told, "objects": objects}


def open_nodes(
    memory: MemoryOrPath, collection: str, embed_model: BaseEmbedding | None, settings: Mapping[str, Any]
) -> tuple[AgentMemory, Collection, bool]:
    """Return what `open_documents` does.

    Raises:
        EmbedderMismatchError: told in the words of whoever opens a vector store.
    """
    embedder = GivenVectors() if embed_model is None else llamaindex_embedder(embed_model)
    try:
        return open_documents(memory, collection, embedder, **settings)
    except EmbedderMismatchError as error:
        if embed_model is None:
            raise
        raise EmbedderMismatchError(
            f"{error}. If the nodes bring their embeddings, as those of an index do, leave embed_model= out; to have them embedded by "
            f"this model, call that reembed with llamaindex_embedder(embed_model) once"
        ) from None


def check_holds_nodes(nodes: UserMemory, collection: str) -> None:
    """Refuse a collection of chat histories, which `clear` would delete.

    Raises:
        ConflictError: it is one.
    """
    for first in nodes.list(limit=1):  # chats and nodes are never in one collection: one look costs nothing
        if first.value is None and first.metadata.keys() >= _OF_A_MESSAGE:
            raise ConflictError(f"collection {collection!r} holds chat histories: choose another name")
