"""LangChain's chat models and embeddings at work in this library's places."""

import asyncio
import json
import threading
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from langchain_core.embeddings import DeterministicFakeEmbedding, Embeddings
from langchain_core.language_models.fake_chat_models import GenericFakeChatModel
from langchain_core.messages import AIMessage, BaseMessage
from langchain_core.runnables import RunnableLambda
from langchain_openai import ChatOpenAI, OpenAIEmbeddings

from agentmem_integrations import (
    AgentMemory,
    EmbedderMismatchError,
    InvalidInputError,
    ModelAccessError,
    ModelBusyError,
    ModelError,
    ModelRequestError,
    ModelTimeoutError,
)
from agentmem_integrations.langchain import langchain_embedder, langchain_llm
from agentmem_integrations.llm.fact_replies import SCHEMA
from agentmem_integrations.ports import ChatMessage, ChatRequest
from agentmem_integrations.testing.chat import RuleChat
from agentmem_integrations.testing.langchain_model import ScriptedChatModel
from agentmem_integrations.testing.openai_server import OpenAIServer

Opened = Callable[..., AgentMemory]

PLAIN = ChatRequest((ChatMessage("system", "Be brief."), ChatMessage("user", "Where am I?")))
STRICT = ChatRequest((ChatMessage("system", "Draw facts."), ChatMessage("user", "I am in Lisbon")), SCHEMA, "facts")
FACTS = {"facts": [{"text": "The user is in Lisbon"}]}


def scripted(*script: Any) -> ScriptedChatModel:
    return ScriptedChatModel(script=list(script))


# Chat models


async def test_a_model_answers_in_plain_text() -> None:
    model = scripted(AIMessage("In Lisbon", response_metadata={"finish_reason": "stop"}))
    reply = await langchain_llm(model).reply(PLAIN)
    assert (reply.text, reply.finish) == ("In Lisbon", "stop")
    assert [(message.type, message.text) for message in model.shown[0]] == [("system", "Be brief."), ("human", "Where am I?")]


async def test_a_model_that_has_tools_is_held_to_the_schema() -> None:
    model = scripted(AIMessage("", tool_calls=[{"name": "facts", "args": FACTS, "id": "1"}]))
    reply = await langchain_llm(model).reply(STRICT)
    assert json.loads(reply.text) == FACTS
    (bound,) = model.tools
    assert bound["title"] == "facts"
    assert bound["properties"] == SCHEMA["properties"]
    assert "JSON schema" not in model.shown[0][0].text


async def test_a_model_without_tools_is_asked_as_well_as_can_be() -> None:
    model = GenericFakeChatModel(messages=iter([AIMessage(json.dumps(FACTS))]))
    seen: list[list[BaseMessage]] = []
    reply = await langchain_llm(RunnableLambda(lambda messages: seen.append(messages) or model.invoke(messages))).reply(STRICT)
    assert json.loads(reply.text) == FACTS
    assert "fits this JSON schema" in seen[0][0]["content"]  # type: ignore[call-overload]  # as it was passed
    again = GenericFakeChatModel(messages=iter([AIMessage(json.dumps(FACTS))]))
    assert json.loads((await langchain_llm(again).reply(STRICT)).text) == FACTS


async def test_an_endpoint_that_refuses_schemas_is_asked_without_from_then_on() -> None:
    class RefusedError(Exception):
        status_code = 400

    model = scripted(RefusedError("response_format is not supported"), AIMessage("{}"), AIMessage("{}"))
    chat = langchain_llm(model)
    assert (await chat.reply(STRICT)).text == "{}"
    assert "fits this JSON schema" in model.shown[1][0].text
    assert (await chat.reply(STRICT)).text == "{}"
    assert "fits this JSON schema" in model.shown[2][0].text


async def test_tokens_and_endings_are_told() -> None:
    usage = {"input_tokens": 30, "output_tokens": 7, "total_tokens": 37, "input_token_details": {"cache_read": 20}}
    chat = langchain_llm(
        scripted(
            AIMessage("cut o", usage_metadata=usage, response_metadata={"finish_reason": "length"}),
            AIMessage("", additional_kwargs={"refusal": "I cannot"}),
            AIMessage("cut", response_metadata={"stop_reason": "max_tokens"}),
        )
    )
    first = await chat.reply(PLAIN)
    assert (first.prompt_tokens, first.completion_tokens, first.cached_tokens, first.finish) == (30, 7, 20, "length")
    assert (await chat.reply(PLAIN)).finish == "refused"
    assert (await chat.reply(PLAIN)).finish == "length"


