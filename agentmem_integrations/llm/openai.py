"""Language models at OpenAI and whatever speaks its protocol: vLLM, Ollama, LM Studio, LiteLLM, Azure's v1 API, ..."""

import asyncio
import hashlib
import json
import logging
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal, get_args

from ..endpoint.address import read_endpoint, read_model, read_number
from ..endpoint.endpoint_errors import BadReplyError, Trouble
from ..endpoint.openai_client import AsyncClient, Transport
from ..errors import (
    ClosedError,
    InvalidInputError,
    ModelAccessError,
    ModelBusyError,
    ModelError,
    ModelRequestError,
    ModelTimeoutError,
    shown,
)
from ..ports import ChatReply, ChatRequest
from .endpoint_dialect import Dialect
from .event_loop import LoopThread

log = logging.getLogger("agentmem.llm")

Finish = Literal["stop", "length", "refused"]
FINISHES: Final[Mapping[Any, Finish]] = {"length": "length", "content_filter": "refused"}

WAYS_OUT: Final[Mapping[str, tuple[type[ModelError], str]]] = {
    "timeout": (ModelTimeoutError, "raise timeout_s, or see what holds up the server"),
    "connection": (ModelError, "check base_url and that the server runs"),
    "busy": (ModelBusyError, "lower concurrency, or raise max_retries or max_wait_s"),
    "quota": (ModelBusyError, "the quota is used up: see to the plan or use another model"),
    "server": (ModelError, "see the server's log, or wait"),
    "access": (ModelAccessError, "check OPENAI_API_KEY or api_key"),
    "request": (ModelRequestError, "check model and base_url, and that the messages fit into the model's context"),
    "reply": (ModelError, "see what serves the model there"),
}


@dataclass(frozen=True, slots=True)
class _Session:
    """The client, which belongs to one event loop."""

    loop: asyncio.AbstractEventLoop
    client: AsyncClient


