"""Long-term memory as a block of LlamaIndex's built-in `Memory`."""

import hashlib
import json
import logging
from collections import OrderedDict
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Final, get_args

from llama_index.core.base.llms.types import ChatMessage
from llama_index.core.bridge.pydantic import Field, PrivateAttr
from llama_index.core.memory.memory import BaseMemoryBlock
from llama_index.core.utils import get_tokenizer

from ..config import MAX_K, Mode, Using
from ..errors import AgentMemError, EmbeddingError, InvalidInputError, shown
from ..models import Hit, UserId
from ..open_memory import MemoryOrPath
from ..pipeline.arguments import read_choice, read_count, read_fraction, read_name
from .connection import Connected, Connection, closed_on_error, owner, read_owner
from .memory_prompt import render, shortened
from .messages import item_of, last_question, plain, turns_of

log = logging.getLogger("agentmem.llamaindex")

ROLES: Final = ("user", "assistant")  # what a tool returned is nobody's memory, and what the system says is in every prompt anyway
QUESTION_LIMIT: Final = 4_000  # characters of a message that are searched for: the end of it, where the question stands
MAX_TOKENS: Final = 2**50  # more than any model takes
KNOWN_LIMIT: Final = 10_000  # messages that a block knows it has remembered, and that may wait to be
Said = tuple[str | None, dict[str, Any]]
"""A session, and an item of `AgentMemory.add`."""


