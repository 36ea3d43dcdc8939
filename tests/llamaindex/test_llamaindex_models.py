"""LlamaIndex's models in the core."""

import asyncio
import json
from collections.abc import Sequence
from types import SimpleNamespace
from typing import Any

import pytest
from llama_index.core import MockEmbedding
from llama_index.core.base.llms.types import ChatMessage, ChatResponse, ToolCallBlock
from llama_index.core.bridge.pydantic import Field
from llama_index.core.embeddings import BaseEmbedding
from llama_index.core.llms.mock import MockFunctionCallingLLM, MockLLM

from agentmem_integrations import (
    AgentMemory,
    EmbedderMismatchError,
    EmbeddingError,
    InvalidInputError,
    ModelAccessError,
    ModelBusyError,
    ModelError,
    ModelRequestError,
    ModelTimeoutError,
)
from agentmem_integrations.llamaindex import AgentMemMemory, llamaindex_embedder, llamaindex_llm
from agentmem_integrations.ports import ChatMessage as Asked
from agentmem_integrations.ports import ChatRequest
from agentmem_integrations.testing.chat import RuleChat

SCHEMA = {"type": "object", "properties": {"n": {"type": "integer"}}, "required": ["n"]}
REQUEST = ChatRequest((Asked("system", "Count."), Asked("user", "one")), SCHEMA, "count")
PLAIN = ChatRequest((Asked("user", "one"),))


class Scripted:
    """What a mock answers; it keeps what it was asked."""

    def __init__(self, answer: ChatMessage | BaseException) -> None:
        self.answer = answer
        self.messages: list[ChatMessage] = []
        self.options: dict[str, Any] = {}

    def __call__(self, messages: Sequence[ChatMessage], **options: Any) -> ChatMessage:
        self.messages, self.options = list(messages), options
        if isinstance(self.answer, BaseException):
            raise self.answer
        return self.answer

    def llm(self, kind: type[MockFunctionCallingLLM] = MockFunctionCallingLLM) -> MockFunctionCallingLLM:
        return kind(response_generator=self)


class Talker(MockFunctionCallingLLM):
    """A model of the same kind that calls no functions."""

    @property
    def metadata(self) -> Any:
        return super().metadata.model_copy(update={"is_function_calling_model": False, "model_name": "talker-1"})


def call(**arguments: Any) -> ChatMessage:
    return ChatMessage(role="assistant", blocks=[ToolCallBlock(tool_call_id="1", tool_name="count", tool_kwargs=arguments)])


@pytest.mark.parametrize("use_async", [False, True])
async def test_a_model_that_calls_functions_is_held_to_the_schema(use_async: bool) -> None:
    script = Scripted(call(n=1))
    reply = await llamaindex_llm(script.llm(), use_async=use_async).reply(REQUEST)
    assert json.loads(reply.text) == {"n": 1}
    (tool,) = script.options["tools"]
    assert tool.metadata.name == "count"
    assert tool.metadata.get_parameters_dict() == SCHEMA
    assert [(m.role.value, m.content) for m in script.messages] == [("system", "Count."), ("user", "one")]


async def test_if_it_calls_none_its_words_are_the_answer() -> None:
    assert (await llamaindex_llm(Scripted(ChatMessage(content='{"n": 1}')).llm()).reply(REQUEST)).text == '{"n": 1}'


@pytest.mark.parametrize("use_async", [False, True])
@pytest.mark.parametrize(("kind", "structured"), [(Talker, "auto"), (MockFunctionCallingLLM, "prompt")])
async def test_any_other_is_shown_the_schema(kind: type[MockFunctionCallingLLM], structured: Any, use_async: bool) -> None:
    script = Scripted(ChatMessage(role="assistant", content='{"n": 1}'))
    reply = await llamaindex_llm(script.llm(kind), structured=structured, use_async=use_async).reply(REQUEST)
    assert reply.text == '{"n": 1}'
    assert "tools" not in script.options
    (system, asked) = script.messages
    assert (system.content or "").startswith("Count.\n\nAnswer with nothing but one JSON object")
    assert json.dumps(SCHEMA) in (system.content or "")
    assert asked.content == "one"
    await llamaindex_llm(script.llm(Talker)).reply(ChatRequest((Asked("user", "one"),), SCHEMA))
    assert [m.role.value for m in script.messages] == ["system", "user"]


