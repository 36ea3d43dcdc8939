"""A plain function as a language model."""

import asyncio
import threading
from typing import Any

import pytest

from agentmem_integrations import InvalidInputError, ModelError
from agentmem_integrations.llm.callable import CallableChat
from agentmem_integrations.ports import ChatMessage, ChatReply, ChatRequest

REQUEST = ChatRequest((ChatMessage("system", "Be brief."), ChatMessage("user", "tea?")))


def echo(prompt: str) -> str:
    return prompt


async def test_a_function_gets_all_messages_as_one_text() -> None:
    assert await CallableChat(echo).reply(REQUEST) == ChatReply("Be brief.\n\ntea?")


async def test_a_function_can_have_the_messages_themselves() -> None:
    got: list[Any] = []
    await CallableChat(lambda messages: str(got.extend(messages)), takes="messages").reply(REQUEST)
    assert got == [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "tea?"}]


async def test_an_async_function_runs_on_the_callers_loop_and_a_plain_one_in_a_thread() -> None:
    threads: list[threading.Thread] = []

    async def aecho(prompt: str) -> str:
        threads.append(threading.current_thread())
        await asyncio.sleep(0)
        return prompt

    class Asked:
        async def __call__(self, prompt: str) -> str:
            return await aecho(prompt)

    for function in (aecho, Asked(), lambda prompt: aecho(prompt)):
        assert (await CallableChat(function).reply(REQUEST)).text.endswith("tea?")
    assert set(threads) == {threading.current_thread()}
    await CallableChat(lambda prompt: threads.append(threading.current_thread()) or "").reply(REQUEST)
    assert threads[-1] is not threading.current_thread()


async def test_slow_functions_run_side_by_side() -> None:
    barrier = threading.Barrier(3, timeout=20)
    model = CallableChat(lambda prompt: str(barrier.wait()))
    replies = await asyncio.gather(*(model.reply(REQUEST) for _ in range(3)))
    assert sorted(reply.text for reply in replies) == ["0", "1", "2"]


async def test_what_it_raises_or_returns_wrongly_is_the_models_error() -> None:
    def fails(prompt: str) -> str:
        raise ConnectionError(prompt)

    with pytest.raises(ModelError, match=r"test_callable\..*fails failed with ConnectionError") as caught:
        await CallableChat(fails).reply(REQUEST)
    assert "tea" not in str(caught.value)
    with pytest.raises(ModelError, match="returned a NoneType"):
        await CallableChat(lambda prompt: None).reply(REQUEST)


def test_it_is_named_after_the_function_or_as_told() -> None:
    assert CallableChat(echo).name.endswith("test_callable.echo")
    assert CallableChat(echo, name="mine").name == "mine"


def test_what_is_no_function_is_refused() -> None:
    with pytest.raises(InvalidInputError, match="str is no function"):
        CallableChat("gpt")  # type: ignore[arg-type]
    with pytest.raises(InvalidInputError, match="takes='dict'"):
        CallableChat(echo, takes="dict")  # type: ignore[arg-type]
