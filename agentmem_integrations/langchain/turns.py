"""Whose turn it is, and which messages it has to tell: kept in the agent's state, so that it outlives interrupts and restarts.

A turn belongs to whoever began it. Another person may approve what it waits for, or go on in the same thread: what Ana said stays
Ana's, and the next turn is the other's.
"""

import logging
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from typing import Any, Final, Self
from uuid import uuid4

from langchain_core.messages import AIMessage, BaseMessage

from ..errors import StorageError
from ..models import SHARED, UserId
from .message_items import begin_of_turn, role_of, words_of
from .run_owner import Owner, Whose
from .sync_async_steps import Steps, verb

log = logging.getLogger("agentmem.langchain")

STATE: Final = "agentmem"
"""The field of an agent's state: by a middleware's name what it keeps there."""


@dataclass(frozen=True, slots=True)
class Turn:
    """A turn under way.

    Attributes:
        key: What the middleware holds for it is found by; empty for a turn that is in no state.
        user_id: Whose it is.
        user_key: What that owner is called in a run.
        asked: Id of the last message of the user when it began; empty for none.
        mark: That message's mark.
    """

    key: str
    user_id: UserId
    user_key: str
    asked: str
    mark: str

    def kept(self) -> dict[str, Any]:
        """Return what a state keeps: plain JSON, for checkpointers of every kind."""
        return {
            "key": self.key, "user_id": None if self.user_id is SHARED else self.user_id, "user_key": self.user_key,
            "asked": self.asked, "mark": self.mark,
        }  # fmt: skip

    @classmethod
    def of(cls, kept: Mapping[str, Any]) -> Self:
        """Return the turn that a state keeps."""
        return cls(**{**kept, "user_id": SHARED if kept["user_id"] is None else kept["user_id"]})

    def goes_on(self, messages: Sequence[BaseMessage], user_id: UserId) -> bool:
        """Return whether a run of this person is still in this turn: it is theirs, or nobody said anything since it began.

        A run may have missed its beginning, if another middleware jumped over it: then the state has a turn that was given up.
        """
        last = _last_of_user(messages)
        return user_id == self.user_id or last is None or last.id == self.asked


@dataclass(frozen=True, slots=True)
class Standing:
    """How far a conversation is told.

    Attributes:
        turn: The turn under way; None for none.
        told: Marks of messages that are in memory, or were left out of it for good; None if the conversation is new here.
    """

    turn: Turn | None = None
    told: frozenset[str] | None = None

    def kept(self, messages: Sequence[BaseMessage]) -> dict[str, Any]:
        """Return what a state keeps, as plain JSON: of the marks those of messages that are still there."""
        told = [mark for mark in map(mark_of, messages) if mark in (self.told or ())]
        return {"turn": None if self.turn is None else self.turn.kept(), "told": told}

    @classmethod
    def of(cls, state: Mapping[str, Any], name: str) -> Self:
        """Return what a state keeps for the middleware of this name."""
        kept = (state.get(STATE) or {}).get(name)
        if kept is None:
            return cls()
        return cls(None if kept["turn"] is None else Turn.of(kept["turn"]), frozenset(kept["told"]))


def merged(left: Mapping[str, Any], right: Mapping[str, Any]) -> dict[str, Any]:
    """Return what several middlewares keep in one state, after one of them has changed its own."""
    return {**left, **right}


def owner_of_turn(state: Mapping[str, Any], whose: Whose, by: Owner) -> Steps[Owner | None]:
    """Return whose turn a run is in, for a tool that it calls: the run's own owner if no middleware says; None if it is not sure.

    Args:
        state: The agent's state.
        whose: Where the tool reads the run's owner from: one that is bound to an owner stays his.
        by: Whom the run names.
    """
    if whose.user_id is None:
        for name in state.get(STATE) or ():
            turn = Standing.of(state, name).turn
            if turn is not None and turn.user_key == whose.key and turn.goes_on(state["messages"], by.user_id):
                return Owner(turn.user_id, by.session_id) if (yield from is_sure(turn, by)) else None
    return by


def is_sure(turn: Turn, by: Owner) -> Steps[bool]:
    """Return whether a turn is really that of the owner it names.

    Servers let clients write an agent's state. So it is not enough that the state names somebody else than the run does: they
    must have spoken in this thread, as runs said that named them.
    """
    if turn.user_id == by.user_id:
        return True
    if by.session_id is None:
        return False
    try:
        spoken = yield verb("list", user_id=turn.user_id, session_id=by.session_id, limit=1)
    except StorageError as error:
        log.warning("it is not known whose turn goes on: %s", type(error).__name__)
        return False
    if not spoken:
        log.warning("a turn of somebody who never spoke in its thread goes on without memory")
    return bool(spoken)


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


def marks_of(messages: Sequence[BaseMessage]) -> frozenset[str]:
    """Return the marks of messages."""
    return frozenset(map(mark_of, messages))


def untold(messages: Sequence[BaseMessage], told: Collection[str]) -> list[BaseMessage]:
    """Return the messages that were not told yet."""
    return [message for message in messages if mark_of(message) not in told]


def begin(standing: Standing, messages: Sequence[BaseMessage], owner: Owner, user_key: str, *, key: str = "") -> Beginning:
    """Begin a turn, on whatever the turn before has left.

    Of a conversation that is new here only the user's last words are told: what stands before them was told in other runs.

    Args:
        standing: How far the conversation is told.
        messages: The conversation.
        owner: Who begins it.
        user_key: What the owner is called in a run.
        key: The turn's key.
    """
    last = _last_of_user(messages)
    turn = Turn(key, owner.user_id, user_key, (last.id or "") if last else "", mark_of(last) if last else "")
    before, told = standing.turn, standing.told
    if told is None:
        return Beginning(turn, marks_of(messages[: begin_of_turn(messages)]))
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
        return Beginning(turn, told | marks_of(unsure), unsure=unsure)
    return Beginning(turn, told | marks_of(earlier), left=heard)


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
