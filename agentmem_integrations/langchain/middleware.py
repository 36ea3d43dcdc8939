"""Long-term memory for `create_agent`: recalled and written before the agent answers, and written when it has."""

import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Mapping, Sequence
from threading import Lock
from typing import TYPE_CHECKING, Annotated, Any, Final, NotRequired, get_args

from langchain.agents.middleware import AgentMiddleware, AgentState, ModelRequest, ModelResponse
from langchain.agents.middleware.types import PrivateStateAttr
from langchain_core.messages import BaseMessage, SystemMessage
from langgraph.config import get_config
from langgraph.runtime import Runtime

from ..config import Mode, Using
from ..errors import InvalidInputError, shown
from ..memory import AgentMemory
from ..models import UserId
from ..open_memory import Closing, MemoryOrPath
from ..pipeline.arguments import read_choice, read_name
from .memory_prompt import QUESTION, Found, Recalling, about_tokens
from .message_items import ROLES, Present, Redact, Role, Saying, question_of, read_redact, sayings
from .models import AgentsModel, open_adapted
from .pending_messages import Telling
from .run_owner import USER_KEY, Owner, Whose
from .sync_async_steps import Steps, awalk, walk
from .tools import memory_tools
from .turns import STATE, Standing, Turn, begin, is_sure, mark_of, marks_of, merged, new_key, untold

if TYPE_CHECKING:
    Request = ModelRequest[Any]
    Response = ModelResponse[Any]
else:  # in LangChain 1.0 they take no parameters
    Request, Response = ModelRequest, ModelResponse

KEPT_RECALLS: Final = 1_000
KEPT_S: Final = 600.0
"""Seconds for which a run that was interrupted finds what was recalled for it; after that it is recalled anew."""


class MemoryState(AgentState[Any]):
    """An agent's state with what the middleware must know between its hooks, and never a word of memory.

    Private fields are left out of results, but not of checkpoints, nor of what `stream` yields in the modes `updates` and
    `values`. So the recalled text itself stays with the middleware.

    Attributes:
        agentmem: By the middleware's name whose turn it is, and how far the conversation is told; see `Standing.kept`.
    """

    agentmem: NotRequired[Annotated[dict[str, Any], PrivateStateAttr, merged]]


