"""What the vector stores of both frameworks share: a collection of documents, and texts that are blank."""

import contextlib
import itertools
import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final, TypeVar

from .errors import AgentMemError, ConflictError, InvalidInputError, shown
from .memory import AgentMemory, Collection, UserMemory
from .models import SHARED, AddResult, Memory, UserId
from .open_memory import MemoryOrPath, open_memory

T = TypeVar("T")

KIND: Final = "resource"  # what documents are among `KINDS`
CHUNK: Final = 1_000  # documents in one transaction: as many as `add_batch` takes
PAGE: Final = 10_000  # ids that one call reads
BLANK: Final = "\u2060"  # a word joiner: no word and no space, so that nothing finds it, in place of a text that has neither
CHATS: Final = ("llamaindex-chat", "chat_history")  # where the chat stores of LlamaIndex and LangChain keep their messages


def open_documents(memory: MemoryOrPath, collection: str, embedder: Any, **settings: Any) -> tuple[AgentMemory, Collection, bool]:
    """Return a memory, a collection of documents in it, and whether the memory was opened here.

    Args:
        memory: An open memory or a path, see `open_memory`.
        collection: The collection's name; it keeps identical texts apart.
        embedder: As for `AgentMemory`.
        settings: How else a path is opened, as for `AgentMemory`.

    Raises:
        ConflictError: the collection is one of memories, where the same text told twice is one, or of chat histories.
        EmbedderMismatchError: it was written with another embedder.
        InvalidInputError: settings for a memory that is open already.
    """
    if collection in CHATS:
        raise ConflictError(f"collection {collection!r} is where chat histories are kept: choose another name")
    if settings and isinstance(memory, AgentMemory):
        raise InvalidInputError(f"{', '.join(settings)}: these say how a path is opened, and this memory is open already")
    opened, owned = open_memory(memory, namespace=collection, embedder=embedder, twins="keep", **settings)
    return opened, opened if owned else opened.collection(collection, embedder=embedder, twins="keep"), owned


def documents_of(collection: Collection, user_id: UserId | None) -> UserMemory:
    """Return the part of a collection that a vector store reaches: one user's, or what belongs to nobody."""
    return collection.for_user(SHARED if user_id is None else user_id)


def document(id: str | None, text: str, metadata: Mapping[str, Any], value: Mapping[str, Any] | None = None, **more: Any) -> dict[str, Any]:
    """Return a document as an item of `add_batch`; a blank text is kept beside the one that stands for it.

    Args:
        id: Its id; None for a new one.
        text: Its words.
        metadata: What filters see.
        value: What else its framework wants back.
        more: Other keys of the item.
    """
    if not text.strip():
        text, value = BLANK, {**(value or {}), "blank": text}
    return {"id": id, "text": text, "metadata": metadata, "value": value, "kind": KIND, **more}


def blank(question: Any) -> bool:
    """Say whether a question has no words: it then finds nothing, where the core refuses it."""
    return isinstance(question, str) and not question.strip()


def text_of(memory: Memory) -> str:
    """Return the words of a document as they were given."""
    blank = memory.value.get("blank") if isinstance(memory.value, Mapping) else None
    return memory.text if blank is None else str(blank)


def ids_of(results: Iterable[AddResult]) -> list[str]:
    """Return the ids of stored documents, in order."""
    return [result.events[0].memory.id for result in results]


def chunks(items: Iterable[T], size: int) -> Iterator[list[T]]:
    """Yield consecutive parts of at most `size` items.

    Raises:
        InvalidInputError: the size is none.
    """
    if isinstance(size, bool) or not isinstance(size, int) or size < 1:
        raise InvalidInputError(f"a batch of {size!r} documents makes no sense: pass a positive number")
    source = iter(items)
    while part := list(itertools.islice(source, size)):
        yield part


@contextlib.contextmanager
def counted_from(first: int) -> Iterator[None]:
    """Have the errors about a part of the caller's list name items by their place in all of it.

    Args:
        first: How many items came before the part; they are stored.
    """
    try:
        yield
    except AgentMemError as error:
        if not first:
            raise
        found = re.match(r"item (\d+): ", str(error))
        if found is None:
            error.add_note(f"the first {first:,} items of the call were stored before")
            raise
        told = f"item {first + int(found[1])}: {str(error)[found.end() :]} (the first {first:,} items were stored before)"
        raise type(error)(told) from None


def checked_ids(ids: Any, what: str) -> list[str]:
    """Return ids as a list: a bare string would be taken for its letters.

    Raises:
        InvalidInputError: a bare string, or something in it that is none.
    """
    if isinstance(ids, str):
        raise InvalidInputError(f"{what} is one string: pass a list of ids")
    listed = list(ids)
    for place, id in enumerate(listed):
        if not isinstance(id, str):
            raise InvalidInputError(f"{what}[{place}] is {shown(id)}: ids are strings")
    return listed
