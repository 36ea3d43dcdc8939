"""Asks a language model for facts, decisions and about questions: from the cache if it can, once for all who ask the same, and readably."""

import asyncio
import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final, TypeVar

from cachetools import TTLCache

from ..errors import AgentMemError, ModelError, ReplyError
from ..models import SHARED, Decisions, Extraction, Fact, Memory, Scope, Turn
from ..ports import ChatModel, ChatReply, ChatRequest, Learned, Reasoned
from . import prompting
from .decision_replies import read_decisions
from .fact_replies import read_facts
from .prompting import Prompt
from .question_replies import read_order, read_rewritten

T = TypeVar("T")

CACHE_TTL_S: Final = 3_600.0
CACHE_ENTRIES: Final = 1_000
TEMPERATURE: Final = 0.0
MAX_TOKENS: Final = 8_192
"""The longest reply. A model that has not finished by then is running in circles; hidden reasoning counts."""

Kept = Callable[[Scope, Sequence[bytes]], Mapping[bytes, str]]


@dataclass(slots=True)
class Counts:
    """What the asking has cost, and saved."""

    calls: int = 0
    repairs: int = 0
    failures: int = 0
    prompt_tokens: int = 0
    completion_tokens: int = 0
    cached_tokens: int = 0
    joined: int = 0
    memory: dict[str, int] = field(default_factory=lambda: {"hits": 0, "misses": 0})
    file: dict[str, int] = field(default_factory=lambda: {"hits": 0, "misses": 0})


