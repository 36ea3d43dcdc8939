"""Whose turn it is, and which messages it has to tell: kept in the agent's state, so that it outlives interrupts and restarts.

A turn belongs to whoever began it. Another person may approve what it waits for, or go on in the same thread: what Ana said stays
Ana's, and the next turn is the other's.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from typing import Any, Final, Self
from uuid import uuid4

from langchain_core.messages import AIMessage, BaseMessage

from ..models import SHARED, UserId
from .message_items import begin_of_turn, role_of, words_of
from .run_owner import Owner

TURN: Final = "agentmem_turn"
TOLD: Final = "agentmem_told"


@dataclass(frozen=True, slots=True)
class Turn:
    """A turn under way.

    Attributes:
        key: What the middleware holds for it is found by; empty for a turn that is in no state.
        user_id: Whose it is.
        asked: Id of the last message of the user when it began; empty for none.
        mark: That message's mark.
    """

    key: str
    user_id: UserId
    asked: str
    mark: str

    @classmethod
    def of(cls, state: Mapping[str, Any]) -> Self | None:
        """Return the turn that a state says is under way; None for none."""
        kept = state.get(TURN)
        if kept is None:
            return None
        return cls(kept["key"], SHARED if kept["user_id"] is None else kept["user_id"], kept["asked"], kept["mark"])

    def kept(self) -> dict[str, Any]:
        """Return what a state keeps: plain JSON, for checkpointers of every kind."""
        return {"key": self.key, "user_id": None if self.user_id is SHARED else self.user_id, "asked": self.asked, "mark": self.mark}

    def goes_on(self, messages: Sequence[BaseMessage], user_id: UserId) -> bool:
        """Return whether a run of this person is still in this turn: it is theirs, or nobody said anything since it began.

        A run may have missed its beginning, if another middleware jumped over it: then the state has a turn that was given up.
        """
        last = _last_of_user(messages)
        return user_id == self.user_id or last is None or last.id == self.asked


@dataclass(frozen=True, slots=True)
class Beginning:
    """What is known when a turn begins.

    Attributes:
        turn: The turn.
        told: Marks of the messages that it has not to tell.
        left: Messages of somebody else's turn that was given up: they are told as that person's.
        unsure: Words from before that no model answered. They were stored, or another middleware has refused them.
    """

    turn: Turn
    told: frozenset[str]
    left: tuple[BaseMessage, ...] = ()
    unsure: tuple[BaseMessage, ...] = ()


def mark_of(message: BaseMessage) -> str:
    """Return by what it is known that a message was told.

    A user may say other words under the same id, for frontends edit that way; what a model said is known by its id alone, as
    middleware rewrites it.
    """
    text = words_of(message) if role_of(message) == "user" else ""
    return blake2b(f"{message.id}\0{text}".encode(), digest_size=8).hexdigest()


def marks_of(messages: Sequence[BaseMessage]) -> list[str]:
    """Return the marks of messages."""
    return [mark_of(message) for message in messages]


def untold(messages: Sequence[BaseMessage], told: Collection[str]) -> list[BaseMessage]:
    """Return the messages that were not told yet."""
    return [message for message in messages if mark_of(message) not in told]


def begin(state: Mapping[str, Any], owner: Owner, *, key: str = "") -> Beginning:
    """Begin a turn of this owner, on whatever the turn before has left.

    Of a conversation that is new here only the user's last words are told: what stands before them was told in other runs.
    """
    messages: Sequence[BaseMessage] = state["messages"]
    last = _last_of_user(messages)
    turn = Turn(key, owner.user_id, (last.id or "") if last else "", mark_of(last) if last else "")
    kept, before = state.get(TOLD), Turn.of(state)
    if kept is None:
        return Beginning(turn, frozenset(marks_of(messages[: begin_of_turn(messages)])))
    told = frozenset(kept)
    if before is None:
        return Beginning(turn, told)
    mine = before.user_id == owner.user_id
    start = _begin_of_new(messages, before, mine=mine)
    earlier = untold(messages[:start], told)
    answered = max((at for at in range(start) if isinstance(messages[at], AIMessage)), default=-1)
    refused = {id(message) for message in messages[answered + 1 : start] if mark_of(message) == before.mark or message.id != before.asked}
    heard = tuple(message for message in earlier if id(message) not in refused)
    unsure = tuple(message for message in earlier if id(message) in refused)
    if mine:
        return Beginning(turn, told | set(marks_of(unsure)), unsure=unsure)
    return Beginning(turn, told | set(marks_of(earlier)), left=heard)


def new_key() -> str:
    """Return a key for a turn."""
    return uuid4().hex


def _begin_of_new(messages: Sequence[BaseMessage], before: Turn, *, mine: bool) -> int:
    """Return where the words begin that were said since the turn before; of words sent again, where those begin."""
    asked = max((at for at, message in enumerate(messages) if message.id == before.asked), default=-1)
    start = max(begin_of_turn(messages), asked + 1)
    if any(role_of(message) == "user" for message in messages[start:]):
        return start
    return begin_of_turn(messages) if mine else len(messages)


def _last_of_user(messages: Sequence[BaseMessage]) -> BaseMessage | None:
    return next((message for message in reversed(messages) if role_of(message) == "user"), None)
