"""LangChain's chat models and embeddings as this library's `llm` and `embedder`; and the bundled embedder as LangChain's `Embeddings`."""

import asyncio
import json
import os
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Final, Literal

from langchain_core.embeddings import Embeddings
from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage, BaseMessage
from langchain_core.runnables import Runnable

from ..embedding.bundled import BundledEmbedder
from ..errors import InvalidInputError, ModelAccessError, ModelBusyError, ModelError, ModelRequestError, ModelTimeoutError, shown
from ..llm.endpoint_dialect import with_schema
from ..memory import AgentMemory
from ..open_memory import MemoryOrPath, open_memory
from ..ports import ChatReply, ChatRequest

CONCURRENCY: Final = 16
"""Calls of one model under way at once."""

_NAMES: Final = ("model_name", "model", "model_id", "deployment_name", "repo_id", "name")
_LENGTHS: Final = frozenset({"length", "max_tokens", "MAX_TOKENS", "model_length"})
_REFUSALS: Final = frozenset({"content_filter", "refusal", "SAFETY", "content_filtered", "guardrail_intervened"})


def langchain_llm(model: Runnable[Any, Any], *, name: str | None = None) -> "LangChainChat":
    """Return a LangChain chat model as the `llm` of an `AgentMemory`.

    Args:
        model: A `BaseChatModel`, or another runnable from messages to a message, such as `model.with_fallbacks([...])`.
        name: What it is called in provenance; another name means that what was asked before is asked again. Default: its class
            and the model it names.

    Raises:
        InvalidInputError: it is no such model.
    """
    return LangChainChat(model, name=name)


def langchain_embedder(
    embeddings: Embeddings, *, name: str | None = None, revision: str = "", dim: int | None = None
) -> "LangChainEmbedder":
    """Return LangChain `Embeddings` as the `embedder` of an `AgentMemory`, under an identity that names their model.

    An `Embeddings` object passed as it is works too, but then only its class is recorded: two models of one class and one
    dimension would be taken for the same.

    Args:
        embeddings: The embeddings.
        name: What the vectors are called; default the class and the model it names.
        revision: Yours to change when the same name begins to give other vectors.
        dim: Length of a vector; saves embedding one word to find it.

    Raises:
        InvalidInputError: they are no `Embeddings`.
    """
    return LangChainEmbedder(embeddings, name=name, revision=revision, dim=dim)