class CachingReasoner:
    """A `Reasoner` on a chat model. To be used on one event loop only, so it needs no lock.

    Answers are looked for in memory (an hour, 1,000 answers), then in the file, and only then asked for; whoever asks the same
    while an answer is on its way waits for it. The key of an answer hashes its owner, the model, prompt, schema, data and
    sampling options, so that nobody is ever answered from another's words.

    Args:
        chat: The model.
        kept: Looks replies up in the file, by owner and key.
        ttl_s: Seconds that an answer stays in memory.
        entries: Answers in memory.
    """

    def __init__(self, chat: ChatModel, kept: Kept, *, ttl_s: float = CACHE_TTL_S, entries: int = CACHE_ENTRIES) -> None:
        self._chat = chat
        self._kept = kept
        self._cache: TTLCache[bytes, Reasoned[Any]] = TTLCache(entries, ttl_s)
        self._asking: dict[bytes, asyncio.Task[Reasoned[Any]]] = {}
        self._counts = Counts()
        self._schemas: dict[str, str] = {}

    @property
    def model(self) -> str:
        """Which model."""
        return self._chat.name

    async def extract(self, scope: Scope, turns: Sequence[Turn]) -> Reasoned[Extraction]:
        """Return the facts in messages."""
        return await self._answer(scope, prompting.extraction(turns), lambda reply: read_facts(reply, turns))

    async def decide(self, scope: Scope, facts: Sequence[Fact], memories: Sequence[Memory]) -> Reasoned[Decisions]:
        """Return what becomes of new facts."""
        return await self._answer(scope, prompting.deciding(facts, memories), lambda reply: read_decisions(reply, facts, memories))

    async def order(self, scope: Scope, question: str, memories: Sequence[Memory]) -> Reasoned[tuple[int, ...]]:
        """Return which memories answer a question, best first."""
        return await self._answer(scope, prompting.ordering(question, memories), lambda reply: read_order(reply, len(memories)))

    async def rewrite(self, scope: Scope, question: str, history: Sequence[str]) -> Reasoned[str]:
        """Return a follow-up as a question that can be understood by itself."""
        return await self._answer(scope, prompting.rewriting(question, history), read_rewritten)

    def forget(self) -> None:
        """Drop all answers from memory."""
        self._cache.clear()

    def stats(self) -> dict[str, Any]:
        """Return calls, tokens, and how often each tier of the cache had the answer."""
        c = self._counts
        return {
            "model": self.model, "calls": c.calls, "repairs": c.repairs, "failures": c.failures,
            "prompt_tokens": c.prompt_tokens, "completion_tokens": c.completion_tokens, "cached_tokens": c.cached_tokens,
            "cache": {"memory": {**c.memory, "entries": len(self._cache)}, "file": dict(c.file), "joined": c.joined},
        }  # fmt: skip

    async def _answer(self, scope: Scope, prompt: Prompt, read: Callable[[str], T]) -> Reasoned[T]:
        key = self._key(scope, prompt)
        known: Reasoned[T] | None = self._cache.get(key)
        if known is not None:
            self._counts.memory["hits"] += 1
            return known
        if (asking := self._asking.get(key)) is not None:
            self._counts.joined += 1
            return replace(await asyncio.shield(asking), learned=())
        self._counts.memory["misses"] += 1
        asking = asyncio.create_task(self._find_or_ask(scope, key, prompt, read))
        self._asking[key] = asking
        asking.add_done_callback(lambda done: self._asked(key, done))
        return await asyncio.shield(asking)  # whoever else waits for it must not suffer if this caller gives up

    def _asked(self, key: bytes, done: "asyncio.Task[Reasoned[Any]]") -> None:
        self._asking.pop(key, None)
        if not done.cancelled():
            done.exception()  # seen by whoever still waits; else Python complains that nobody did

    async def _find_or_ask(self, scope: Scope, key: bytes, prompt: Prompt, read: Callable[[str], T]) -> Reasoned[T]:
        answer = self._from_file(scope, key, prompt, read) or await self._ask(key, prompt, read)
        self._cache[key] = replace(answer, learned=())
        return answer

    def _from_file(self, scope: Scope, key: bytes, prompt: Prompt, read: Callable[[str], T]) -> Reasoned[T] | None:
        kept = self._kept(scope, [key]).get(key)
        self._counts.file["hits" if kept is not None else "misses"] += 1
        try:
            return None if kept is None else Reasoned(read(kept), prompt.id)
        except ReplyError:  # it was readable when it was kept, by an earlier version
            return None

    async def _ask(self, key: bytes, prompt: Prompt, read: Callable[[str], T]) -> Reasoned[T]:
        reply = await self._reply(prompt)
        try:
            value = read(reply.text)
        except ReplyError as error:
            self._counts.repairs += 1
            reply = await self._reply(prompting.repair_request(prompt, reply.text, error))
            value = self._read_or_fail(reply, read)
        return Reasoned(value, prompt.id, (Learned(key, reply.text),))

    def _read_or_fail(self, reply: ChatReply, read: Callable[[str], T]) -> T:
        try:
            return read(reply.text)
        except ReplyError as error:
            self._counts.failures += 1
            raise ReplyError(f"{self.model} was asked twice and answered unreadably: {error}") from None

    async def _reply(self, prompt: Prompt) -> ChatReply:
        self._counts.calls += 1
        try:
            reply = await self._chat.reply(ChatRequest(prompt.messages, prompt.schema, prompt.schema_name, MAX_TOKENS, TEMPERATURE))
        except AgentMemError:
            raise
        except Exception as error:  # the edge to other people's models: whatever they raise, the words must be kept
            raise ModelError(f"the language model {self.model} failed with {type(error).__name__}") from error
        self._counts.prompt_tokens += reply.prompt_tokens
        self._counts.completion_tokens += reply.completion_tokens
        self._counts.cached_tokens += reply.cached_tokens
        return reply

    def _key(self, scope: Scope, prompt: Prompt) -> bytes:
        # Instructions and examples are told by the prompt's id, which hashes them
        data = prompt.messages[-1].content
        told = [_owner(scope), self.model, prompt.id, self._schema(prompt), TEMPERATURE, MAX_TOKENS, data]
        return hashlib.blake2b(json.dumps(told).encode(), digest_size=20).digest()

    def _schema(self, prompt: Prompt) -> str:
        """Return a hash of the reply's schema, computed once for each."""
        if prompt.schema_name not in self._schemas:
            canonical = json.dumps(prompt.schema, sort_keys=True)
            self._schemas[prompt.schema_name] = hashlib.blake2b(canonical.encode(), digest_size=8).hexdigest()
        return self._schemas[prompt.schema_name]


def _owner(scope: Scope) -> tuple[str, bool, str]:
    shared = scope.user_id is SHARED
    return scope.namespace, shared, "" if scope.user_id is SHARED else scope.user_id
