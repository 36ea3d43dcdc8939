"""What was said and has to be written: kept here from when it is said until the file has all of it.

What was said so far is stored before each call of the model. An agent that raises, waits for a human for ever, or is killed has
heard the user all the same. The answer follows when the agent is done. What could not be written stays here, in order, and is tried
again by whatever runs next.
"""

import logging
import threading
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

from ..config import Mode
from ..errors import AgentMemError, InvalidInputError
from .memory_prompt import QUESTION
from .message_items import Saying
from .run_owner import Owner
from .sync_async_steps import Steps, verb

log = logging.getLogger("agentmem.langchain")

OPEN_TURNS: Final = 1_000
"""Turns that may be under way, or given up, at once; of more the oldest are written as they are."""


@dataclass(slots=True)
class _Turn:
    """A turn under way.

    Attributes:
        owed: What is to be written when it ends, by the saying's id.
        stored: What the file has already: ids of sayings, with those of their memories.
        failed: The last write did.
    """

    owed: dict[str, Saying] = field(default_factory=dict)
    stored: dict[str, str] = field(default_factory=dict)
    failed: bool = False


class Telling:
    """Writes what is said, and holds what is not written yet. May be shared by threads and tasks.

    Args:
        mode: How a turn is written, see `AgentMemory.add`; None for the memory's own.
        draws: Facts are drawn from a turn: then the user's words, though stored, are told again with the answer.
        agent_id: The agent it is stored for.
    """

    def __init__(self, mode: Mode | None, *, draws: bool, agent_id: str | None) -> None:
        self._mode = mode
        self._draws = draws
        self._agent_id = agent_id
        self._turns: dict[Owner, _Turn] = {}
        self._lock = threading.Lock()

    def hear(self, owner: Owner, said: Sequence[Saying]) -> Steps[bool]:
        """Store what was said so far in a turn, and what is owed from before; return whether it is all stored."""
        yield from self._catch_up(owner)
        return (yield from self._write(owner, said, whole=False))

    def end(self, owner: Owner, said: Sequence[Saying]) -> Steps[bool]:
        """Write what was said in a turn that is over; return whether all of it is stored."""
        return (yield from self._write(owner, said, whole=True))

    def stored(self, owner: Owner, said: Sequence[Saying]) -> Steps[set[str]]:
        """Return the ids of those sayings, of a turn before, from which facts are still to be drawn: of those the file has."""
        found: set[str] = set()
        for saying in said if self._draws else ():
            try:
                hits = yield verb(
                    "search", saying.text[:QUESTION], user_id=owner.user_id, session_id=owner.session_id, agent_id=self._agent_id,
                    using="text",
                )  # fmt: skip
            except AgentMemError as error:
                log.warning("it is not known whether %d messages were stored: %s", len(said), type(error).__name__)
                break
            found |= {saying.id for hit in hits if hit.memory.text == saying.text}
        return found

    def finish(self) -> Steps[int]:
        """Write all that is held, of turns that never ended, too; return how many messages could not be."""
        with self._lock:
            owners = list(self._turns)
        for owner in owners:
            yield from self._write(owner, (), whole=True)
        with self._lock:
            return sum(len(turn.owed) for turn in self._turns.values())

    def _catch_up(self, owner: Owner) -> Steps[None]:
        """Try again what failed, as long as it succeeds, and write turns that nobody will end."""
        with self._lock:
            failed = [other for other, turn in self._turns.items() if turn.failed and other != owner]
            given_up = list(self._turns)[: max(0, len(self._turns) - OPEN_TURNS)]
        for other in dict.fromkeys((*failed, *given_up)):
            if not (yield from self._write(other, (), whole=True)):
                return  # it will fare no better with the others

    def _write(self, owner: Owner, said: Sequence[Saying], *, whole: bool) -> Steps[bool]:
        with self._lock:
            turn = self._turns.setdefault(owner, _Turn())
            turn.owed |= {saying.id: saying for saying in said if self._draws or saying.id not in turn.stored}
            due = {id: saying for id, saying in turn.owed.items() if whole or id not in turn.stored}
        if whole:
            due = yield from self._without_erased(owner, turn, due)
        stored = yield from self._add(owner, due, self._mode if whole else "fast")
        with self._lock:
            turn.failed = stored is None
            if stored is not None:
                turn.stored |= stored
                kept = self._draws and not whole
                turn.owed = {id: saying for id, saying in turn.owed.items() if kept or id not in turn.stored}
            if whole and not turn.owed and self._turns.get(owner) is turn:
                del self._turns[owner]
        return stored is not None

    def _without_erased(self, owner: Owner, turn: _Turn, due: dict[str, Saying]) -> Steps[dict[str, Saying]]:
        """Leave out what was stored at the beginning of a turn, and deleted or purged since: it must not be told again."""
        left = dict(due)
        for id in due:
            if id in turn.stored:
                try:
                    memory = yield verb("get", turn.stored[id], user_id=owner.user_id)
                except AgentMemError:
                    continue  # the write that follows will meet the same trouble
                if memory is None:
                    del left[id]
        return left

    def _add(self, owner: Owner, due: dict[str, Saying], mode: Mode | None) -> Steps[dict[str, str] | None]:
        """Return the ids of the memories, by those of the messages; None if they could not be stored."""
        if not due:
            return {}
        try:
            result = yield verb(
                "add", [saying.item() for saying in due.values()], user_id=owner.user_id, session_id=owner.session_id,
                agent_id=self._agent_id, mode=mode, wait=False, truncate=True,
            )  # fmt: skip
        except InvalidInputError as error:  # it would be so for ever
            log.error("%d messages of a turn cannot be stored and are given up: %s", len(due), type(error).__name__)
            return dict.fromkeys(due, "")
        except AgentMemError as error:
            log.warning("%d messages of a turn are not stored yet: %s", len(due), type(error).__name__)
            return None
        return {id: event.memory.id for id, event in zip(due, result.events, strict=False)}
