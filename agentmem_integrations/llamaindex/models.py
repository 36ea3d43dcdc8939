"""Models of LlamaIndex for the core: an `LLM` that draws facts, a `BaseEmbedding` that makes vectors; the bundled one for LlamaIndex."""

import asyncio
import json
from collections.abc import Mapping, Sequence
from typing import Any, Final, Literal, Protocol

from llama_index.core.base.embeddings.base import BaseEmbedding
from llama_index.core.base.llms.types import ChatMessage, ChatResponse
from llama_index.core.bridge.pydantic import BaseModel, PrivateAttr
from llama_index.core.llms.function_calling import FunctionCallingLLM
from llama_index.core.llms.llm import LLM
from llama_index.core.tools import FunctionTool
from llama_index.core.tools.types import ToolMetadata

from ..embedding.bundled import BundledEmbedder
from ..errors import InvalidInputError, ModelAccessError, ModelBusyError, ModelError, ModelRequestError, ModelTimeoutError
from ..ports import ChatModel, ChatReply, ChatRequest

Finish = Literal["stop", "length", "refused"]
Structured = Literal["auto", "tools", "prompt"]

# How providers call things; the first that is there counts
READ: Final = ("prompt_tokens", "input_tokens", "prompt_token_count", "prompt_eval_count")
WRITTEN: Final = ("completion_tokens", "output_tokens", "candidates_token_count", "eval_count")
CACHED: Final = ("cached_tokens", "cache_read_input_tokens", "prompt_cache_hit_tokens", "cached_content_token_count")
FINISHES: Final[Mapping[str, Finish]] = {
    "length": "length", "max_tokens": "length", "MAX_TOKENS": "length",
    "content_filter": "refused", "refusal": "refused", "SAFETY": "refused",
}  # fmt: skip
STATUS: Final[Mapping[int, type[ModelError]]] = {
    401: ModelAccessError, 403: ModelAccessError, 400: ModelRequestError, 404: ModelRequestError, 413: ModelRequestError,
    422: ModelRequestError, 408: ModelTimeoutError, 504: ModelTimeoutError, 429: ModelBusyError,
}  # fmt: skip


def llamaindex_llm(llm: LLM, *, structured: Structured = "auto", use_async: bool = False) -> ChatModel:
    """Return a LlamaIndex `LLM` as what `AgentMemory(..., llm=...)` takes.

    A model that calls functions is held to the schema of an answer by a function whose arguments have it; any other is shown
    the schema. Sampling and limits stay as the `LLM` has them: LlamaIndex has no common name for either.

    Args:
        llm: Any `LLM`.
        structured: `tools`: always by a function; `prompt`: never; `auto`: by a function if the model's metadata say it calls any.
        use_async: Await `achat` on this library's own event loop. By default `chat` is called in threads, as many providers' async
            clients serve only the first event loop they meet: choose this for an `LLM` that nothing else uses.

    Raises:
        InvalidInputError: it is no `LLM`, or cannot call functions and shall.
    """
    if not isinstance(llm, LLM):
        raise InvalidInputError(f"a {type(llm).__name__} is no LlamaIndex LLM: pass one, or give it to AgentMemory as it is")
    calls = isinstance(llm, FunctionCallingLLM) and (structured == "tools" or llm.metadata.is_function_calling_model)
    if structured not in ("auto", "tools", "prompt") or (structured == "tools" and not calls):
        raise InvalidInputError(f"structured={structured!r}: {type(llm).__name__} takes 'auto' or 'prompt'{', or tools' if calls else ''}")
    return _LlamaIndexChat(llm, calls and structured != "prompt", use_async)