class OpenAIChat:
    """A chat model behind an OpenAI-compatible endpoint. Asks nobody before the first `reply`.

    May be asked from any event loop and any number of them, from threads (`LoopThread.run`) and in a forked child: the calls
    run on one private event loop.

    A schema is sent as a strict `json_schema`; an endpoint that refuses this is asked in JSON mode, or else in plain text, with
    the schema in the prompt. Likewise where it refuses `temperature`, or knows `max_tokens` by its other name. What worked is
    remembered as long as this object lives.

    Args:
        model: The name the endpoint knows it by.
        base_url: Such as `http://localhost:11434/v1`; default `OPENAI_BASE_URL`, or else OpenAI.
        api_key: Default `OPENAI_API_KEY`. A server of your own may need none.
        timeout_s: Seconds for one attempt, from the first byte sent to the last received.
        max_retries: Further attempts after a passing trouble: too many requests, a failing server, an answer that is none.
        retry_wait_s: First wait between attempts, in seconds; it doubles every time, with jitter.
        max_wait_s: The longest wait, in seconds. Where `Retry-After` asks for more, the call fails at once.
        concurrency: Calls under way at once; more wait for their turn.
        transport: `aiohttp`, `httpx`, or `auto` for `aiohttp` where it is installed, which spends a quarter of the time on a call.
        extra: More fields for every request, such as `{"reasoning_effort": "low"}`. They become part of `name`.
        loop: The loop to run on; default one of its own.

    Raises:
        MissingExtraError: the `openai` package is not installed.
        InvalidInputError: an argument that makes no sense, or OpenAI without a key.
    """

    def __init__(
        self,
        model: str,
        *,
        base_url: str | None = None,
        api_key: str | None = None,
        timeout_s: float = 60.0,
        max_retries: int = 3,
        retry_wait_s: float = 0.5,
        max_wait_s: float = 30.0,
        concurrency: int = 32,
        transport: Transport = "auto",
        extra: Mapping[str, Any] | None = None,
        loop: LoopThread | None = None,
    ) -> None:
        self._model = read_model(model, "gpt-5-mini")
        if transport not in get_args(Transport):
            raise InvalidInputError(f"transport={shown(transport)}: use one of {', '.join(map(repr, get_args(Transport)))}")
        self._endpoint = read_endpoint(
            base_url, api_key, timeout_s=timeout_s, max_retries=max_retries, retry_wait_s=retry_wait_s, max_wait_s=max_wait_s
        )
        self._concurrency = read_number(concurrency, "concurrency", 1, 10_000)
        self._transport: Transport = transport
        self._extra = dict(extra or {})
        self._loop = loop or LoopThread()
        self._owns_loop = loop is None
        self._session: _Session | None = None
        self._closed = False
        # Everybody knows the older name, and OpenAI's own newer models only the newer
        self._dialect = Dialect("max_completion_tokens" if self._endpoint.base_url is None else "max_tokens")

    def __repr__(self) -> str:
        return f"OpenAIChat({self._model!r}, base_url={self._endpoint.base_url!r})"

    @property
    def name(self) -> str:
        """`openai:<model>`, and a fingerprint of the extra fields if there are any."""
        if not self._extra:
            return f"openai:{self._model}"
        fingerprint = hashlib.sha256(json.dumps(self._extra, sort_keys=True, default=repr).encode()).hexdigest()[:8]
        return f"openai:{self._model}+{fingerprint}"

    async def reply(self, request: ChatRequest) -> ChatReply:
        """Ask the model. From any event loop.

        Raises:
            ModelTimeoutError: no answer in time, in any attempt.
            ModelBusyError: too many requests, or the quota is used up.
            ModelAccessError: the key was not accepted.
            ModelRequestError: the endpoint does not take such a request.
            ModelError: it could not be reached, failed, or answered with something that is no answer.
            ClosedError: this object was closed.
        """
        return await self._loop.await_(self._reply(request))

    async def close(self) -> None:
        """Let go of the connections. Calls under way fail. Closing twice is fine."""
        self._closed = True
        if self._owns_loop:
            await asyncio.to_thread(self._loop.close)
        elif self._session is not None:
            await self._loop.await_(self._close_session())

    # From here on everything runs on the private loop

    async def _reply(self, request: ChatRequest) -> ChatReply:
        dialect, began = self._dialect, time.perf_counter()
        tried = {dialect}
        while True:
            answer = await self._client().ask("/chat/completions", {**dialect.body(self._model, request), **self._extra}, read_reply)
            if not isinstance(answer, Trouble):
                self._remember(dialect)
                took = (time.perf_counter() - began) * 1000
                log.debug("%s answered in %.0f ms: %d tokens for %d", self.name, took, answer.completion_tokens, answer.prompt_tokens)
                return answer
            other = dialect.after(answer, request)
            if other is None or other in tried:
                kind, way_out = WAYS_OUT[answer.cause]
                raise kind(f"{self.name}: the endpoint {answer}: {way_out}")
            dialect = other
            tried.add(dialect)

    def _remember(self, dialect: Dialect) -> None:
        """Note what worked after a refusal; what works at once says nothing about what others have learnt meanwhile."""
        if dialect.knows_more_than(self._dialect):
            self._dialect = dialect
            log.info("%s takes %s", self.name, dialect)

    def _client(self) -> AsyncClient:
        loop = asyncio.get_running_loop()
        if self._closed:
            raise ClosedError("this language model was closed: make a new one")
        if self._session is None or self._session.loop is not loop:  # another loop: this is a forked child
            self._session = _Session(loop, AsyncClient(self._endpoint, self._concurrency, self._transport))
            self._loop.before_end(self._session.client.close)
        return self._session.client

    async def _close_session(self) -> None:
        session, self._session = self._session, None
        if session is not None and session.loop is asyncio.get_running_loop():
            await session.client.close()


def read_reply(answer: Any) -> ChatReply:
    """Return what a chat completion says.

    Raises:
        BadReplyError: it says nothing.
    """
    try:
        choice = answer["choices"][0]
        message = choice["message"]
        text, refusal = _text(message.get("content")), message.get("refusal")
        finish: Finish = FINISHES.get(choice.get("finish_reason"), "stop")
    except (KeyError, IndexError, TypeError, AttributeError):
        raise BadReplyError("no message") from None
    usage = answer.get("usage")
    usage = usage if isinstance(usage, dict) else {}
    details = usage.get("prompt_tokens_details")
    cached = details.get("cached_tokens") if isinstance(details, dict) else usage.get("prompt_cache_hit_tokens")  # the latter at DeepSeek
    if text is None and refusal is None and finish == "stop":
        raise BadReplyError("no content")
    return ChatReply(
        text if text is not None else str(refusal or ""), _count(usage.get("prompt_tokens")), _count(usage.get("completion_tokens")),
        _count(cached), "refused" if refusal else finish,
    )  # fmt: skip


def _text(content: Any) -> str | None:
    """Return a message's words: one string, or parts as some endpoints send them."""
    if isinstance(content, list):
        return "".join(str(part.get("text") or "") for part in content if isinstance(part, dict))
    return content if isinstance(content, str) else None


def _count(value: Any) -> int:
    return value if isinstance(value, int) and value > 0 else 0