class MemoryMiddleware(Closing, AgentMiddleware[MemoryState, Any]):
    """Gives an agent a memory that outlives its conversations.

    Once for each turn of the user it recalls what is known, and shows it to the model behind the application's own system
    prompt, as data. It stores what the user says just before the model is called, as other middleware has left it, and the
    answer when it is there. What it recalled is in no message, no checkpoint and no stream. May be shared by agents, threads and
    tasks.

    Whose memory it is, each run says: `config={"configurable": {"user_id": ..., "thread_id": ...}}`, or the run's context. A run
    that names nobody is refused. A turn that was interrupted stays its owner's, whoever resumes it.

    Args:
        memory: An open `AgentMemory`, or the path of one, which is opened for this middleware and closed with it.
        mode: How a turn is written, see `AgentMemory.add`. Default: the memory's own. `intelligent` draws facts in the
            background, with the memory's `llm`, or of a path opened without one with the agent's own model.
        user_id: The owner of every run, for applications of one user. Default: each run names one.
        user_key: What the owner is called in `configurable` and in the context.
        agent_id: Store for this agent, and recall only what was.
        k: Memories to recall for a question, besides those of kind `core`, which are always recalled.
        token_budget: Tokens that the recalled text may take in all.
        token_counter: Counts tokens. Default: three bytes are one, seldom fewer than a model counts.
        using: `hybrid`, `vector` or `text`, see `AgentMemory.search`, as for the next three.
        min_score: Recall only what scores at least this, 0 to 1.
        filter: Recall only where the metadata meet this.
        kind: Recall only these kinds, besides `core`.
        roles: Whose words are stored: `user`, `assistant`, `tool`.
        redact: Is given every text before it is stored or searched with, and returns what may be stored of it, or None for
            nothing. What it raises ends the run.
        also_recall: Owners whose memories are recalled besides, such as `[SHARED]`. Nothing is ever written to them.
        name: What an agent calls it. Of several in one agent each needs a name of its own.
        tools: Also give the agent the tools of `memory_tools`.
        settings: How a path is opened, as for `AgentMemory`; `llm` and `embedder` may be LangChain's.

    Raises:
        InvalidInputError: an argument that makes no sense.
        StorageError: the path cannot be a memory file.
    """

    state_schema = MemoryState

    def __init__(
        self,
        memory: MemoryOrPath,
        *,
        mode: Mode | None = None,
        user_id: UserId | None = None,
        user_key: str = USER_KEY,
        agent_id: str | None = None,
        k: int = 8,
        token_budget: int = 1_200,
        token_counter: Callable[[str], int] = about_tokens,
        using: Using = "hybrid",
        min_score: float = 0.0,
        filter: Mapping[str, Any] | None = None,
        kind: str | Sequence[str] | None = None,
        roles: Sequence[Role] = ROLES,
        redact: Redact | None = None,
        also_recall: Sequence[UserId] = (),
        name: str | None = None,
        tools: bool = False,
        **settings: Any,
    ) -> None:
        super().__init__()
        if mode is not None:
            read_choice(mode, "mode", get_args(Mode))
        self._roles = _read_roles(roles)
        self._name = read_name(name, "name") or super().name
        self._redact = read_redact(redact)
        self._whose = Whose(user_id, user_key)
        self._recalling = Recalling(k, token_budget, token_counter, using, min_score, filter, kind, agent_id, also_recall)
        self._agents_model: AgentsModel | None = None
        if not isinstance(memory, AgentMemory) and mode is not None:
            settings["mode"] = mode
            if mode == "intelligent" and settings.get("llm") is None:
                self._agents_model = settings["llm"] = AgentsModel()
        self.memory, self._owned = open_adapted(memory, settings)
        if mode == "intelligent" and "llm" not in self.memory.stats():
            raise InvalidInputError("mode='intelligent' needs a language model: open the memory with llm=..., see langchain_llm")
        self._telling = Telling(mode, draws=(mode or self.memory.mode) == "intelligent", agent_id=agent_id)
        self._recalled = _Recalled()
        self.tools = memory_tools(self.memory, user_id=user_id, user_key=user_key, agent_id=agent_id, redact=redact) if tools else []

    @property
    def name(self) -> str:
        """What an agent calls it."""
        return self._name

    def before_agent(self, state: MemoryState, runtime: Runtime[Any]) -> dict[str, Any]:
        """Begin a turn of whoever the run names."""
        return walk(self.memory, self._begin(state, self._owner(runtime)))

    async def abefore_agent(self, state: MemoryState, runtime: Runtime[Any]) -> dict[str, Any]:
        """Async twin of `before_agent`."""
        return await awalk(self.memory, self._begin(state, self._owner(runtime)))

    def wrap_model_call(self, request: Request, handler: Callable[[Request], Response]) -> Response:
        """Recall once for the turn, store what was said so far, and show the model what was recalled."""
        return handler(self._told(request, walk(self.memory, self._before_call(request))))

    async def awrap_model_call(self, request: Request, handler: Callable[[Request], Awaitable[Response]]) -> Response:
        """Async twin of `wrap_model_call`."""
        return await handler(self._told(request, await awalk(self.memory, self._before_call(request))))

    def after_agent(self, state: MemoryState, runtime: Runtime[Any]) -> dict[str, Any] | None:
        """Store what was said in the turn."""
        return walk(self.memory, self._end(state, self._owner(runtime)))

    async def aafter_agent(self, state: MemoryState, runtime: Runtime[Any]) -> dict[str, Any] | None:
        """Async twin of `after_agent`."""
        return await awalk(self.memory, self._end(state, self._owner(runtime)))

    def flush(self) -> int:
        """Write what could not be written so far, and turns that never ended; return how many messages still are not."""
        return walk(self.memory, self._telling.finish())

    async def aflush(self) -> int:
        """Async twin of `flush`."""
        return await awalk(self.memory, self._telling.finish())

    def close(self) -> None:
        """Flush, and close the memory if it was opened here. Closing twice is fine."""
        self.flush()
        super().close()

    async def aclose(self) -> None:
        """Async twin of `close`."""
        await self.aflush()
        await super().aclose()

    def _held(self) -> tuple[AgentMemory, bool]:
        return self.memory, self._owned

    def _owner(self, runtime: Runtime[Any] | None) -> Owner:
        return self._whose.owner(get_config(), None if runtime is None else runtime.context)

    def _begin(self, state: MemoryState, owner: Owner) -> Steps[dict[str, Any]]:
        turn, told = yield from self._begun(state, owner, new_key())
        return self._kept(state, Standing(turn, told))

    def _kept(self, state: MemoryState, standing: Standing) -> dict[str, Any]:
        return {STATE: {self.name: standing.kept(state["messages"])}}

    def _begun(self, state: Mapping[str, Any], owner: Owner, key: str) -> Steps[tuple[Turn, frozenset[str]]]:
        """Begin a turn; return it, and marks of the messages that it has not to tell."""
        before = Standing.of(state, self.name)
        beginning = begin(before, state["messages"], owner, self._whose.key, key=key)
        if before.turn is not None and beginning.left and (yield from is_sure(before.turn, owner)):
            yield from self._telling.end(Owner(before.turn.user_id, owner.session_id), self._sayings(beginning.left))
        told = beginning.told
        if beginning.unsure:
            stored = yield from self._telling.stored(owner, self._sayings(beginning.unsure))
            told -= {mark_of(message) for message in beginning.unsure if any(said.id in stored for said in self._sayings([message]))}
        return beginning.turn, told

    def _under_way(self, state: Mapping[str, Any], by: Owner) -> Steps[tuple[Turn, frozenset[str]] | None]:
        """Return the turn that a run is in, and marks of the messages that it has not to tell; None if it is not sure whose."""
        standing = Standing.of(state, self.name)
        if standing.turn is None or standing.told is None or not standing.turn.goes_on(state["messages"], by.user_id):
            return (yield from self._begun(state, by, ""))
        return (standing.turn, standing.told) if (yield from is_sure(standing.turn, by)) else None

    def _before_call(self, request: Request) -> Steps[str]:
        """Recall, store what was said so far, and return what the model is to be told.

        It is here, not in `before_agent` or `before_model`, for here all middleware that edits or refuses messages has done so,
        wherever it stands in the list; and it is known what the model is sent.
        """
        state, by = request.state, self._owner(request.runtime)
        under_way = yield from self._under_way(state, by)
        if under_way is None:
            return ""
        turn, told = under_way
        owner, new = Owner(turn.user_id, by.session_id), untold(state["messages"], told)
        found = self._recalled.get(turn)
        if found is None:  # the first call; or the turn was interrupted, and goes on much later or in another process
            # Words that were refused still stand in the conversation, and are not sent to an embedder either; the same words sent
            # again are not new
            question = question_of(new, QUESTION, self._redact) or question_of(state["messages"], QUESTION, self._redact)
            found = yield from self._recalling.recall(owner, question)
            self._recalled.keep(turn, found)
        yield from self._telling.hear(owner, self._sayings(new))
        return self._recalling.text(found, Present(request.messages, self._redact))

    def _sayings(self, messages: Sequence[BaseMessage]) -> list[Saying]:
        return sayings(messages, self._roles, self._redact)

    def _told(self, request: Request, text: str) -> Request:
        if self._agents_model is not None:
            self._agents_model.use(request.model)
        return request.override(system_message=with_recalled(request.system_message, text)) if text else request

    def _end(self, state: MemoryState, by: Owner) -> Steps[dict[str, Any] | None]:
        messages = state["messages"]
        under_way = yield from self._under_way(state, by)
        if under_way is None:
            return None
        turn, told = under_way
        done = yield from self._telling.end(Owner(turn.user_id, by.session_id), self._sayings(untold(messages, told)))
        self._recalled.drop(turn)
        return self._kept(state, Standing(None, marks_of(messages))) if done else None