class _LlamaIndexChat:
    """A LlamaIndex `LLM` as a `ChatModel`."""

    def __init__(self, llm: LLM, calls: bool, use_async: bool) -> None:
        self._llm = llm
        self._calls = calls
        self._async = use_async
        self.name = f"llamaindex:{llm.class_name()}:{llm.metadata.model_name}"

    def __repr__(self) -> str:
        return f"llamaindex_llm({self.name!r})"

    async def reply(self, request: ChatRequest) -> ChatReply:
        """Ask the model.

        Raises:
            ModelError: there is no answer.
        """
        try:
            return await self._asked(request)
        except Exception as e:  # the edge to other people's code: whatever it raises, it is the model that failed
            raise _kind(e)(f"{self.name} failed with {type(e).__name__}: see the model's own log") from e

    async def close(self) -> None:
        """Nothing to let go of: the model is its owner's."""

    async def _asked(self, request: ChatRequest) -> ChatReply:
        messages = [ChatMessage(role=m.role, content=m.content) for m in request.messages]
        llm = self._llm
        if request.schema is None or not (self._calls and isinstance(llm, FunctionCallingLLM)):
            if request.schema is not None:
                messages = _with_schema(messages, request.schema)
            response = await llm.achat(messages) if self._async else await asyncio.to_thread(llm.chat, messages)
            return _reply(response, response.message.content or "")
        tool = _answer_tool(request)
        asking: dict[str, Any] = {"tools": [tool], "chat_history": messages, "tool_required": True}
        response = await llm.achat_with_tools(**asking) if self._async else await asyncio.to_thread(llm.chat_with_tools, **asking)
        calls = llm.get_tool_calls_from_response(response, error_on_no_tool_call=False)
        return _reply(response, json.dumps(calls[0].tool_kwargs) if calls else response.message.content or "")


def _answer_tool(request: ChatRequest) -> FunctionTool:
    """Return a function that nobody calls: its arguments are the answer."""
    schema = dict(request.schema or {})

    class Answer(BaseModel):
        """The answer."""

        @classmethod
        def model_json_schema(cls, *args: Any, **kwargs: Any) -> dict[str, Any]:
            """Return the schema of the request: it is what providers are shown."""
            return schema

    metadata = ToolMetadata(name=request.schema_name, description="Give the answer.", fn_schema=Answer)
    return FunctionTool(fn=lambda **answer: answer, metadata=metadata)


def _with_schema(messages: list[ChatMessage], schema: Mapping[str, Any]) -> list[ChatMessage]:
    """Say what the answer must look like, in the system message that is there, as some models take only one."""
    demand = f"Answer with nothing but one JSON object that fits this JSON schema:\n{json.dumps(schema, ensure_ascii=False)}"
    if messages and messages[0].role == "system":
        return [ChatMessage(role="system", content=f"{messages[0].content}\n\n{demand}"), *messages[1:]]
    return [ChatMessage(role="system", content=demand), *messages]


def _reply(response: ChatResponse, text: str) -> ChatReply:
    places = _places(response)
    reason = next(
        (str(value) for place in places for key in ("finish_reason", "stop_reason", "done_reason") if (value := place.get(key))), ""
    )
    return ChatReply(text, _tokens(places, READ), _tokens(places, WRITTEN), _tokens(places, CACHED), FINISHES.get(reason, "stop"))


def _places(response: ChatResponse) -> list[Mapping[str, Any]]:
    """Return where providers' integrations put what an answer cost and why it ended: every one has a place of its own."""
    raw = _mapping(response.raw)
    choices = raw.get("choices") or raw.get("candidates")
    choice = _mapping(choices[0]) if isinstance(choices, list | tuple) and choices else {}
    usage = _mapping(raw.get("usage") or raw.get("usage_metadata"))
    details = _mapping(usage.get("prompt_tokens_details"))
    return [response.additional_kwargs, response.message.additional_kwargs, usage, details, choice, raw]


def _mapping(value: Any) -> Mapping[str, Any]:
    if isinstance(value, Mapping):
        return value
    return vars(value) if hasattr(value, "__dict__") else {}