class LangChainChat:
    """A `ports.ChatModel` on a LangChain chat model.

    The model is asked with its own settings: temperature and the longest answer are what it was made with. It is asked through
    `invoke`, on threads of this object's: a client made for the application's event loop cannot be shared with another one,
    and nothing of a run that is under way (callbacks, tracing, streamed tokens) may reach calls that are no part of it.

    Args:
        model: See `langchain_llm`.
        name: See `langchain_llm`.

    Raises:
        InvalidInputError: see `langchain_llm`.
    """

    def __init__(self, model: Runnable[Any, Any], *, name: str | None = None) -> None:
        if not isinstance(model, Runnable):
            raise InvalidInputError(f"llm={shown(model)} is no LangChain chat model: pass one, such as init_chat_model('gpt-5-mini')")
        self._model = model
        self.name = name or f"langchain:{_named(model)}"
        self._structured = isinstance(model, BaseChatModel)
        self._threads: ThreadPoolExecutor | None = None
        self._pid = -1

    async def reply(self, request: ChatRequest) -> ChatReply:
        """Ask the model. From any event loop.

        Raises:
            ModelTimeoutError: it did not answer in time.
            ModelBusyError: too many requests, or the quota is used up.
            ModelAccessError: its key was not accepted.
            ModelRequestError: it does not take such a request.
            ModelError: it failed in another way, or answered with something that is no message.
        """
        return await asyncio.get_running_loop().run_in_executor(self._executor(), self._reply, request)

    async def close(self) -> None:
        """End the threads; the model itself is its owner's."""
        if self._threads is not None and self._pid == os.getpid():
            self._threads.shutdown(wait=False, cancel_futures=True)
        self._threads = None

    def _executor(self) -> ThreadPoolExecutor:
        if self._threads is None or self._pid != os.getpid():  # a forked child has none of its parent's threads
            self._threads, self._pid = ThreadPoolExecutor(CONCURRENCY, thread_name_prefix="agentmem-langchain"), os.getpid()
        return self._threads

    def _reply(self, request: ChatRequest) -> ChatReply:
        messages = [{"role": message.role, "content": message.content} for message in request.messages]
        if request.schema is None:
            return _read(self.name, self._asked(self._model, messages))
        structured = self._held_to(request.schema_name, request.schema) if self._structured else None
        if structured is not None:
            try:
                return _read(self.name, self._asked(structured, messages))
            except ModelRequestError:  # what serves the model may not know schemas: see whether it is that
                reply = self._plain(messages, request.schema)
                self._structured = False
                return reply
        return self._plain(messages, request.schema)

    def _plain(self, messages: list[dict[str, str]], schema: Mapping[str, Any]) -> ChatReply:
        return _read(self.name, self._asked(self._model, with_schema(messages, schema)))

    def _held_to(self, name: str, schema: Mapping[str, Any]) -> Runnable[Any, Any] | None:
        """Return the model held to a schema; None if it cannot be."""
        assert isinstance(self._model, BaseChatModel)
        try:
            return self._model.with_structured_output({"title": name, "description": "The answer.", **schema}, include_raw=True)
        except (NotImplementedError, TypeError, ValueError):  # no tools, no such option, no such schema
            self._structured = False
            return None

    def _asked(self, model: Runnable[Any, Any], messages: list[dict[str, str]]) -> Any:
        try:
            return model.invoke(messages)
        except Exception as e:  # the edge to other people's code: whatever it raises, it is the model that failed
            raise _error(self.name, e) from e


class AgentsModel:
    """A `ports.ChatModel` that asks whatever model an agent was last seen to use."""

    def __init__(self) -> None:
        self._chat: LangChainChat | None = None
        self._model: Any = None

    @property
    def name(self) -> str:
        """That of the agent's model."""
        return "langchain:agent" if self._chat is None else self._chat.name

    def use(self, model: Any) -> None:
        """Ask this model from now on."""
        if model is not self._model:
            self._model, self._chat = model, LangChainChat(model)

    async def reply(self, request: ChatRequest) -> ChatReply:
        """Ask it.

        Raises:
            ModelBusyError: no agent has run yet; what is owed from before waits for one.
            ModelError: see `LangChainChat.reply`.
        """
        if self._chat is None:
            raise ModelBusyError("the agent's model is not known before it was asked once: run the agent, or pass llm=...")
        return await self._chat.reply(request)

    async def close(self) -> None:
        """End the threads."""
        if self._chat is not None:
            await self._chat.close()


class LangChainEmbedder:
    """LangChain `Embeddings` under a name that tells which model they are.

    Args:
        embeddings: See `langchain_embedder`.
        name: See `langchain_embedder`.
        revision: See `langchain_embedder`.
        dim: See `langchain_embedder`.

    Raises:
        InvalidInputError: see `langchain_embedder`.
    """

    def __init__(self, embeddings: Embeddings, *, name: str | None = None, revision: str = "", dim: int | None = None) -> None:
        if not isinstance(embeddings, Embeddings):
            raise InvalidInputError(f"embedder={shown(embeddings)} is no LangChain Embeddings: pass one, or 'static'")
        self.__wrapped__ = embeddings  # by which two adapters of the same embeddings are known to be one
        self.name = name or f"langchain:{_named(embeddings)}"
        self.revision = revision
        self.dim = dim

    def embed_documents(self, texts: Sequence[str]) -> list[list[float]]:
        """Return one vector per text."""
        return self.__wrapped__.embed_documents(list(texts))

    def embed_query(self, text: str) -> list[float]:
        """Return the vector of a question."""
        return self.__wrapped__.embed_query(text)