async def test_a_plain_question_is_asked_plainly() -> None:
    script = Scripted(ChatMessage(role="assistant", content="two"))
    assert (await llamaindex_llm(script.llm()).reply(PLAIN)).text == "two"
    assert script.options == {}
    assert [m.content for m in script.messages] == ["one"]


def test_its_name_tells_class_and_model() -> None:
    assert llamaindex_llm(Talker(response_generator=Scripted(call()))).name == "llamaindex:MockFunctionCallingLLM:talker-1"
    assert "talker-1" in repr(llamaindex_llm(Talker(response_generator=Scripted(call()))))


class Priced(Talker):
    """A model whose answers say what they cost, in some provider's words."""

    def chat(self, messages: Sequence[ChatMessage], **kwargs: Any) -> ChatResponse:
        return ChatResponse(message=ChatMessage(role="assistant", content="x"), raw=PRICES[str(messages[-1].content)])


PRICES: dict[str, Any] = {
    "openai": SimpleNamespace(
        choices=[SimpleNamespace(finish_reason="length")],
        usage=SimpleNamespace(prompt_tokens=10, completion_tokens=4, prompt_tokens_details=SimpleNamespace(cached_tokens=8)),
    ),
    "anthropic": {"stop_reason": "max_tokens", "usage": {"input_tokens": 10, "output_tokens": 4, "cache_read_input_tokens": 8}},
    "ollama": {"done_reason": "length", "prompt_eval_count": 10, "eval_count": 4, "usage": {"cached_tokens": 8}},
    "filtered": {"choices": [{"finish_reason": "content_filter"}]},
    "nothing": None,
}


@pytest.mark.parametrize("provider", ["openai", "anthropic", "ollama"])
async def test_what_it_cost_is_read_from_where_providers_put_it(provider: str) -> None:
    reply = await llamaindex_llm(Priced()).reply(ChatRequest((Asked("user", provider),)))
    assert (reply.prompt_tokens, reply.completion_tokens, reply.cached_tokens, reply.finish) == (10, 4, 8, "length")


async def test_where_it_is_not_said_nothing_is_made_up() -> None:
    model = llamaindex_llm(Priced())
    reply = await model.reply(ChatRequest((Asked("user", "nothing"),)))
    assert (reply.prompt_tokens, reply.completion_tokens, reply.cached_tokens, reply.finish) == (0, 0, 0, "stop")
    assert (await model.reply(ChatRequest((Asked("user", "filtered"),)))).finish == "refused"


class ProviderError(Exception):
    """As the clients of providers raise it."""

    def __init__(self, status: int) -> None:
        super().__init__("the key is sk-secret")
        self.status_code = status


@pytest.mark.parametrize(
    ("raised", "kind"),
    [
        (ProviderError(429), ModelBusyError),
        (ProviderError(401), ModelAccessError),
        (ProviderError(404), ModelRequestError),
        (ProviderError(500), ModelError),
        (ProviderError(504), ModelTimeoutError),
        (TimeoutError(), ModelTimeoutError),
        (type("APITimeoutError", (Exception,), {})(), ModelTimeoutError),
        (ValueError("secret words"), ModelError),
        (KeyError("x"), ModelError),
    ],
)
@pytest.mark.parametrize("request_", [REQUEST, PLAIN], ids=["schema", "plain"])
async def test_its_errors_are_ours_and_repeat_no_text(raised: Exception, kind: type[ModelError], request_: ChatRequest) -> None:
    with pytest.raises(ModelError) as caught:
        await llamaindex_llm(Scripted(raised).llm()).reply(request_)
    assert type(caught.value) is kind
    assert "secret" not in str(caught.value)
    assert type(raised).__name__ in str(caught.value)


