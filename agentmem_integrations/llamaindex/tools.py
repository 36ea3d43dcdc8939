"""Tools with which a model remembers, recalls and forgets by itself."""

import logging
from typing import Any, Final, get_args

from llama_index.core.tools.tool_spec.base import SPEC_FUNCTION_TYPE, BaseToolSpec

from ..config import Mode, Using
from ..errors import AgentMemError, EmbeddingError, InvalidInputError
from ..models import AddResult, Hit, UserId
from ..open_memory import MemoryOrPath
from ..pipeline.arguments import read_choice, read_count, read_name
from .connection import Connected, Connection, arguments_of, closed_on_error, owner, read_owner
from .memory_prompt import framed, line_of
from .messages import storable

log = logging.getLogger("agentmem.llamaindex")

NOTHING: Final = "Nothing is remembered about that."
NOT_FOUND: Final = "There is no memory with that id."


class AgentMemToolSpec(Connected, BaseToolSpec):
    """`remember`, `recall` and `forget` for an agent: `FunctionAgent(tools=AgentMemToolSpec("memory.db", user_id="ana").to_tool_list())`.

    Whose memory it is, is settled here: no tool has a parameter for it, so no model can name another user. A memory of somebody
    else is "no memory with that id".

    Trouble becomes an answer that the model can read, and a line in the log; it never stops the agent.

    Args:
        memory: An open `AgentMemory`, or a path.
        user_id: Whose memory; `SHARED` for nobody's.
        agent_id: What is remembered is stored for this agent, and nothing else is recalled or forgotten.
        session_id: The session that is noted with what is remembered.
        k: Memories that are recalled at most, 1 to 1,000.
        using: `hybrid`, `vector` or `text`; by words alone while the embedder fails.
        mode: How memories are added, see `AgentMemory.add`; default the memory's own.
        settings: How a path is opened, as for `AgentMemory`.

    Raises:
        InvalidInputError: an argument that makes no sense.
        StorageError: the path cannot be a memory file.
    """

    spec_functions: list[SPEC_FUNCTION_TYPE] = [("remember", "aremember"), ("recall", "arecall"), ("forget", "aforget")]  # noqa: RUF012 - as the base class declares it

    def __init__(
        self,
        memory: MemoryOrPath,
        *,
        user_id: UserId | None = None,
        agent_id: str | None = None,
        session_id: str | None = None,
        k: int = 5,
        using: Using = "hybrid",
        mode: Mode | None = None,
        **settings: Any,
    ) -> None:
        self._user = owner(read_owner(user_id))
        self._agent, self._session = read_name(agent_id, "agent_id"), read_name(session_id, "session_id")
        read_choice(using, "using", get_args(Using))
        self._k, self._using, self._mode = read_count(k, "k"), using, mode
        self._connection = Connection(memory, settings, arguments_of(type(self).__init__))
        with closed_on_error(self._connection):
            self.memory._mind(mode)  # raises here, not in front of the model, if that mode needs a language model and there is none

    def remember(self, text: str) -> str:
        """Remember something for later conversations, such as a fact about the user or a preference.

        Args:
            text: What to remember, as one sentence that is clear without the conversation around it.
        """
        try:
            return _remembered(self.memory.add(storable(text), **self._note()))
        except AgentMemError as error:
            return _failed("remembered", error)

    async def aremember(self, text: str) -> str:
        """Async twin of `remember`."""
        try:
            return _remembered(await self.memory.aadd(storable(text), **self._note()))
        except AgentMemError as error:
            return _failed("remembered", error)

    def recall(self, query: str) -> str:
        """Look up what is remembered from earlier conversations.

        Args:
            query: What to look for, as a question or in a few words.
        """
        if not storable(query).strip():
            return NOTHING
        try:
            return _told(self.memory.search(storable(query), **self._question(), using=self._using))
        except EmbeddingError:  # words need no embedder
            return _told(self.memory.search(storable(query), **self._question(), using="text"))
        except AgentMemError as error:
            return _failed("recalled", error)

    async def arecall(self, query: str) -> str:
        """Async twin of `recall`."""
        if not storable(query).strip():
            return NOTHING
        try:
            return _told(await self.memory.asearch(storable(query), **self._question(), using=self._using))
        except EmbeddingError:  # words need no embedder
            return _told(await self.memory.asearch(storable(query), **self._question(), using="text"))
        except AgentMemError as error:
            return _failed("recalled", error)

    def forget(self, memory_id: str) -> str:
        """Forget a memory, because it is wrong or the user asks for it.

        Args:
            memory_id: The id of the memory, as recall shows it.
        """
        try:
            return _forgotten(self.memory.delete(_id(memory_id), user_id=self._user, agent_id=self._agent))
        except AgentMemError as error:
            return _failed("forgotten", error)

    async def aforget(self, memory_id: str) -> str:
        """Async twin of `forget`."""
        try:
            return _forgotten(await self.memory.adelete(_id(memory_id), user_id=self._user, agent_id=self._agent))
        except AgentMemError as error:
            return _failed("forgotten", error)

    def _note(self) -> dict[str, Any]:
        whose = {"user_id": self._user, "agent_id": self._agent, "session_id": self._session}
        return {**whose, "mode": self._mode, "wait": False, "truncate": True}

    def _question(self) -> dict[str, Any]:
        return {"user_id": self._user, "agent_id": self._agent, "k": self._k}


def _id(memory_id: str) -> list[str]:
    """Return the id; an empty one must not come to mean everything."""
    return [str(memory_id).strip() or "-"]


def _remembered(result: AddResult) -> str:
    if not result.events:
        return "There was nothing to remember."
    event = result.events[0]
    return f"{'Known already' if event.event == 'NONE' else 'Remembered'}, with id {event.memory.id}."


def _told(hits: list[Hit]) -> str:
    return framed([line_of(hit.memory, with_id=True) for hit in hits]) or NOTHING


def _forgotten(count: int) -> str:
    return "Forgotten." if count else NOT_FOUND


def _failed(what: str, error: AgentMemError) -> str:
    """Return what the model is told; only what it got wrong itself is explained to it."""
    log.warning("nothing was %s: %s", what, type(error).__name__)
    return f"Nothing was {what}: {error}" if isinstance(error, InvalidInputError) else f"Nothing was {what}: memory is not available now."
