"""A provider that fails, stalls and talks nonsense, over real sockets: words are found throughout, and every job comes to an end."""

import asyncio
import random
from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import Any

import pytest

from agentmem_integrations import AgentMemory, OpenAIChat
from agentmem_integrations.bench.stub_model import answer
from agentmem_integrations.pipeline.intelligent import jobs as jobs_module
from agentmem_integrations.pipeline.write_stages import retries
from agentmem_integrations.testing.chat import GARBAGE
from agentmem_integrations.testing.openai_server import OpenAIServer

Thinking = Callable[..., AgentMemory]

SAYINGS = [f"I collect stamps of series {n}" for n in range(40)]


def babbling(share: float) -> Callable[[Mapping[str, Any]], str]:
    """Return a model that answers so many requests with garbage, and else draws a fact from every message."""
    chance = random.Random(7)
    return lambda body: chance.choice(GARBAGE) if chance.random() < share else answer(body)


def open_memory(thinking: Thinking, server: OpenAIServer) -> AgentMemory:
    chat = OpenAIChat("stub", base_url=server.base_url, timeout_s=0.5, max_retries=1, retry_wait_s=0.001, max_wait_s=0.1)
    return thinking(chat)


async def say_all(mem: AgentMemory) -> None:
    """Say everything at once, and find each saying at once, whatever became of its facts."""

    async def say(n: int) -> None:
        result = await mem.aadd(SAYINGS[n], user_id=f"user {n % 8}")
        assert result.status in ("done", "queued")
        assert (result.status == "queued") == (result.error is not None)
        hits = await mem.asearch(SAYINGS[n], user_id=f"user {n % 8}", kind="episode")
        assert hits[0].memory.text == SAYINGS[n]

    await asyncio.gather(*(say(n) for n in range(len(SAYINGS))))


def facts(mem: AgentMemory) -> set[str]:
    return {m.text for n in range(8) for m in mem.list(user_id=f"user {n}") if m.kind != "episode"}


@pytest.mark.parametrize(
    "trouble",
    [{"reply": babbling(0.3)}, {"error_rate": 0.3, "error_kinds": ("500", "429", "stall", "drop", "cut")}],
    ids=["garbage", "faults"],
)
def test_with_three_in_ten_answers_bad_nothing_is_lost_and_all_facts_come_in_the_end(
    thinking: Thinking, monkeypatch: pytest.MonkeyPatch, trouble: dict[str, Any]
) -> None:
    monkeypatch.setattr(retries, "RETRY_AFTER", timedelta(0))
    with OpenAIServer(**{"reply": answer, **trouble}) as server:
        mem = open_memory(thinking, server)
        asyncio.run(say_all(mem))
        for _ in range(20):
            if not mem.flush() and not mem.jobs():
                break
            mem.retry_jobs()
        assert mem.jobs() == []
        assert facts(mem) == set(SAYINGS)


def test_with_nothing_but_garbage_every_job_ends_dead_with_a_reason(thinking: Thinking, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retries, "RETRY_AFTER", timedelta(0))
    with OpenAIServer(reply=babbling(1.0)) as server:
        mem = open_memory(thinking, server)
        asyncio.run(say_all(mem))
        for _ in range(jobs_module.ATTEMPTS):
            mem.flush()
        jobs = mem.jobs()
        assert {m.text for job in jobs for m in job.memories} == set(SAYINGS)
        assert {job.state for job in jobs} == {"dead"}
        assert all(job.error for job in jobs)
        assert facts(mem) == set()