def open_adapted(memory: MemoryOrPath, settings: Mapping[str, Any]) -> tuple[AgentMemory, bool]:
    """Return an open memory, and whether it was opened here; LangChain's models in the settings of a path become ours.

    Raises:
        InvalidInputError: settings for a memory that is open already, or it is neither a memory nor a path.
    """
    if settings and isinstance(memory, AgentMemory):
        raise InvalidInputError(f"{', '.join(settings)}: a memory that is open has its settings: pass them to AgentMemory, or pass a path")
    found = dict(settings)
    if isinstance(found.get("llm"), Runnable):
        found["llm"] = langchain_llm(found["llm"])
    if isinstance(found.get("embedder"), Embeddings):
        found["embedder"] = langchain_embedder(found["embedder"])
    return open_memory(memory, **found)


def _named(model: Any) -> str:
    """Return the class of a model and what it calls itself; of a wrapper, that of what it wraps."""
    kind = f"{type(model).__module__.partition('.')[0]}.{type(model).__qualname__}"
    for wrapped in ("underlying_embeddings", "bound", "runnable"):
        if (inner := getattr(model, wrapped, None)) is not None:
            return f"{kind}({_named(inner)})"
    told = next((name for key in _NAMES if isinstance(name := getattr(model, key, None), str) and name), None)
    return kind if told is None else f"{kind}:{told}"


def _read(name: str, answer: Any) -> ChatReply:
    """Return what a model said, held to a schema or not."""
    raw, parsed = (answer.get("raw"), answer.get("parsed")) if isinstance(answer, dict) else (answer, None)
    if isinstance(raw, str):
        return ChatReply(raw)
    if not isinstance(raw, BaseMessage):
        raise ModelError(f"{name} returned a {type(raw).__name__}: it must return a message")
    text = str(raw.text)
    calls = raw.tool_calls if isinstance(raw, AIMessage) else []
    if calls:  # that is how many providers hold a model to a schema
        text = json.dumps(calls[0]["args"], ensure_ascii=False)
    elif isinstance(parsed, dict) and not text:
        text = json.dumps(parsed, ensure_ascii=False)
    usage: Mapping[str, Any] = getattr(raw, "usage_metadata", None) or {}
    cached = (usage.get("input_token_details") or {}).get("cache_read") or 0
    return ChatReply(text, usage.get("input_tokens") or 0, usage.get("output_tokens") or 0, cached, _finish(raw))


def _finish(message: BaseMessage) -> Literal["stop", "length", "refused"]:
    told = message.response_metadata
    reason = next((told[key] for key in ("finish_reason", "stop_reason", "done_reason") if told.get(key)), "stop")
    if message.additional_kwargs.get("refusal") or reason in _REFUSALS:
        return "refused"
    return "length" if reason in _LENGTHS else "stop"


def _error(name: str, error: Exception) -> ModelError:
    """Return a provider's error as one of ours. Its message goes no further: it may quote the prompt or the key."""
    kind = type(error).__name__
    status = getattr(error, "status_code", None) or getattr(getattr(error, "response", None), "status_code", None)
    failed = f"{name} failed with {kind}{f' ({status})' if isinstance(status, int) else ''}"
    if isinstance(error, TimeoutError) or "timeout" in kind.lower() or status in (408, 504):
        return ModelTimeoutError(f"{failed}: raise the model's timeout, or see what holds it up")
    if status == 429 or "ratelimit" in kind.lower():
        return ModelBusyError(f"{failed}: wait, see to the quota, or use another model")
    if status in (401, 403):
        return ModelAccessError(f"{failed}: check the model's API key")
    if status in (400, 404, 413, 422):
        return ModelRequestError(f"{failed}: check the model's name, and that the messages fit into its context")
    return ModelError(f"{failed}: see its log")


class StaticEmbeddings(Embeddings):
    """The embedder that ships with this package, 256 dimensions: no download, no key, no network."""

    def __init__(self) -> None:
        self._embedder = BundledEmbedder()

    def embed_documents(self, texts: list[str]) -> list[list[float]]:
        """Return one vector per text."""
        return [] if not texts else [[float(x) for x in row] for row in self._embedder.embed_documents(texts)]

    def embed_query(self, text: str) -> list[float]:
        """Return the vector of a question."""
        return [float(x) for x in self._embedder.embed_query(text)]
