"""A chat model behind an OpenAI-compatible endpoint, asked over real sockets and through both transports."""

import asyncio
import json
import logging
import traceback
from collections.abc import Callable, Iterator, Mapping
from typing import Any, get_args

import pytest

from agentmem_integrations import (
    ClosedError,
    InvalidInputError,
    ModelAccessError,
    ModelBusyError,
    ModelError,
    ModelRequestError,
    ModelTimeoutError,
    OpenAIChat,
)
from agentmem_integrations.llm.event_loop import LoopThread
from agentmem_integrations.model_specs import chat_model
from agentmem_integrations.ports import ChatMessage, ChatReply, ChatRequest
from agentmem_integrations.testing.openai_server import Fault, OpenAIServer

KEY = "sk-secret-0123456789"
SCHEMA: dict[str, Any] = {
    "type": "object", "properties": {"facts": {"type": "array", "items": {"type": "string"}}},
    "required": ["facts"], "additionalProperties": False,
}  # fmt: skip
Make = Callable[..., OpenAIChat]


def ask(text: str = "Where does Ana live?", **options: Any) -> ChatRequest:
    return ChatRequest((ChatMessage("system", "Be brief."), ChatMessage("user", text)), **options)


@pytest.fixture(autouse=True)
def no_settings_of_the_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("OPENAI_API_KEY", "OPENAI_BASE_URL"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def server() -> Iterator[OpenAIServer]:
    with OpenAIServer() as running:
        yield running


@pytest.fixture(params=["aiohttp", "httpx"])
def chat(request: pytest.FixtureRequest, server: OpenAIServer) -> Iterator[Make]:
    loop = LoopThread()

    def make(model: str = "stub", **options: Any) -> OpenAIChat:
        given = {"base_url": server.base_url, "api_key": KEY, "retry_wait_s": 0.001, "timeout_s": 20.0, "loop": loop, **options}
        return OpenAIChat(model, transport=request.param, **given)

    yield make
    loop.close()


# Asking and answering


async def test_the_messages_go_out_and_the_answer_comes_back(server: OpenAIServer, chat: Make) -> None:
    reply = await chat().reply(ask())
    assert reply == ChatReply("Where does Ana live?", prompt_tokens=8, completion_tokens=5, cached_tokens=4, finish="stop")
    (request,) = server.requests
    assert request.path == "/v1/chat/completions"
    assert request.headers["authorization"] == f"Bearer {KEY}"
    assert request.body == {
        "model": "stub",
        "messages": [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Where does Ana live?"}],
    }


async def test_the_organization_and_project_of_the_environment_are_sent(
    server: OpenAIServer, chat: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_ORG_ID", "org-1")
    monkeypatch.setenv("OPENAI_PROJECT_ID", "proj-2")
    await chat().reply(ask())
    headers = server.requests[0].headers
    assert (headers["openai-organization"], headers["openai-project"]) == ("org-1", "proj-2")


async def test_a_proxy_that_the_environment_names_is_asked_instead(
    server: OpenAIServer, chat: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("http_proxy", server.base_url.removesuffix("/v1"))
    monkeypatch.setenv("no_proxy", "")
    reply = await chat(base_url="http://models.invalid/v1").reply(ask())
    assert reply.text == "Where does Ana live?"
    assert server.requests[0].path == "http://models.invalid/v1/chat/completions"


async def test_hosts_that_want_no_proxy_are_asked_directly(server: OpenAIServer, chat: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:1")
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    assert (await chat().reply(ask())).text == "Where does Ana live?"


async def test_what_is_set_is_sent_and_extra_fields_are_part_of_the_name(server: OpenAIServer, chat: Make) -> None:
    model = chat(extra={"reasoning_effort": "low"})
    await model.reply(ask(max_tokens=100, temperature=0.0))
    body = server.requests[0].body
    assert (body["max_tokens"], body["temperature"], body["reasoning_effort"]) == (100, 0.0, "low")
    assert chat().name == "openai:stub"
    assert model.name.startswith("openai:stub+")
    assert model.name != chat(extra={"reasoning_effort": "high"}).name


@pytest.mark.parametrize(("fault", "finish"), [("length", "length"), ("refusal", "refused"), ("filter", "refused")])
async def test_an_answer_says_how_it_ended(server: OpenAIServer, chat: Make, fault: Fault, finish: str) -> None:
    server.fail_next(fault)
    assert (await chat().reply(ask())).finish == finish
    assert server.count == 1


@pytest.mark.parametrize(
    ("usage", "counts"),
    [
        ({"prompt_tokens": 7, "completion_tokens": 2, "prompt_tokens_details": {"cached_tokens": 5}}, (7, 2, 5)),
        ({"prompt_tokens": 7, "completion_tokens": 2, "prompt_cache_hit_tokens": 6}, (7, 2, 6)),
        ({"prompt_tokens": 7, "completion_tokens": None, "prompt_tokens_details": None}, (7, 0, 0)),
        (None, (0, 0, 0)),
    ],
)
async def test_usage_is_read_as_far_as_it_is_told(server: OpenAIServer, chat: Make, usage: Any, counts: tuple[int, int, int]) -> None:
    server.reply = lambda body: {"usage": usage, "choices": [{"message": {"content": "Lisbon"}}]}
    reply = await chat().reply(ask())
    assert (reply.prompt_tokens, reply.completion_tokens, reply.cached_tokens) == counts


async def test_content_in_parts_is_joined(server: OpenAIServer, chat: Make) -> None:
    parts = [{"type": "text", "text": "Lis"}, {"type": "text", "text": "bon"}]
    server.reply = lambda body: {"choices": [{"message": {"content": parts}, "finish_reason": "stop"}]}
    assert (await chat().reply(ask())).text == "Lisbon"


# Structured output


def formats(server: OpenAIServer) -> list[str | None]:
    return [request.body.get("response_format", {}).get("type") for request in server.requests]


async def test_a_schema_is_sent_strictly(server: OpenAIServer, chat: Make) -> None:
    await chat().reply(ask(schema=SCHEMA, schema_name="facts"))
    wanted = {"type": "json_schema", "json_schema": {"name": "facts", "strict": True, "schema": SCHEMA}}
    assert server.requests[0].body["response_format"] == wanted


@pytest.mark.parametrize("says_why", [True, False])
@pytest.mark.parametrize(("can", "tried"), [("json", ["json_schema", "json_object"]), ("none", ["json_schema", "json_object", None])])
async def test_an_endpoint_that_cannot_is_asked_for_less_and_this_is_remembered(
    server: OpenAIServer, chat: Make, can: Any, tried: list[str | None], says_why: bool
) -> None:
    server.structured, server.says_why = can, says_why
    model = chat()
    await model.reply(ask(schema=SCHEMA))
    assert formats(server) == tried
    await model.reply(ask(schema=SCHEMA))
    assert formats(server) == [*tried, tried[-1]]
    system, user = server.requests[-1].body["messages"]
    assert system["content"].startswith("Be brief.")
    assert json.dumps(SCHEMA) in system["content"]
    assert user["content"] == "Where does Ana live?"
    await model.reply(ask())
    assert server.requests[-1].body["messages"][0]["content"] == "Be brief."


async def test_a_refusal_that_stays_degrades_nothing(server: OpenAIServer, chat: Make) -> None:
    model = chat()
    server.fail_always("400")
    with pytest.raises(ModelRequestError):
        await model.reply(ask(schema=SCHEMA))
    server.fail_always(None)
    server.requests.clear()
    await model.reply(ask(schema=SCHEMA))
    assert formats(server) == ["json_schema"]


async def test_a_prompt_that_is_too_long_is_not_mistaken_for_a_format_that_is_not_known(server: OpenAIServer, chat: Make) -> None:
    error = {"error": {"message": "This model's maximum context length is 8192 tokens", "code": "context_length_exceeded"}}
    model = chat()
    server._refused = lambda fault, request: _answer(400, error)  # type: ignore[method-assign]
    server.fail_always("400")
    with pytest.raises(ModelRequestError, match="context_length_exceeded"):
        await model.reply(ask(schema=SCHEMA))
    assert server.count == 1


def _answer(status: int, body: Any) -> Any:
    from agentmem_integrations.testing.http_server import Answer

    return Answer(body, status)


async def test_a_model_without_temperature_is_asked_without(server: OpenAIServer, chat: Make) -> None:
    server.rejects = {"temperature"}
    model = chat()
    for _ in range(2):
        await model.reply(ask(temperature=0.0, schema=SCHEMA))
    assert ["temperature" in request.body for request in server.requests] == [True, False, False]
    assert formats(server) == ["json_schema"] * 3


async def test_a_limit_is_sent_under_the_name_the_endpoint_knows(server: OpenAIServer, chat: Make) -> None:
    server.rejects = {"max_tokens"}
    model = chat()
    for _ in range(2):
        await model.reply(ask(max_tokens=5))
    assert [(r.body.get("max_tokens"), r.body.get("max_completion_tokens")) for r in server.requests] == [(5, None), (None, 5), (None, 5)]


async def test_parameters_that_are_refused_under_either_name_are_an_error(server: OpenAIServer, chat: Make) -> None:
    server.rejects = {"max_tokens", "max_completion_tokens"}
    with pytest.raises(ModelRequestError, match="parameter max_"):
        await asyncio.wait_for(chat().reply(ask(max_tokens=5)), 10)
    assert server.count == 2


# Troubles

PASSING: list[tuple[Fault, type[ModelError]]] = [
    ("429", ModelBusyError), ("500", ModelError), ("503", ModelError), ("drop", ModelError), ("cut", ModelError),
    ("malformed", ModelError), ("empty", ModelError), ("stall", ModelTimeoutError),
]  # fmt: skip


@pytest.mark.parametrize(("fault", "kind"), PASSING)
async def test_a_passing_trouble_is_tried_again_and_then_an_error(
    server: OpenAIServer, chat: Make, fault: Fault, kind: type[ModelError]
) -> None:
    model = chat(max_retries=2, timeout_s=0.5 if fault == "stall" else 20.0)
    server.fail_next(fault, fault)
    assert (await model.reply(ask())).text
    assert server.count == 3
    server.fail_always(fault)
    with pytest.raises(ModelError, match="openai:stub: the endpoint") as caught:
        await model.reply(ask())
    assert type(caught.value) is kind
    assert server.count == 6


@pytest.mark.parametrize(("fault", "kind"), [("401", ModelAccessError), ("400", ModelRequestError), ("429-quota", ModelBusyError)])
async def test_a_trouble_that_cannot_pass_is_an_error_at_once(
    server: OpenAIServer, chat: Make, fault: Fault, kind: type[ModelError]
) -> None:
    server.fail_always(fault)
    with pytest.raises(kind, match=fault[:3]):
        await chat().reply(ask())
    assert server.count == 1


async def test_retry_after_is_honoured_and_too_long_a_wait_is_not_waited(server: OpenAIServer, chat: Make) -> None:
    server.retry_after = "0.2"
    server.fail_next("429")
    await chat().reply(ask())
    first, second = (request.at for request in server.requests)
    assert second - first >= 0.2
    server.retry_after = "3600"
    server.fail_next("429")
    with pytest.raises(ModelBusyError, match="max_wait_s"):
        await chat(max_wait_s=1.0).reply(ask())
    assert server.count == 3


@pytest.mark.parametrize("fault", ["400", "401", "429", "500", "stall", "drop", "malformed"])
async def test_neither_key_nor_text_is_in_errors_logs_or_reprs(
    server: OpenAIServer, chat: Make, fault: Fault, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    for name in ("openai", "httpx", "httpx2", "httpcore", "httpcore2"):
        caplog.set_level(logging.INFO, logger=name)  # what other packages log at DEBUG is theirs
    server.fail_always(fault)
    model, secret = chat(timeout_s=0.05, max_retries=1), ask("berga" + "mot")
    with pytest.raises(ModelError) as caught:
        await model.reply(secret)
    shown = "".join(traceback.format_exception(caught.value)) + repr(caught.value) + repr(model) + repr(model._endpoint) + caplog.text
    assert KEY not in shown
    assert "bergamot" not in shown
    assert caught.value.__context__ is None


# Concurrency


async def test_calls_under_way_are_bounded(chat: Make) -> None:
    with OpenAIServer(latency_s=0.03) as slow:
        model = chat(base_url=slow.base_url, concurrency=4)
        replies = await asyncio.gather(*(model.reply(ask(f"question {i}")) for i in range(20)))
        assert [reply.text for reply in replies] == [f"question {i}" for i in range(20)]
        assert slow.concurrent == 4


async def test_more_than_a_hundred_calls_at_once_keep_their_connections() -> None:
    with OpenAIServer(latency_s=0.3) as slow:
        model = OpenAIChat("stub", base_url=slow.base_url, concurrency=150, transport="aiohttp")
        for _ in range(3):
            await asyncio.gather(*(model.reply(ask()) for _ in range(150)))
        assert slow.connections <= 150
        await model.close()


async def test_a_cancelled_caller_frees_its_place(server: OpenAIServer, chat: Make) -> None:
    model = chat(concurrency=1)
    server.fail_next("stall")
    calling = asyncio.ensure_future(model.reply(ask()))
    await asyncio.to_thread(server.wait_for, 1)
    calling.cancel()
    assert (await asyncio.wait_for(model.reply(ask()), 20)).text


# From wherever it is called


def test_it_can_be_asked_from_sync_code_and_from_several_event_loops(server: OpenAIServer, chat: Make) -> None:
    loop = LoopThread()
    model = chat(loop=loop)
    assert loop.run(model.reply(ask("one"))).result(10).text == "one"
    assert asyncio.run(model.reply(ask("two"))).text == "two"
    assert asyncio.run(model.reply(ask("three"))).text == "three"

    async def sync_inside() -> str:
        return loop.run(model.reply(ask("four"))).result(10).text  # blocks this loop and not the private one

    assert asyncio.run(sync_inside()) == "four"
    assert server.connections == 1
    loop.close()


async def test_after_close_a_call_is_an_error_and_so_are_calls_under_way(server: OpenAIServer, chat: Make) -> None:
    model = chat(loop=None)
    server.fail_next("stall")
    waiting = asyncio.ensure_future(model.reply(ask()))
    await asyncio.to_thread(server.wait_for, 1)
    await model.close()
    await model.close()
    with pytest.raises(ClosedError):
        await waiting
    with pytest.raises(ClosedError):
        await model.reply(ask())


async def test_closing_one_model_leaves_a_shared_loop_to_the_other(chat: Make) -> None:
    one, other = chat(), chat()
    await one.reply(ask())
    await other.reply(ask())
    await one.close()
    with pytest.raises(ClosedError):
        await one.reply(ask())
    assert (await other.reply(ask())).text


# Settings


@pytest.mark.parametrize("wrong", [{"concurrency": 0}, {"timeout_s": -1}, {"transport": "carrier pigeon"}, {"model": " "}])
def test_an_argument_that_makes_no_sense_is_named(server: OpenAIServer, wrong: Mapping[str, Any]) -> None:
    with pytest.raises(InvalidInputError, match=next(iter(wrong))):
        OpenAIChat(**{"model": "stub", "base_url": server.base_url, **wrong})


async def test_a_spec_an_object_or_a_function_is_a_model(server: OpenAIServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_BASE_URL", server.base_url)
    named = chat_model("openai:stub")
    assert (await named.reply(ask("tea"))).text == "tea"
    await named.close()
    assert chat_model(named) is named
    assert (await chat_model(lambda prompt: prompt.upper()).reply(ask("tea"))).text == "BE BRIEF.\n\nTEA"
    for wrong in ("gpt-5-mini", None, 7):
        with pytest.raises(InvalidInputError, match="openai:<model>"):
            chat_model(wrong)


async def test_openai_itself_is_asked_by_the_newer_name_of_the_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    assert OpenAIChat("gpt-5-mini", api_key=KEY)._dialect.limit_name == "max_completion_tokens"


def test_every_cause_of_a_trouble_has_an_error() -> None:
    from agentmem_integrations.endpoint.endpoint_errors import Cause
    from agentmem_integrations.llm.openai import WAYS_OUT

    assert set(WAYS_OUT) == set(get_args(Cause))