def _tokens(places: Sequence[Mapping[str, Any]], names: Sequence[str]) -> int:
    counts = (place[name] for place in places for name in names if name in place)
    return next((count for count in counts if isinstance(count, int) and not isinstance(count, bool) and count > 0), 0)


def _kind(error: Exception) -> type[ModelError]:
    """Return which of our errors it is, by the HTTP status that providers' errors have, or by its name."""
    status = getattr(error, "status_code", None) or getattr(error, "code", None)
    if isinstance(status, int) and status in STATUS:
        return STATUS[status]
    return ModelTimeoutError if isinstance(error, TimeoutError) or "Timeout" in type(error).__name__ else ModelError


class _Embedding(Protocol):
    """What `embedder=` takes."""

    name: str
    batch: int


def llamaindex_embedder(embed_model: BaseEmbedding, *, revision: str = "", use_async: bool = False) -> _Embedding:
    """Return a LlamaIndex embedding model as what `AgentMemory(..., embedder=...)` takes.

    What is stored goes through its text embedding, and questions through its query embedding. The file records its class and
    model name.

    Args:
        embed_model: Any `BaseEmbedding`.
        revision: Yours to change when the model begins to give other vectors under the same name.
        use_async: Await its async methods on this library's own event loop, for a model that nothing else uses.

    Raises:
        InvalidInputError: it is no `BaseEmbedding`.
    """
    if not isinstance(embed_model, BaseEmbedding):
        raise InvalidInputError(f"a {type(embed_model).__name__} is no LlamaIndex embedding: pass one, or give it to AgentMemory as it is")
    return (_AsyncEmbedder if use_async else _Embedder)(embed_model, revision)


class _Named:
    def __init__(self, model: BaseEmbedding, revision: str) -> None:
        self.__wrapped__ = model  # by which two adapters of the same model are known to be one
        self.name = f"llamaindex:{type(model).__qualname__}:{model.model_name}"  # `class_name()` is often the base class's
        self.revision = revision
        self.batch = model.embed_batch_size


class _Embedder(_Named):
    def embed_documents(self, texts: list[str]) -> list[list[float]]:
        """Return the vectors of texts."""
        return self.__wrapped__.get_text_embedding_batch(texts)

    def embed_query(self, text: str) -> list[float]:
        """Return the vector of a question."""
        return self.__wrapped__.get_query_embedding(text)


class _AsyncEmbedder(_Named):
    async def aembed_documents(self, texts: list[str]) -> list[list[float]]:
        """Return the vectors of texts."""
        return await self.__wrapped__.aget_text_embedding_batch(texts)

    async def aembed_query(self, text: str) -> list[float]:
        """Return the vector of a question."""
        return await self.__wrapped__.aget_query_embedding(text)


class StaticEmbedding(BaseEmbedding):
    """The embedder that ships with this package, 256 dimensions: no download, no key, no network.

    Args:
        fields: Those of `BaseEmbedding`, such as `embed_batch_size`.
    """

    _embedder: BundledEmbedder = PrivateAttr()

    def __init__(self, **fields: Any) -> None:
        embedder = BundledEmbedder()
        super().__init__(**{"model_name": embedder.identity.name, **fields})
        self._embedder = embedder

    @classmethod
    def class_name(cls) -> str:
        """Return the name that LlamaIndex knows the class by."""
        return "AgentMemStaticEmbedding"

    def _get_text_embedding(self, text: str) -> list[float]:
        return self._get_text_embeddings([text])[0]

    def _get_text_embeddings(self, texts: list[str]) -> list[list[float]]:
        return [[float(x) for x in row] for row in self._embedder.embed_documents(texts)]

    def _get_query_embedding(self, query: str) -> list[float]:
        return [float(x) for x in self._embedder.embed_query(query)]

    async def _aget_query_embedding(self, query: str) -> list[float]:
        return self._get_query_embedding(query)  # quicker than handing it to a thread
