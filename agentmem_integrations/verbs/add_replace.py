"""Verbs that store: add, add_batch; and the one that deletes and stores in one transaction: replace."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, get_args

from ..config import LEASE, Mode
from ..engine import Mind
from ..errors import InvalidInputError, TextError
from ..filters import parse
from ..models import AddResult, Scope, UserId
from ..pipeline.add import OnError
from ..pipeline.arguments import read_choice, read_flag
from ..pipeline.normalize import Common, Item
from ..pipeline.uuid7 import new_id
from ..ports import Selection
from ..sync_async import Call, Change, Read, Thought, face, twin
from .progress import Progress, reporting
from .scope import Filter, Moment, Scoped

Results = list[AddResult]


class Storing(Scoped):
    """Verbs that store."""

    @face
    def add(
        self,
        content: Item | Sequence[Item],
        *,
        user_id: UserId | None = None,
        agent_id: str | None = None,
        session_id: str | None = None,
        role: str | None = None,
        name: str | None = None,
        timestamp: Moment | None = None,
        metadata: Mapping[str, Any] | None = None,
        kind: str | None = None,
        importance: float | None = None,
        ttl: float | timedelta | None = None,
        expires_at: Moment | None = None,
        id: str | None = None,
        mode: Mode | None = None,
        wait: bool = True,
        truncate: bool = False,
    ) -> Call[AddResult]:
        """Remember something; several items of one call are stored together or not at all.

        Acknowledged means stored: when this returns, the words are in the file. Should the embedder fail, they are stored
        and found by their words, and the vector is owed by a durable job (`status == "queued"`).

        Args:
            content: A text, a message dict (`{"role": ..., "content": ...}`), a LangChain message, or a list of these. A dict
                may also have `id name timestamp session_id agent_id metadata kind importance ttl expires_at vector`, which
                win over this call's, and `value`, any JSON that comes back with the memory and is never searched.
            user_id: The owner.
            agent_id: The agent it is stored for.
            session_id: The conversation it was said in.
            role: Who spoke: `user`, `assistant`, ...
            name: The speaker's name.
            timestamp: When it was said, ISO 8601 or datetime; naive means UTC. Default: now.
            metadata: Any JSON object; filters see its top-level keys.
            kind: One of `KINDS`; default `episode`.
            importance: 0 to 1.
            ttl: Seconds (or a timedelta) until it is forgotten.
            expires_at: The instant it is forgotten.
            id: An id of your own, unique per owner; the same id again replaces the text.
            mode: `fast` and `batch` store the words and ask no model. `intelligent` also draws facts from them with the `llm` and
                brings what is known up to date. Default: the memory's own.
            wait: `intelligent` only: return when the facts are stored too; else at once, with status `queued`, and the facts
                follow in the background.
            truncate: Cut a text that is too long instead of refusing it.

        Returns:
            One event per item: ADD, NONE (the same utterance was known), or UPDATE (your id was known). `intelligent`: behind
            them the events of the facts; status `nothing` if there was nothing worth remembering, and `queued` with an `error`
            if the model failed: the words are stored, and a durable job tries again.

        Raises:
            InvalidInputError: a value that cannot be stored; nothing was.
        """
        mind = self._mind(mode)
        fields = _given(
            role=role, name=name, timestamp=timestamp, metadata=metadata, kind=kind, importance=importance, ttl=ttl,
            expires_at=expires_at, id=id,
        )  # fmt: skip
        scope = self._scope(user_id, agent_id, session_id)
        common = self._common(fields, scope, truncate)
        if mind is None:
            return Change(self._room.writing, self._room.adding.add(content, scope, common))
        job = new_id()
        keep = self._room.adding.keep(content, scope, common, job, common.now + LEASE)
        return Thought(
            mind, self._room.writing, keep,
            lambda jobs, kept: jobs.follow(kept, scope, job, wait=wait), lambda jobs: jobs.add(keep, scope, job, wait=wait),
        )  # fmt: skip

    aadd = twin(add)

    @face
    def add_batch(
        self,
        items: Iterable[Item],
        *,
        user_id: UserId | None = None,
        agent_id: str | None = None,
        session_id: str | None = None,
        role: str | None = None,
        name: str | None = None,
        timestamp: Moment | None = None,
        metadata: Mapping[str, Any] | None = None,
        kind: str | None = None,
        importance: float | None = None,
        ttl: float | timedelta | None = None,
        expires_at: Moment | None = None,
        truncate: bool = False,
        on_error: OnError = "store",
        owe: bool = True,
        progress: Progress = False,
    ) -> Call[Results]:
        """Remember many items: one embedding pass and one transaction per 1,000, in order.

        Args:
            items: Texts or dicts as for `add`; any iterable, a generator too.
            user_id: As for `add`, as are the other arguments not named here.
            agent_id: See `add`.
            session_id: See `add`.
            role: See `add`.
            name: See `add`.
            timestamp: See `add`.
            metadata: See `add`.
            kind: See `add`.
            importance: See `add`.
            ttl: See `add`.
            expires_at: See `add`.
            truncate: See `add`.
            on_error: `store`: a bad item is answered with its error and the rest is stored; `raise`: the first bad item
                raises and nothing is stored (then everything is one transaction).
            owe: Should the embedder fail, store the words and owe the vector, as `add` does. False: a text that cannot be embedded
                is a bad item, and not stored.
            progress: True for a bar on stderr, or a function that is called with the number stored so far.

        Returns:
            One result per item, in order; `.error` says why an item was refused, and names its index.

        Raises:
            InvalidInputError: `on_error="raise"` and a bad item.
            EmbeddingError: `on_error="raise"`, `owe=False` and a text that cannot be embedded; nothing was stored.
        """
        read_choice(on_error, "on_error", ("store", "raise"))
        if isinstance(items, str | Mapping) or not isinstance(items, Iterable):
            raise InvalidInputError(f"add_batch takes a list or another iterable, not a {type(items).__name__}: use add for one item")
        fields = _given(
            role=role, name=name, timestamp=timestamp, metadata=metadata, kind=kind, importance=importance, ttl=ttl,
            expires_at=expires_at,
        )  # fmt: skip
        scope = self._scope(user_id, agent_id, session_id)
        common = self._common(fields, scope, truncate)
        owes = read_flag(owe, "owe")

        def load() -> Results:
            with reporting(progress, len(items) if isinstance(items, Sequence) else None) as report:
                return self._room.adding.add_batch(items, scope, common, on_error, report, owe=owes)

        return Read(self._room.engine, load)

    aadd_batch = twin(add_batch)

    @face
    def replace(
        self,
        content: Sequence[Item],
        *,
        user_id: UserId | None = None,
        agent_id: str | None = None,
        session_id: str | None = None,
        filter: Filter | None = None,
        truncate: bool = False,
    ) -> Call[AddResult]:
        """Delete some memories and add others, all of it or nothing: no reader, and no crash, finds the one without the other.

        What goes is everything of the owner that the arguments select, as for `delete`; what comes is added as by `add` with
        `mode="fast"`, with the same ids. Neither asks a model for facts.

        Args:
            content: A list of items as for `add`; an empty one only deletes.
            user_id: The owner.
            agent_id: Only this agent's are deleted; what is added is stored for it.
            session_id: Only this session's are deleted; what is added belongs to it.
            filter: Only those are deleted whose metadata meet this.
            truncate: Cut a text that is too long instead of refusing it.

        Returns:
            One event per item that was added, as for `add`.

        Raises:
            InvalidInputError: an item that cannot be stored; then nothing was deleted.
        """
        self._room.engine.check_open()
        if not isinstance(content, list | tuple):
            raise TextError(f"replace takes a list of items, not a {type(content).__name__}: pass [item]")
        where = parse(filter)
        scope = self._scope(user_id, agent_id, session_id, named=where is None)
        selection = Selection(self._room.namespace, scope, where=where, any_validity=True)
        common = self._common({}, scope, truncate)
        return Change(self._room.writing, self._room.adding.replace(selection, content, scope, common))

    areplace = twin(replace)

    def _mind(self, mode: Mode | None) -> Mind | None:
        """Return what draws facts, if this call is to."""
        self._room.engine.check_open()
        if (self._room.mode if mode is None else read_choice(mode, "mode", get_args(Mode))) != "intelligent":
            return None
        if self._room.mind is None:
            raise InvalidInputError("mode='intelligent' needs a language model: open the memory with llm='openai:<model>' or another")
        return self._room.mind

    def _common(self, fields: Mapping[str, Any], scope: Scope, truncate: bool) -> Common:
        self._room.engine.check_open()
        cut = read_flag(truncate, "truncate")
        return Common(fields, scope.user_id, datetime.now(UTC), self._room.text_limit, cut, self._room.writing.identity)


def _given(**fields: Any) -> dict[str, Any]:
    return {name: value for name, value in fields.items() if value is not None}
