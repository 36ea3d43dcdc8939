"""Long-term memory for `create_agent`: recalled before the agent answers, written when it has."""

import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Mapping, Sequence
from threading import Lock
from typing import TYPE_CHECKING, Annotated, Any, Final, NotRequired, get_args
from uuid import uuid4

from langchain.agents.middleware import AgentMiddleware, AgentState, ModelRequest, ModelResponse
from langchain.agents.middleware.types import PrivateStateAttr
from langchain_core.messages import SystemMessage
from langgraph.config import get_config
from langgraph.runtime import Runtime

from ..config import Mode, Using
from ..errors import InvalidInputError, shown
from ..memory import AgentMemory
from ..models import UserId
from ..open_memory import Closing, MemoryOrPath
from ..pipeline.arguments import read_choice
from .memory_prompt import QUESTION, Recalling, about_tokens
from .message_items import ROLES, Role, begin_of_turn, question_of, sayings, words_of
from .models import AgentsModel, open_adapted
from .pending_messages import Telling
from .run_owner import USER_KEY, Owner, Whose
from .sync_async_steps import Steps, awalk, walk
from .tools import memory_tools

if TYPE_CHECKING:
    Request = ModelRequest[Any]
    Response = ModelResponse[Any]
else:  # in LangChain 1.0 they take no parameters
    Request, Response = ModelRequest, ModelResponse

RECALL: Final = "agentmem_recall"
TOLD: Final = "agentmem_told"

KEPT_RECALLS: Final = 1_000
KEPT_S: Final = 600.0
"""Seconds for which a run that was interrupted finds what was recalled for it; after that it is recalled anew."""


class MemoryState(AgentState[Any]):
    """An agent's state with what the middleware must know between its hooks: two ids, and never a word of memory.

    Private fields are left out of results, but not of checkpoints, nor of what `stream` yields in the modes `updates` and
    `values`. So the recalled text itself stays with the middleware.

    Attributes:
        agentmem_recall: The key under which the middleware holds what was recalled for this run.
        agentmem_told: Id of the last message that was written to memory; empty for none.
    """

    agentmem_recall: NotRequired[Annotated[str, PrivateStateAttr]]
    agentmem_told: NotRequired[Annotated[str, PrivateStateAttr]]


class MemoryMiddleware(Closing, AgentMiddleware[MemoryState, Any]):
    """Gives an agent a memory that outlives its conversations.

    Once for each turn of the user it recalls what is known, and shows it to the model behind the application's own system
    prompt, as data. It stores what the user says before the agent answers, and the answer when it is there. What it recalled is
    in no message, no checkpoint and no stream. May be shared by agents, threads and tasks.

    Whose memory it is, each run says: `config={"configurable": {"user_id": ..., "thread_id": ...}}`, or the run's context. A run
    that names nobody is refused.

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
        tools: bool = False,
        **settings: Any,
    ) -> None:
        super().__init__()
        if mode is not None:
            read_choice(mode, "mode", get_args(Mode))
        self._roles = _read_roles(roles)
        self._whose = Whose(user_id, user_key)
        self._recalling = Recalling(k, token_budget, token_counter, using, min_score, filter, kind, agent_id)
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
        self.tools = memory_tools(self.memory, user_id=user_id, user_key=user_key, agent_id=agent_id) if tools else []

    def before_agent(self, state: MemoryState, runtime: Runtime[Any]) -> dict[str, Any]:
        """Recall, then store what the user says."""
        return walk(self.memory, self._begin(state, self._owner(runtime)))

    async def abefore_agent(self, state: MemoryState, runtime: Runtime[Any]) -> dict[str, Any]:
        """Async twin of `before_agent`."""
        return await awalk(self.memory, self._begin(state, self._owner(runtime)))

    def wrap_model_call(self, request: Request, handler: Callable[[Request], Response]) -> Response:
        """Show the model what was recalled."""
        return handler(self._told(request, walk(self.memory, self._text(request))))

    async def awrap_model_call(self, request: Request, handler: Callable[[Request], Awaitable[Response]]) -> Response:
        """Async twin of `wrap_model_call`."""
        return await handler(self._told(request, await awalk(self.memory, self._text(request))))

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
        messages = state["messages"]
        text = yield from self._recall(state, owner)
        start = begin_of_turn(messages, state.get(TOLD))
        yield from self._telling.begin(owner, sayings(messages[start:], self._roles))
        return {RECALL: self._recalled.keep(text), TOLD: (messages[start - 1].id or "") if start else ""}

    def _recall(self, state: Any, owner: Owner) -> Steps[str]:
        messages = state["messages"]
        present = {words_of(message) for message in messages}
        return (yield from self._recalling.recall(owner, question_of(messages, QUESTION), present))

    def _text(self, request: Request) -> Steps[str]:
        """Return what was recalled for this run; recalled anew where it was interrupted, and goes on in another process."""
        text = self._recalled.get(str(request.state.get(RECALL)))
        if text is None:
            text = yield from self._recall(request.state, self._owner(request.runtime))
        return text

    def _told(self, request: Request, text: str) -> Request:
        if self._agents_model is not None:
            self._agents_model.use(request.model)
        return request.override(system_message=with_recalled(request.system_message, text)) if text else request

    def _end(self, state: MemoryState, owner: Owner) -> Steps[dict[str, Any] | None]:
        messages = state["messages"]
        start = begin_of_turn(messages, state.get(TOLD))
        done = yield from self._telling.end(owner, sayings(messages[start:], self._roles))
        self._recalled.drop(state.get(RECALL))
        return {TOLD: messages[-1].id or ""} if done and messages else None


class _Recalled:
    """What was recalled for runs under way, by key; the oldest go first."""

    def __init__(self) -> None:
        self._texts: OrderedDict[str, tuple[float, str]] = OrderedDict()
        self._lock = Lock()

    def keep(self, text: str) -> str:
        key = uuid4().hex
        with self._lock:
            self._texts[key] = (time.monotonic() + KEPT_S, text)
            if len(self._texts) > KEPT_RECALLS:
                self._texts.popitem(last=False)
        return key

    def get(self, key: str) -> str | None:
        until, text = self._texts.get(key, (0.0, None))
        return text if time.monotonic() < until else None

    def drop(self, key: str | None) -> None:
        with self._lock:
            self._texts.pop(key or "", None)


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