class AgentMemMemoryBlock(Connected, BaseMemoryBlock[str]):
    """A block that remembers what is said in the file of an `AgentMemory`, and recalls what the user's message is about.

    `Memory` feeds its blocks only what no longer fits into the chat history, some 21,000 tokens later. This one also remembers
    the messages it is shown when it is asked, so that nothing said in a short chat is lost.

    Trouble never leaves it: without an embedder it recalls by words, without a file it recalls nothing, and what cannot be
    stored now is tried again with the next messages. A failing model delays facts, as everywhere.

    Args:
        memory: An open `AgentMemory`, or a path.
        user_id: Whose memory; `SHARED` for nobody's.
        agent_id: What is remembered is stored for this agent, and nothing else is recalled.
        session_id: Of messages that come without one.
        mode: How messages are added, see `AgentMemory.add`; default the memory's own.
        wait: `intelligent` only: wait until the facts are drawn. Otherwise they follow in the background.
        k: Memories that are recalled at most.
        token_limit: Tokens they may have together.
        min_score: Only memories that are at least as near, 0 to 1.
        using: `hybrid`, `vector` or `text`.
        roles: Whose messages are remembered.
        write_through: Remember messages when they are shown, and not only when they leave the chat history.
        tokenizer_fn: Counts tokens; default LlamaIndex's own.
        settings: How a path is opened, as for `AgentMemory`; and the fields of every block: `name`, `description`, `priority` (1,
            0 if it must never be cut) and `accept_short_term_memory`.

    Raises:
        InvalidInputError: an argument that makes no sense.
        StorageError: the path cannot be a memory file.
    """

    name: str = Field(default="agentmem")
    description: str | None = Field(default="What was said in earlier conversations.")
    priority: int = Field(default=1)
    user_id: str | None
    agent_id: str | None = None
    session_id: str | None = None
    mode: Mode | None = None
    wait: bool = False
    k: int = Field(default=6, ge=1, le=MAX_K)
    token_limit: int = Field(default=1_000, ge=0)
    min_score: float = Field(default=0.0, ge=0, le=1)
    using: Using = "hybrid"
    roles: tuple[str, ...] = ROLES
    write_through: bool = True
    tokenizer_fn: Callable[[str], list[Any]] = Field(default_factory=get_tokenizer, exclude=True)

    _connection: Connection = PrivateAttr()
    _recalled: tuple[Any, str] | None = PrivateAttr(default=None)  # what for, and what was
    _waiting: list[Said] = PrivateAttr(default_factory=list)
    _known: OrderedDict[bytes, None] = PrivateAttr(default_factory=OrderedDict)

    def __init__(self, memory: MemoryOrPath | Connection, *, user_id: UserId | None = None, **settings: Any) -> None:
        mine = {name: settings.pop(name) for name in list(settings) if name in type(self).model_fields}
        if mine.get("tokenizer_fn", ...) is None:
            del mine["tokenizer_fn"]
        for name, value in mine.items():
            if name in _READ:
                _READ[name](value, name)
        super().__init__(user_id=read_owner(user_id), **mine)  # type: ignore[call-arg]  # pydantic's, which mypy does not see
        if isinstance(memory, Connection):
            self._connection = memory
        else:
            self._connection = Connection(memory, settings, ("memory", *type(self).model_fields))
            with closed_on_error(self._connection):
                self.check()

    def check(self) -> None:
        """Raise here, and not in every `aput`, if the mode needs a language model and there is none.

        Raises:
            InvalidInputError: there is none.
        """
        self.memory._mind(self.mode)

    def __deepcopy__(self, memo: dict[int, Any] | None = None) -> "AgentMemMemoryBlock":
        """Return the same block: what is open cannot be copied, and a workflow that copies its state means the same memory."""
        return self

    # What a block must do

    async def _aget(self, messages: list[ChatMessage] | None = None, **block_kwargs: Any) -> str:
        """Return memories that the latest user message is about; memorised, as one run of an agent asks several times."""
        messages, session = messages or [], block_kwargs.get("session_id") or self.session_id
        if self.write_through:
            await self.remember_new(messages, session_id=session)
        question = last_question(messages)
        turn = (session, question, turns_of(messages))
        if self._recalled is None or self._recalled[0] != turn:
            self._recalled = turn, await self.recall(question, session_id=session, seen=messages)
        return self._recalled[1]

    async def _aput(self, messages: list[ChatMessage]) -> None:
        for message in messages:
            await self.remember_new([message], session_id=message.additional_kwargs.get("session_id") or self.session_id)

    async def aput(self, messages: list[ChatMessage], from_short_term_memory: bool = False, session_id: str | None = None) -> None:
        """Remember messages. Unlike the inherited method it writes nothing into them: they are other blocks' messages, too."""
        if messages and not (from_short_term_memory and not self.accept_short_term_memory):
            if session_id is None:
                await self._aput(messages)
            else:
                await self.remember_new(messages, session_id=session_id)

    async def atruncate(self, content: Any, tokens_to_truncate: int) -> str | None:
        """Return the content without its last memories, so that it has so many tokens less; None if nothing is left."""
        return (shortened(content, tokens_to_truncate, self._count) or None) if isinstance(content, str) else None

    # What it does itself

    async def remember(self, messages: Sequence[ChatMessage], *, session_id: str | None = None) -> None:
        """Store the words of messages at once. Never raises: what cannot be stored now is tried again with the next."""
        said = [(session_id, item) for message in messages if (item := item_of(message, self.roles)) is not None]
        self._note(session_id, [item for _, item in said])
        self._waiting += said
        for session in dict.fromkeys(session for session, _ in self._waiting):
            together, stored = [pair for pair in self._waiting if pair[0] == session], False
            self._waiting = [pair for pair in self._waiting if pair[0] != session]
            try:
                await self.memory.aadd(
                    [item for _, item in together], user_id=owner(self.user_id), agent_id=self.agent_id, session_id=session,
                    mode=self.mode, wait=self.wait, truncate=True,
                )  # fmt: skip
                stored = True
            except InvalidInputError as error:  # it would be refused again
                stored = True
                log.error("%d messages were not remembered: %s", len(together), type(error).__name__)
            except AgentMemError as error:
                log.warning("%d messages wait to be remembered: %s", len(together), type(error).__name__)
            finally:  # a cancelled caller's too
                self._waiting = self._waiting if stored else [*together, *self._waiting][:KNOWN_LIMIT]

    async def remember_new(self, messages: Sequence[ChatMessage], *, session_id: str | None = None) -> None:
        """Store the words of those messages that this block has not stored yet. Never raises."""
        new = {}
        for message in messages:
            item = item_of(message, self.roles)
            if item is not None and (key := _key(session_id, item)) not in self._known:
                new[key] = message
        if new or self._waiting:
            await self.remember(list(new.values()), session_id=session_id)

    async def recall(self, question: str, *, session_id: str | None = None, seen: Sequence[ChatMessage] = ()) -> str:
        """Return the memories that a question is about, as a model is shown them; empty if there are none. Never raises.

        Args:
            question: What is asked; a long one is cut.
            session_id: The session it is asked in.
            seen: Messages that the model is shown anyway: of the same session, they are not recalled.
        """
        if not question.strip():
            return ""
        shown = {plain(item["content"]) for message in seen if (item := item_of(message, self.roles)) is not None}
        said = {plain(question)}  # whoever asked the same before did not answer it
        hits: list[Hit] = []
        for hit in await self._search(question.strip()[-QUESTION_LIMIT:], min(MAX_K, self.k + len(shown) + 1)):
            text = plain(hit.memory.text)
            if text not in said and not (text in shown and hit.memory.session_id == session_id) and len(hits) < self.k:
                hits.append(hit)
                said.add(text)
        return render(hits, self.token_limit, self._count)

    def forget_recalled(self) -> None:
        """Recall anew when asked next, also for the same question."""
        self._recalled = None

    async def _search(self, question: str, k: int) -> list[Hit]:
        for using in dict.fromkeys((self.using, "text")):
            try:
                return await self.memory.asearch(
                    question, k=k, user_id=owner(self.user_id), agent_id=self.agent_id, using=using, min_score=self.min_score
                )
            except EmbeddingError as error:  # words need no embedder
                log.warning("recalled by words alone: %s", type(error).__name__)
            except AgentMemError as error:
                log.warning("nothing was recalled: %s", type(error).__name__)
                break
        return []

    def _note(self, session_id: str | None, items: Sequence[dict[str, Any]]) -> None:
        """Note what was remembered: not the words, which may be purged."""
        self._known.update(dict.fromkeys(_key(session_id, item) for item in items))
        while len(self._known) > KNOWN_LIMIT:
            self._known.popitem(last=False)

    def _count(self, text: str) -> int:
        return len(self.tokenizer_fn(text))


def read_roles(roles: Any, what: str) -> tuple[str, ...]:
    """Return whose messages are remembered; one role alone would be taken for its letters.

    Raises:
        InvalidInputError: no list of texts.
    """
    if isinstance(roles, str) or not isinstance(roles, Iterable) or not all(isinstance(role, str) for role in roles):
        raise InvalidInputError(f"{what}={shown(roles)}: pass a list of roles such as ('user', 'assistant')")
    return tuple(roles)


_READ: Final[Mapping[str, Callable[[Any, str], Any]]] = {
    "agent_id": read_name,
    "session_id": read_name,
    "k": read_count,
    "token_limit": lambda value, name: read_count(value, name, 0, MAX_TOKENS),
    "min_score": read_fraction,
    "using": lambda value, name: read_choice(value, name, get_args(Using)),
    "mode": lambda value, name: value is None or read_choice(value, name, get_args(Mode)),
    "roles": read_roles,
}
"""How an argument is checked: a mistake is one of our errors here, and not of pydantic's."""


def _key(session_id: str | None, item: dict[str, Any]) -> bytes:
    return hashlib.blake2b(json.dumps([session_id, item["role"], plain(item["content"])]).encode(), digest_size=16).digest()
