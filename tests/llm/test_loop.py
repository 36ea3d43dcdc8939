"""The private event loop: for everybody, in every process, and gone without a word."""

import asyncio
import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import CancelledError
from pathlib import Path

import pytest

from agentmem_integrations import ClosedError
from agentmem_integrations.llm.event_loop import LoopThread
from agentmem_integrations.testing.openai_server import OpenAIServer

forks = pytest.mark.skipif(not hasattr(os, "fork"), reason="this system cannot fork")


@pytest.fixture
def loop() -> Iterator[LoopThread]:
    thread = LoopThread()
    yield thread
    thread.close()


async def where() -> int:
    await asyncio.sleep(0)
    return threading.get_ident()


async def raising() -> None:
    raise KeyError("x")


def test_all_work_runs_on_one_thread_that_is_not_the_callers(loop: LoopThread) -> None:
    found = {loop.run(where()).result(5) for _ in range(3)}

    async def from_a_loop() -> int:
        return await loop.await_(where())

    found |= {asyncio.run(from_a_loop()), asyncio.run(from_a_loop())}
    assert len(found) == 1
    assert threading.get_ident() not in found


def test_work_on_the_loop_that_awaits_more_work_there_does_not_wait_for_itself(loop: LoopThread) -> None:
    async def nested() -> tuple[int, int]:
        return await where(), await loop.await_(where())

    one, two = loop.run(nested()).result(5)
    assert one == two


async def test_an_error_reaches_the_caller(loop: LoopThread) -> None:
    with pytest.raises(KeyError):
        loop.run(raising()).result(5)
    with pytest.raises(KeyError):
        await loop.await_(raising())


async def test_cancelling_the_caller_cancels_the_work(loop: LoopThread) -> None:
    cancelled = threading.Event()

    async def work() -> None:
        try:
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            cancelled.set()
            raise

    with pytest.raises(TimeoutError):
        await asyncio.wait_for(loop.await_(work()), 0.05)
    assert cancelled.wait(5)
    future = loop.run(work())
    future.cancel()
    with pytest.raises(CancelledError):
        future.result(5)


def test_no_thread_is_started_before_there_is_work() -> None:
    before = threading.active_count()
    LoopThread().close()
    LoopThread()
    assert threading.active_count() == before


def test_closing_ends_the_thread_says_the_last_words_and_refuses_what_comes_later(loop: LoopThread) -> None:
    said: list[str] = []

    async def goodbye() -> None:
        said.append("goodbye")

    async def rude() -> None:
        raise OSError

    async def prepare() -> threading.Thread:
        loop.before_end(rude)
        loop.before_end(goodbye)
        return threading.current_thread()

    thread = loop.run(prepare()).result(5)
    under_way = loop.run(asyncio.sleep(60))
    loop.close()
    loop.close()
    assert said == ["goodbye"]
    assert not thread.is_alive()
    with pytest.raises(ClosedError):
        under_way.result(5)
    with pytest.raises(ClosedError):
        loop.run(where())


def test_a_loop_that_nobody_refers_to_ends_its_thread() -> None:
    loop = LoopThread()

    async def prepare() -> threading.Thread:
        return threading.current_thread()

    thread = loop.run(prepare()).result(5)
    deadline = time.monotonic() + 10
    del loop
    while thread.is_alive() and time.monotonic() < deadline:
        time.sleep(0.01)
    assert not thread.is_alive()


def test_many_threads_that_come_first_at_once_share_one_loop(loop: LoopThread) -> None:
    found: list[int] = []
    threads = [threading.Thread(target=lambda: found.append(loop.run(where()).result(5))) for _ in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 16
    assert len(set(found)) == 1


# Programs of their own: what they print on stderr counts

PROLOGUE = """
import asyncio, os, sys, threading
from agentmem_integrations.llm.event_loop import LoopThread
from agentmem_integrations.llm.openai import OpenAIChat
from agentmem_integrations.ports import ChatMessage, ChatRequest
request = ChatRequest((ChatMessage("user", "tea"),))
loop = LoopThread()
chat = OpenAIChat("stub", base_url=sys.argv[1], api_key="k", transport=sys.argv[2], loop=loop, timeout_s=20)
def ask():
    return loop.run(chat.reply(request)).result(20).text
"""


def program(code: str, server: OpenAIServer, transport: str, tmp_path: Path) -> str:
    # The package's own fork() warning of Python 3.12 is the caller's business, as in every threaded program
    command = [
        sys.executable, "-W", "error", "-W", "ignore:.*fork.*:DeprecationWarning", "-c", PROLOGUE + code, server.base_url, transport,
    ]  # fmt: skip
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, cwd=tmp_path, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout.strip()


@pytest.fixture(params=["aiohttp", "httpx"])
def transport(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def server() -> Iterator[OpenAIServer]:
    with OpenAIServer() as running:
        yield running


def test_leaving_the_program_without_close_is_quiet(server: OpenAIServer, transport: str, tmp_path: Path) -> None:
    assert program("print(ask())", server, transport, tmp_path) == "tea"


def test_leaving_the_program_while_a_call_is_under_way_neither_hangs_nor_complains(
    server: OpenAIServer, transport: str, tmp_path: Path
) -> None:
    server.fail_next("no_index", "stall")  # the first means nothing to a chat
    code = """
import time
ask()
future = loop.run(chat.reply(request))
time.sleep(0.3)
print(future.done())
"""
    assert program(code, server, transport, tmp_path) == "False"


def test_leaving_after_close_is_quiet(server: OpenAIServer, transport: str, tmp_path: Path) -> None:
    assert program("print(ask()); asyncio.run(chat.close()); loop.close()", server, transport, tmp_path) == "tea"


@forks
@pytest.mark.parametrize("leaving", ["os._exit(0)", "sys.exit(0)"])
def test_a_forked_child_begins_anew_and_leaves_the_parents_connections_alone(
    server: OpenAIServer, transport: str, tmp_path: Path, leaving: str
) -> None:
    code = f"""
ask()
child = os.fork()
if child == 0:
    assert [ask() for _ in range(10)] == ["tea"] * 10
    del chat, loop
    import gc; gc.collect()
    {leaving}
assert [ask() for _ in range(10)] == ["tea"] * 10
assert os.waitpid(child, 0)[1] == 0
assert [ask() for _ in range(10)] == ["tea"] * 10
print("parent")
"""
    assert program(code, server, transport, tmp_path) == "parent"
    assert server.count == 31
    assert server.connections == 2, "the parent's connection was lost to the child"


@forks
def test_a_child_of_a_parent_with_a_call_under_way_is_not_held_up(server: OpenAIServer, transport: str, tmp_path: Path) -> None:
    server.fail_next("no_index", "stall")  # the first means nothing to a chat
    code = """
import time
ask()  # a fork in the middle of somebody's import leaves the child with half a module
under_way = loop.run(chat.reply(request))
time.sleep(0.3)
child = os.fork()
if child == 0:
    assert ask() == "tea"
    sys.exit(0)
assert os.waitpid(child, 0)[1] == 0
print(under_way.done(), ask())
"""
    assert program(code, server, transport, tmp_path) == "False tea"
