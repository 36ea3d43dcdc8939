"""Whose memories, and which: what every verb reads from its arguments first."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import date, datetime
from typing import Any

from numpy.typing import NDArray

from ..engine import Room
from ..errors import InvalidInputError, ScopeError, shown
from ..filters import Condition, parse
from ..models import SHARED, Memory, Scope, UserId
from ..pipeline.arguments import read_ids, read_kinds, read_moment, read_name, read_scope
from ..ports import Selection

Memories = list[Memory]
Moment = str | date | datetime
Filter = Mapping[str, Any] | Condition
Numbers = Sequence[float] | NDArray[Any]
Kinds = str | Sequence[str]
Ids = str | Iterable[str]


class Scoped:
    """The memories of one collection, or of one user in it.

    Args:
        room: The open collection.
        user_id: Bound to this user; None for a view of all users, whose calls name one.
    """

    def __init__(self, room: Room, user_id: UserId | None = None) -> None:
        self._room = room
        self._user_id = user_id

    def _user(self, user_id: UserId | None) -> UserId | None:
        if user_id is not None and user_id is not SHARED:
            read_name(user_id, "user_id")  # before it is compared
        if self._user_id is not None and user_id is not None and user_id != self._user_id:
            raise ScopeError(f"this view is bound to one user and cannot reach user_id={shown(user_id)}")
        return self._user_id if user_id is None else user_id

    def _scope(self, user_id: UserId | None, agent_id: str | None, session_id: str | None, *, named: bool = False) -> Scope:
        """Return the scope of a call; `named`: even a document collection must say whose (to delete everything of nobody's)."""
        by_default = self._room.twins == "keep" and not named
        return read_scope(self._room.namespace, self._user(user_id), agent_id, session_id, shared_by_default=by_default)

    def _selection(
        self,
        user_id: UserId | None,
        agent_id: str | None,
        session_id: str | None,
        *,
        kind: Kinds | None = None,
        filter: Filter | None = None,
        after: Moment | None = None,
        before: Moment | None = None,
        at: Moment | None = None,
        id: Ids | None = None,
    ) -> Selection:
        ids = None if id is None else read_ids(id)
        return Selection(
            self._room.namespace, self._scope(user_id, agent_id, session_id), ids, read_kinds(kind), parse(filter),
            read_moment(after, "after"), read_moment(before, "before", end_of_day=True), read_moment(at, "at"),
        )  # fmt: skip

    def _by_id(self, id: str, user_id: UserId | None) -> Selection:
        self._room.engine.check_open()
        ids = (read_name(id, "id") or _missing_id(),)
        user = self._user(user_id)
        scope = None if user is None else self._scope(user, None, None)
        return Selection(self._room.namespace, scope, ids, any_validity=True)


def _missing_id() -> str:
    raise InvalidInputError("id=None: pass the memory's id")