async def test_a_cancelled_caller_is_cancelled() -> None:
    with pytest.raises(asyncio.CancelledError):
        await llamaindex_llm(Scripted(asyncio.CancelledError()).llm(), use_async=True).reply(PLAIN)


def test_what_is_no_llm_is_refused() -> None:
    with pytest.raises(InvalidInputError, match="no LlamaIndex LLM"):
        llamaindex_llm(RuleChat())  # type: ignore[arg-type]  # what is tested
    with pytest.raises(InvalidInputError, match="'auto' or 'prompt'"):
        llamaindex_llm(MockLLM(), structured="tools")
    with pytest.raises(InvalidInputError, match="structured"):
        llamaindex_llm(MockLLM(), structured="always")  # type: ignore[arg-type]  # what is tested


class Ruled(MockFunctionCallingLLM):
    """The stand-in model of this library, as an LLM of LlamaIndex."""

    def chat(self, messages: Sequence[ChatMessage], **options: Any) -> ChatResponse:
        name = options["tools"][0].metadata.name
        asked = tuple(Asked(m.role.value, m.content or "") for m in messages)  # type: ignore[arg-type]  # these roles
        reply = asyncio.run(RuleChat().reply(ChatRequest(asked, {}, name)))
        block = ToolCallBlock(tool_call_id="1", tool_name=name, tool_kwargs=json.loads(reply.text))
        return ChatResponse(message=ChatMessage(role="assistant", blocks=[block]))


def test_facts_are_drawn_by_an_llm_of_llamaindex(path: str) -> None:
    with AgentMemory(path, llm=llamaindex_llm(Ruled()), mode="intelligent") as mem:
        mem.add("I live in Porto", user_id="ana")
        result = mem.add("I moved to Lisbon", user_id="ana")
        assert [m.text for m in mem.list(user_id="ana") if m.kind != "episode"] == ["The user moved to Lisbon"]
        assert result.events[-1].provenance["model"].startswith("llamaindex:MockFunctionCallingLLM:")


def test_a_failing_llm_keeps_the_words(path: str) -> None:
    with AgentMemory(path, llm=llamaindex_llm(Scripted(ProviderError(500)).llm()), mode="intelligent") as mem:
        result = mem.add("I live in Porto", user_id="ana")
        assert (result.status, type(result.error)) == ("queued", ModelError)
        assert [m.text for m in mem.list(user_id="ana")] == ["I live in Porto"]


# Embedders


class Letters(BaseEmbedding):
    """Counts letters; a question is turned by one, so that the two can be told apart."""

    model_name: str = "letters"
    calls: list[str] = Field(default_factory=list)

    @classmethod
    def class_name(cls) -> str:
        return "Letters"

    def _vector(self, text: str, turned: int) -> list[float]:
        counts = [float(text.lower().count(letter)) + 0.01 for letter in "abcdefghijklmnopqrstuvwxyz"]
        return counts[turned:] + counts[:turned]

    def _get_text_embedding(self, text: str) -> list[float]:
        self.calls.append("text")
        return self._vector(text, 0)

    def _get_query_embedding(self, query: str) -> list[float]:
        self.calls.append("query")
        return self._vector(query, 1)

    async def _aget_text_embedding(self, text: str) -> list[float]:
        self.calls.append("atext")
        return self._vector(text, 0)

    async def _aget_query_embedding(self, query: str) -> list[float]:
        self.calls.append("aquery")
        return self._vector(query, 1)


