"""The verb that deletes and stores in one transaction: replace."""

from collections.abc import Sequence
from datetime import UTC, datetime

from ..errors import TextError
from ..filters import parse
from ..models import AddResult, UserId
from ..pipeline.checks import read_flag
from ..pipeline.normalize import Common, Item
from ..ports import Selection
from ..sync_async import Call, Change, face, twin
from .scoped import Filter, Scoped


class Replacing(Scoped):
    """The verb that deletes and stores in one transaction."""

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
        scope = self._scope(user_id, agent_id, session_id, named=filter is None)
        selection = Selection(self._room.namespace, scope, where=parse(filter), any_validity=True)
        common = Common(
            {}, scope.user_id, datetime.now(UTC), self._room.text_limit, read_flag(truncate, "truncate"), self._room.writing.identity
        )
        return Change(self._room.writing, self._room.adding.replace(selection, content, scope, common))

    areplace = twin(replace)
