"""How a LangGraph store finds items by meaning: its `index` option, read."""

import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from langchain_core.embeddings import Embeddings
from langgraph.store.base import IndexConfig, ensure_embeddings, get_text_at_path, tokenize_path

from ..config import MAX_DIM
from ..errors import InvalidInputError, shown
from ..pipeline.arguments import read_count
from .models import langchain_embedder

WHOLE: Final = "$"
"""The path that means the whole value."""

_KEYS: Final = ("dims", "embed", "fields", "text_fields", "distance_type")
_SPECS: Final = ("openai:", "fastembed:", "model2vec:")

Field = tuple[str, Sequence[str]]


@dataclass(frozen=True, slots=True)
class Indexing:
    """What is embedded of an item, and with what.

    Attributes:
        embedder: As for `AgentMemory.items`; None where nothing is embedded, `default` where the caller named none.
        dims: The length of the vectors, as far as the caller told.
        fields: Paths into the value, with their steps.
    """

    embedder: Any
    dims: int | None
    fields: tuple[Field, ...]

    def texts(self, value: Mapping[str, Any], index: Sequence[str] | bool | None) -> dict[str, str]:
        """Return the texts that an item is to be found by, by the path they lie at.

        Args:
            value: The item's value.
            index: Paths instead of the configured ones; False for none at all.

        Raises:
            InvalidInputError: `index` is neither.
        """
        if index is False or self.embedder is None:
            return {}
        fields = self.fields if index is None else _fields(index, "index")
        found: dict[str, str] = {}
        for path, steps in fields:
            texts = get_text_at_path(value, list(steps))
            found |= {path if len(texts) == 1 else f"{path}.{number}": text for number, text in enumerate(texts)}
        return found


def read_index(index: IndexConfig | Mapping[str, Any] | bool | None, default: Any) -> Indexing:
    """Read the `index` option of a store.

    Args:
        index: As for `AgentMemStore`.
        default: The embedder where `index` names none.

    Raises:
        InvalidInputError: it cannot be understood.
    """
    if index is False:
        return Indexing(None, None, ())
    if index is not None and not isinstance(index, Mapping):
        raise InvalidInputError(f"index={shown(index)}: {_instead(index)}")
    given: Mapping[str, Any] = {} if index is None else index
    if unknown := [key for key in given if key not in _KEYS]:
        raise InvalidInputError(f"index={shown(index)}: pass a dict with {', '.join(_KEYS)}, or False; {unknown[0]!r} is none of these")
    if given.get("distance_type", "cosine") != "cosine":
        raise InvalidInputError(f"index has distance_type={shown(given['distance_type'])}: only 'cosine' is there, leave it out")
    dims = given.get("dims")
    if dims is not None:
        read_count(dims, "dims of index", 1, MAX_DIM)
    fields = given.get("fields") or given.get("text_fields")  # what SqliteStore calls them
    fields = [fields] if isinstance(fields, str) else fields
    embed = given.get("embed")
    embedder = default if embed is None else _embedder(embed, dims)
    return Indexing(embedder, dims, _fields([WHOLE] if fields is None else fields, "fields of index"))


def _instead(index: Any) -> str:
    """Return what to pass in place of an index that is no dict."""
    embeds = isinstance(index, str | Embeddings) or hasattr(index, "embed_documents") or (callable(index) and not isinstance(index, type))
    if embeds:
        return f"pass it in a dict, index={{'embed': {shown(index) if isinstance(index, str) else '...'}}}"
    return f"pass a dict with some of {', '.join(_KEYS)}, such as {{'embed': 'static'}}, or False; or leave it out"


def _fields(paths: Any, what: str) -> tuple[Field, ...]:
    if not isinstance(paths, Sequence) or isinstance(paths, str) or not all(isinstance(path, str) and path for path in paths):
        raise InvalidInputError(f"{what}={shown(paths)}: pass a list of paths such as ['title', 'parts[*].text']")
    return tuple((path, [] if path == WHOLE else tokenize_path(path)) for path in dict.fromkeys(paths))


def _embedder(embed: Any, dims: int | None) -> Any:
    """Return what the core takes for an embedder."""
    if isinstance(embed, str):
        if embed == "static" or embed.startswith(_SPECS):
            return embed
        embed = ensure_embeddings(embed)  # another provider that LangChain knows
    if isinstance(embed, Embeddings):
        function = getattr(embed, "func", None) or getattr(embed, "afunc", None)  # which langgraph has wrapped
        return langchain_embedder(embed, name=None if function is None else _function_name(function), dim=dims)
    if hasattr(embed, "embed_documents") or hasattr(embed, "aembed_documents"):
        return embed
    if callable(embed):
        return FunctionEmbedder(_function_name(embed), dims, embed, _of_one(embed))
    raise InvalidInputError(
        f"embed={shown(embed)} of index is none: pass LangChain Embeddings, a function from texts to vectors, or a name such as 'static'"
    )


class FunctionEmbedder:
    """A function from texts to vectors as an embedder whose identity is known.

    Args:
        name: What the file records it by.
        dim: Length of its vectors; None: it is found by embedding one word.
        documents: Embeds texts; may be a coroutine function.
        query: Embeds one question; likewise.
    """

    def __init__(self, name: str, dim: int | None, documents: Callable[[Any], Any], query: Callable[[Any], Any]) -> None:
        self.__wrapped__ = documents  # by which it is known again, and called in errors
        self.name = name
        self.revision = ""
        self.dim = dim
        self.embed_documents = documents
        self.embed_query = query


def _of_one(embed: Callable[[Any], Any]) -> Callable[[str], Any]:
    def query(text: str) -> Any:
        made = embed([text])
        return _first(made) if inspect.isawaitable(made) else made[0]

    return query


async def _first(made: Any) -> Any:
    return (await made)[0]


def _function_name(embed: Any) -> str:
    named = embed if hasattr(embed, "__qualname__") else type(embed)
    return f"{named.__module__}.{named.__qualname__}"
