"""The memory an adapter works on: an open one, or one that was written down as JSON and is found or opened again when needed.

Agents of LlamaIndex keep their memory in a `Context`, which is saved as JSON and restored from it, in this process or another.
An open file cannot be in there. What can is how it was opened; and a number by which this process finds a memory that is still
open, with the embedder and the language model it was given.
"""

import difflib
import inspect
import os
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import fields
from typing import Any, Final
from uuid import uuid4
from weakref import WeakKeyDictionary, WeakValueDictionary

from llama_index.core.base.embeddings.base import BaseEmbedding
from llama_index.core.llms.llm import LLM

from ..config import MEMORY_URL
from ..errors import InvalidInputError, ScopeError, shown
from ..memory import AgentMemory
from ..models import SHARED, UserId
from ..open_memory import MemoryOrPath, open_memory
from ..pipeline.arguments import read_name
from .models import llamaindex_embedder, llamaindex_llm

# Weak on both sides: they keep no file open, and know nothing but which open memory a saved number meant
_NUMBERS: Final[WeakKeyDictionary[AgentMemory, str]] = WeakKeyDictionary()
_OPEN: Final[WeakValueDictionary[str, AgentMemory]] = WeakValueDictionary()

OBJECTS: Final = ("embedder", "llm")  # settings that may be objects, which JSON cannot carry
SETTINGS: Final = tuple(inspect.signature(AgentMemory).parameters)[1:]  # how a path is opened


class Connection:
    """An open memory, or how to come by it.

    Args:
        memory: An open memory, or a path, which is opened at once for this adapter alone.
        settings: How a path is opened, as for `AgentMemory`. `llm` and `embedder` may be LlamaIndex's.
        arguments: What else the adapter could have been given, to be named where a name is mistyped.

    Raises:
        InvalidInputError: it is neither, an argument that nothing has, or settings for a memory that is open already.
    """

    def __init__(self, memory: MemoryOrPath, settings: Mapping[str, Any], arguments: Iterable[str] = ()) -> None:
        _check_known(settings, arguments)
        if isinstance(memory, AgentMemory) and settings:
            raise InvalidInputError(f"{', '.join(settings)}: these say how a path is opened, and this memory is open already")
        self._memory: AgentMemory | None
        self._memory, self._owned = open_memory(memory, **{name: _ours(value) for name, value in settings.items()})
        self._saved: dict[str, Any] = {}
        self._lock = threading.Lock()

    @classmethod
    def restored(cls, saved: dict[str, Any]) -> "Connection":
        """Return what `to_dict` told of; nothing is opened before it is needed."""
        connection = cls.__new__(cls)
        connection._memory, connection._owned, connection._saved, connection._lock = None, False, dict(saved), threading.Lock()
        return connection

    @property
    def memory(self) -> AgentMemory:
        """The open memory.

        Raises:
            InvalidInputError: it was restored, and nobody can open it again without being told how.
        """
        with self._lock:
            if self._memory is None:
                self._memory, self._owned = self._reopened()
            return self._memory

    @property
    def is_open(self) -> bool:
        """Whether there is an open memory already."""
        return self._memory is not None

    def use(self, memory: AgentMemory) -> None:
        """Work on this open memory from now on."""
        with self._lock:
            if self._owned and self._memory is not None:
                self._memory.close()
            self._memory, self._owned = open_memory(memory)

    def close(self) -> None:
        """Close the memory, if it was opened here."""
        if self._owned and self._memory is not None:
            self._memory.close()

    def to_dict(self) -> dict[str, Any]:
        """Return how to come by the memory again, as JSON. No object is in it, and so no key of a model."""
        memory = self._memory
        if memory is None:
            return dict(self._saved)
        settings = {field.name: getattr(memory._settings, field.name) for field in fields(memory._settings)}
        objects = [name for name in OBJECTS if not isinstance(settings[name], str | None)]
        settings |= dict.fromkeys(objects)
        if settings["path"] != MEMORY_URL:
            settings["path"] = os.path.abspath(settings["path"])  # noqa: PTH100 - as text, like the setting
        number = _NUMBERS.setdefault(memory, uuid4().hex)
        _OPEN[number] = memory
        return {"open": number, "settings": settings, "objects": objects}

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickle what `to_dict` says."""
        return type(self).restored, (self.to_dict(),)

    def _reopened(self) -> tuple[AgentMemory, bool]:
        memory = _OPEN.get(self._saved["open"])
        if memory is not None and not memory._engine.closed:
            return memory, False
        settings = dict(self._saved["settings"])
        path = settings.pop("path")
        if self._saved["objects"] or path == MEMORY_URL:
            why = "it was in RAM" if path == MEMORY_URL else f"its {' and '.join(self._saved['objects'])} cannot be saved"
            raise InvalidInputError(f"this memory was saved and is no longer open, and {why}: call use(AgentMemory({shown(path)}, ...))")
        settings["queue"] = settings["queue"] and tuple(settings["queue"])  # JSON has no tuples
        return AgentMemory(path, **settings), True


class Connected:
    """What every adapter has that works on a connection."""

    _connection: Connection

    @property
    def memory(self) -> AgentMemory:
        """The open memory."""
        return self._connection.memory

    def use(self, memory: AgentMemory) -> None:
        """Go on with this open memory: for one restored or unpickled that was opened with an embedder or model of your own."""
        self._connection.use(memory)

    def close(self) -> None:
        """Close the memory, if it was opened here from a path."""
        self._connection.close()


@contextmanager
def closed_on_error(connection: Connection | None) -> Iterator[None]:
    """Close what an adapter has just opened if there is no adapter in the end, and nobody who could close it."""
    try:
        yield
    except BaseException:
        if connection is not None:
            connection.close()
        raise


def arguments_of(made: Callable[..., Any]) -> list[str]:
    """Return the names that an adapter takes beside settings."""
    taken = inspect.signature(made).parameters.values()
    return [parameter.name for parameter in taken if parameter.kind is not parameter.VAR_KEYWORD and parameter.name != "self"]


def _check_known(settings: Iterable[str], arguments: Iterable[str]) -> None:
    """Refuse a name that is mistyped: what it should have set would silently, or with an odd reason, not be set.

    Raises:
        InvalidInputError: it is neither an argument nor a setting.
    """
    known = [*dict.fromkeys([*arguments, *SETTINGS])]
    for name in settings:
        if name not in SETTINGS:
            near = difflib.get_close_matches(name, known, 3, 0.5) or [part for part in known if part in name.split("_")]
            told = f"did you mean {' or '.join(near)}?" if near else f"there are {', '.join(known)}"
            raise InvalidInputError(f"unknown argument {name}: {told}")


def _ours(setting: Any) -> Any:
    """Return a model of LlamaIndex as the core takes it, and anything else as it is."""
    if isinstance(setting, LLM):
        return llamaindex_llm(setting)
    return llamaindex_embedder(setting) if isinstance(setting, BaseEmbedding) else setting


def read_owner(user_id: UserId | None) -> str | None:
    """Return whose memory it is; None for `SHARED`. An adapter is bound to one owner for good, so there is no default.

    Raises:
        ScopeError: nobody was named.
        InvalidInputError: no id at all.
    """
    if user_id is None:
        raise ScopeError("whose memory? Pass user_id=..., or user_id=SHARED for memory that belongs to nobody")
    return None if user_id is SHARED else read_name(user_id, "user_id")


def owner(user_id: str | None) -> UserId:
    """Return the `user_id` of a call, of what `read_owner` returned."""
    return SHARED if user_id is None else user_id