class _Recalled:
    """What was recalled for turns under way; the oldest go first."""

    def __init__(self) -> None:
        self._found: OrderedDict[str, tuple[float, Found]] = OrderedDict()
        self._lock = Lock()

    def keep(self, turn: Turn, found: Found) -> None:
        if not turn.key:
            return
        with self._lock:
            self._found[turn.key] = (time.monotonic() + KEPT_S, found)
            if len(self._found) > KEPT_RECALLS:
                self._found.popitem(last=False)

    def get(self, turn: Turn) -> Found | None:
        until, found = self._found.get(turn.key, (0.0, None))
        if found is None or found.owner != turn.user_id:  # a state is what checkpoints say, and those are written by others
            return None
        return found if time.monotonic() < until else None

    def drop(self, turn: Turn) -> None:
        with self._lock:
            self._found.pop(turn.key, None)


def with_recalled(system: SystemMessage | None, text: str) -> SystemMessage:
    """Return a system prompt with recalled text behind it; what the application says stays first and unchanged."""
    if system is None or not system.content:
        return SystemMessage(content=text)
    if isinstance(system.content, str):
        return system.model_copy(update={"content": f"{system.content}\n\n{text}"})
    return system.model_copy(update={"content": [*system.content, {"type": "text", "text": text}]})


def _read_roles(roles: Sequence[Role]) -> frozenset[Role]:
    unknown = (
        [role for role in roles if role not in ("user", "assistant", "tool")]
        if isinstance(roles, list | tuple | set | frozenset)
        else roles
    )
    if unknown or not roles:
        raise InvalidInputError(f"roles={shown(roles)}: pass some of 'user', 'assistant' and 'tool'")
    return frozenset(roles)