@pytest.mark.parametrize(("use_async", "text", "query"), [(False, "text", "query"), (True, "atext", "aquery")])
def test_what_is_stored_and_what_is_asked_are_embedded_apart(path: str, use_async: bool, text: str, query: str) -> None:
    model = Letters(calls=[])
    with AgentMemory(path, embedder=llamaindex_embedder(model, use_async=use_async)) as mem:
        model.calls.clear()  # one word was embedded to learn the dimension
        mem.add_batch(["aaa", "bbb", "ccc"], user_id="ana")
        assert set(model.calls) == {text}
        model.calls.clear()
        (hit,) = mem.search("bbb", user_id="ana", using="vector", k=1)
        assert model.calls == [query]
        assert hit.memory.text == "aaa"  # turned by one: a question's embedding, not a text's


def test_the_file_records_class_and_model(path: str) -> None:
    with AgentMemory(path, embedder=llamaindex_embedder(Letters())) as mem:
        mem.add("aaa", user_id="ana")
        identity = mem._engine.store.identity("default")
        assert (identity.name, identity.revision, identity.dim) == ("llamaindex:Letters:letters", "", 26)
    for other in (llamaindex_embedder(Letters(model_name="other")), llamaindex_embedder(Letters(), revision="2"), "static"):
        with pytest.raises(EmbedderMismatchError):
            AgentMemory(path, embedder=other)
    with AgentMemory(path, embedder=llamaindex_embedder(Letters())) as mem:
        assert len(mem.search("aaa", user_id="ana", using="vector")) == 1


async def test_it_serves_threads_and_event_loops_at_once(path: str) -> None:
    with AgentMemory(path, embedder=llamaindex_embedder(Letters(), use_async=True)) as mem:
        await asyncio.gather(*(mem.aadd(f"text {n}", user_id="ana") for n in range(20)))
        found = await asyncio.gather(*(asyncio.to_thread(mem.search, f"text {n}", user_id="ana", k=20) for n in range(10)))
        assert all(len(hits) == 20 for hits in found)


def test_its_batches_are_the_models(path: str) -> None:
    embedder = llamaindex_embedder(MockEmbedding(embed_dim=8, embed_batch_size=7))
    assert embedder.batch == 7


def test_a_failing_embedding_loses_nothing(path: str) -> None:
    class Broken(Letters):
        def _get_text_embedding(self, text: str) -> list[float]:
            raise RuntimeError("down")

        def _get_query_embedding(self, query: str) -> list[float]:
            if query == "dimension":
                return [1.0] * 26
            raise RuntimeError("down")

    with AgentMemory(path, embedder=llamaindex_embedder(Broken())) as mem:
        assert mem.add("aaa", user_id="ana").status == "queued"
        with pytest.raises(EmbeddingError):
            mem.search("aaa", user_id="ana")
        assert len(mem.search("aaa", user_id="ana", using="text")) == 1


def test_what_is_no_embedding_is_refused() -> None:
    with pytest.raises(InvalidInputError, match="no LlamaIndex embedding"):
        llamaindex_embedder("text-embedding-3-small")  # type: ignore[arg-type]  # what is tested


def test_an_adapter_takes_them_as_they_are(path: str) -> None:
    memory = AgentMemMemory.from_defaults(path, user_id="ana", llm=Ruled(), embedder=Letters(), mode="intelligent", wait=True)
    memory.put(ChatMessage(role="user", content="I live in Porto"))
    assert "The user lives in Porto" in [m.text for m in memory.memory.list(user_id="ana")]
    assert memory.memory._engine.store.identity("default").name == "llamaindex:Letters:letters"
    memory.close()


@pytest.mark.parametrize("setting", [{"llm": MockLLM()}, {"embedder": MockEmbedding(embed_dim=3)}])
def test_the_core_takes_none_that_is_not_wrapped(path: str, setting: dict[str, Any]) -> None:
    with pytest.raises(InvalidInputError, match=r"pass|use"):
        AgentMemory(path, **setting)