class FailedError(Exception):
    def __init__(self, status: int) -> None:
        super().__init__("the prompt said: my secret")
        self.status_code = status


class RateLimitError(Exception):
    pass


class ReadTimeoutError(Exception):
    pass


@pytest.mark.parametrize(
    ("error", "ours"),
    [
        (TimeoutError("my secret"), ModelTimeoutError),
        (ReadTimeoutError("my secret"), ModelTimeoutError),
        (FailedError(408), ModelTimeoutError),
        (FailedError(429), ModelBusyError),
        (RateLimitError("my secret"), ModelBusyError),
        (FailedError(401), ModelAccessError),
        (FailedError(403), ModelAccessError),
        (FailedError(400), ModelRequestError),
        (FailedError(404), ModelRequestError),
        (FailedError(500), ModelError),
        (ValueError("my secret"), ModelError),
    ],
)
async def test_errors_are_ours_and_quote_nothing(error: Exception, ours: type[ModelError]) -> None:
    with pytest.raises(ModelError) as caught:
        await langchain_llm(scripted(error)).reply(PLAIN)
    assert type(caught.value) is ours
    assert "secret" not in str(caught.value)
    assert type(error).__name__ in str(caught.value)


async def test_an_answer_that_is_no_message_is_an_error() -> None:
    with pytest.raises(ModelError, match="returned a int"):
        await langchain_llm(RunnableLambda(lambda messages: 42)).reply(PLAIN)
    assert (await langchain_llm(RunnableLambda(lambda messages: "text will do")).reply(PLAIN)).text == "text will do"


async def test_it_is_asked_on_threads_of_its_own_and_many_times_at_once() -> None:
    here = threading.current_thread()
    together = threading.Barrier(8, timeout=30)
    names: set[str] = set()

    def answer(messages: Any) -> str:
        assert threading.current_thread() is not here
        names.add(threading.current_thread().name.rpartition("_")[0])
        together.wait()
        return "yes"

    chat = langchain_llm(RunnableLambda(answer))
    replies = await asyncio.gather(*(chat.reply(PLAIN) for _ in range(8)))
    assert [reply.text for reply in replies] == ["yes"] * 8
    assert names == {"agentmem-langchain"}
    await chat.close()
    await chat.close()


def test_models_are_told_apart_by_name() -> None:
    assert langchain_llm(scripted()).name == "langchain:agentmem_integrations.ScriptedChatModel:scripted"
    openai = ChatOpenAI(model="gpt-5-mini", api_key="none")
    assert langchain_llm(openai).name == "langchain:langchain_openai.ChatOpenAI:gpt-5-mini"
    assert langchain_llm(openai.with_fallbacks([openai])).name.endswith("RunnableWithFallbacks(langchain_openai.ChatOpenAI:gpt-5-mini)")
    assert langchain_llm(openai, name="mine").name == "mine"
    with pytest.raises(InvalidInputError, match="no LangChain chat model"):
        langchain_llm("gpt-5-mini")  # type: ignore[arg-type]


def real(server: OpenAIServer, **options: Any) -> ChatOpenAI:
    """Return LangChain's own client of an endpoint."""
    return ChatOpenAI(model="any", base_url=server.base_url, api_key="none", max_retries=0, **options)  # type: ignore[arg-type]  # a secret


async def test_a_real_client_is_held_to_the_schema() -> None:
    with OpenAIServer(reply=lambda body: json.dumps(FACTS)) as server:
        reply = await langchain_llm(real(server)).reply(STRICT)
        (request,) = server.requests
    assert json.loads(reply.text) == FACTS
    assert request.body["response_format"]["json_schema"]["schema"]["properties"] == SCHEMA["properties"]
    assert reply.prompt_tokens > 0


async def test_a_real_client_of_a_server_without_schemas_is_asked_without() -> None:
    with OpenAIServer(reply=lambda body: json.dumps(FACTS), structured="none") as server:
        reply = await langchain_llm(real(server)).reply(STRICT)
        assert len(server.requests) == 2
    assert json.loads(reply.text) == FACTS


@pytest.mark.parametrize(
    ("fault", "ours"), [("429", ModelBusyError), ("401", ModelAccessError), ("500", ModelError), ("stall", ModelTimeoutError)]
)
async def test_a_real_clients_errors_are_ours(fault: Any, ours: type[ModelError]) -> None:
    with OpenAIServer() as server:
        server.fail_always(fault)
        with pytest.raises(ModelError) as caught:
            await langchain_llm(real(server, timeout=0.3)).reply(PLAIN)
    assert type(caught.value) is ours


