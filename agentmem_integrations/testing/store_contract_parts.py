"""What the parts of a `ports.Store`'s contract share: owners, memories to store, and how a store is made."""

from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime
from typing import Any, Final

import numpy as np
import pytest

from ..models import SHARED, Event, Identity, Memory, Scope
from ..ports import Ask, Change, Insert, Outcome, Selection, Store, Vector

NAMESPACE: Final = "default"
IDENTITY: Final = Identity("contract", "1", 4)
ANA: Final = Scope(NAMESPACE, "ana")
SEATED: Final = Scope(NAMESPACE, "ana", session_id="s")
NONE_HEARD: Final = [-1] * 4
BEN: Final = Scope(NAMESPACE, "ben")


def pointing(*numbers: float) -> Vector:
    """Return the unit vector in a direction of four dimensions."""
    vector = np.array([*numbers, *[0.0] * (4 - len(numbers))])
    return np.asarray(vector / np.linalg.norm(vector), np.float32)


def memory(id: str, text: str, **fields: Any) -> Memory:
    """Return a memory as the add hallway would make it."""
    now = datetime.now(UTC)
    fields.setdefault("occurred_at", now)
    return Memory(id, text, created_at=now, updated_at=now, **fields)


def insert(id: str, text: str, scope: Scope = ANA, vector: Vector | None = None, *, owed: bool = False, **fields: Any) -> Insert:
    """Return the change that stores a memory."""
    owner = None if scope.user_id is SHARED else scope.user_id
    stored = memory(id, text, user_id=owner, agent_id=scope.agent_id, session_id=scope.session_id, **fields)
    return Insert(stored, scope, {} if vector is None else {"text": vector}, owed)


def keyed(id: str, key: bytes, vector: Vector, scope: Scope = ANA) -> Insert:
    """Return an insert whose vector is to be kept."""
    change = insert(id, f"text of {id}", scope, vector)
    change.key = key
    return change


def item(path: tuple[str, ...], key: str, value: Any, **vectors: Vector) -> Insert:
    """Return the change that stores a framework's own item, with one vector per field."""
    scope = Scope(NAMESPACE, path=path)
    return Insert(memory(key, str(value), value=value), scope, vectors)


def meaning(scope: Scope | None = ANA, *ids: str, **conditions: Any) -> Selection:
    """Return a selection in the contract's collection."""
    return Selection(NAMESPACE, scope, ids or None, **conditions)


def ids_of(memories: Sequence[Memory]) -> list[str]:
    """Return the ids, in order."""
    return [m.id for m in memories]


def only_event(outcome: Outcome) -> Event:
    """Return the one event of an outcome."""
    assert isinstance(outcome, list), outcome
    (event,) = outcome
    return event


class Contract:
    """A part of the contract. Override the fixture `make_store`."""

    @pytest.fixture
    def make_store(self) -> Callable[[], Store]:
        """Return what makes an empty store."""
        raise NotImplementedError("override the fixture make_store")

    @pytest.fixture
    def store(self, make_store: Callable[[], Store]) -> Iterator[Store]:
        """An open store with a collection that merges twins."""
        store = make_store()
        store.open_collection(NAMESPACE, "merge", IDENTITY)
        yield store
        store.close()

    def apply(self, store: Store, *changes: Change) -> Outcome:
        """Make changes and return the last one's outcome."""
        return store.apply(changes)[-1]

    def search(self, store: Store, selection: Selection, vector: Vector | None = None, words: str | None = None, **more: Any) -> list[str]:
        """Return ids of the candidates, in insertion order."""
        asked = Ask(selection, vector, words, **{"limit": 10, **more})
        keys = store.gather(asked).keys.tolist()
        found = store.load(keys)
        return [found[key].id for key in keys]