def test_a_real_client_draws_facts_for_many_callers_and_loops(opened: Opened) -> None:
    def reply(body: Any) -> str:
        asked = tuple(ChatMessage(message["role"], message["content"]) for message in body["messages"])
        name = body["response_format"]["json_schema"]["name"]
        return json.dumps(RuleChat()._answer(ChatRequest(asked, {}, name), 1))

    with OpenAIServer(reply=reply) as server:
        mem = opened("memory://", llm=langchain_llm(real(server)), mode="intelligent")
        mem.add("I moved to Lisbon", user_id="ana")
        for user in ("ben", "cleo"):  # each on an event loop of its own
            asyncio.run(mem.aadd("I moved to Porto", user_id=user))
    for user, city in (("ana", "Lisbon"), ("ben", "Porto"), ("cleo", "Porto")):
        assert [m.text for m in mem.list(user_id=user, kind="core")] == [f"The user moved to {city}"]


# Embeddings


class Letters(Embeddings):
    """Counts letters; stands for a model of that name."""

    def __init__(self, model: str = "letters") -> None:
        self.model = model

    def embed_documents(self, texts: list[str]) -> list[list[float]]:
        return [[float(text.lower().count(chr(97 + i))) + 0.1 for i in range(26)] for text in texts]

    def embed_query(self, text: str) -> list[float]:
        return self.embed_documents([text])[0]


def test_embeddings_embed_and_their_model_is_recorded(path: str) -> None:
    with AgentMemory(path, embedder=langchain_embedder(Letters())) as mem:
        mem.add("aaa", user_id="ana")
        mem.add("zzz", user_id="ana")
        assert mem.search("aa", user_id="ana", using="vector", k=1)[0].memory.text == "aaa"
    with AgentMemory(path, embedder=langchain_embedder(Letters())) as mem:
        assert len(mem.search("aa", user_id="ana")) == 2
    with pytest.raises(EmbedderMismatchError, match=r"Letters:letters.*Letters:other"):
        AgentMemory(path, embedder=langchain_embedder(Letters("other")))


def test_embeddings_as_they_are_work_and_record_their_class(path: str) -> None:
    with AgentMemory(path, embedder=Letters()) as mem:
        mem.add("aaa", user_id="ana")
        assert mem.search("aa", user_id="ana", using="vector")[0].memory.text == "aaa"
    with pytest.raises(EmbedderMismatchError):
        AgentMemory(path, embedder=langchain_embedder(Letters()))


async def test_async_callers_are_served(opened: Opened) -> None:
    mem = opened("memory://", embedder=langchain_embedder(DeterministicFakeEmbedding(size=8)))
    await asyncio.gather(*(mem.aadd(f"text {number}", user_id="ana") for number in range(20)))
    assert (await mem.asearch("text 7", user_id="ana", using="vector", k=1))[0].memory.text == "text 7"


def test_a_known_dimension_saves_a_call(opened: Opened) -> None:
    class Counting(Letters):
        calls = 0

        def embed_query(self, text: str) -> list[float]:
            self.calls += 1
            return super().embed_query(text)

    embeddings = Counting()
    opened("memory://", embedder=langchain_embedder(embeddings, dim=26))
    assert embeddings.calls == 0
    opened("memory://", embedder=langchain_embedder(embeddings))
    assert embeddings.calls == 1


def test_names_of_embeddings_tell_the_model() -> None:
    openai = OpenAIEmbeddings(model="text-embedding-3-small", api_key="none")
    assert langchain_embedder(openai).name == "langchain:langchain_openai.OpenAIEmbeddings:text-embedding-3-small"
    assert langchain_embedder(openai, name="mine").name == "mine"
    assert langchain_embedder(DeterministicFakeEmbedding(size=8)).name == "langchain:langchain_core.DeterministicFakeEmbedding"
    with pytest.raises(InvalidInputError, match="no LangChain Embeddings"):
        langchain_embedder("static")  # type: ignore[arg-type]


def test_a_revision_makes_other_vectors(path: str) -> None:
    with AgentMemory(path, embedder=langchain_embedder(Letters(), revision="1")) as mem:
        mem.add("aaa", user_id="ana")
    with pytest.raises(EmbedderMismatchError):
        AgentMemory(path, embedder=langchain_embedder(Letters(), revision="2"))


def test_the_same_text_has_the_vector_langchain_gives_it(opened: Opened) -> None:
    embeddings = DeterministicFakeEmbedding(size=8)
    embedder = langchain_embedder(embeddings)
    assert np.allclose(embedder.embed_documents(["tea"])[0], embeddings.embed_query("tea"))
