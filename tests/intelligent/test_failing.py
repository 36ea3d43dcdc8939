"""Models that fail: words are never lost, jobs end done or dead with a reason."""

import asyncio
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from intelligent.says import Says, facts_of, told

from agentmem_integrations import AgentMemory
from agentmem_integrations.errors import ModelTimeoutError, ReplyError
from agentmem_integrations.pipeline.intelligent import jobs as jobs_module
from agentmem_integrations.pipeline.write_stages import retries
from agentmem_integrations.ports import ChatRequest
from agentmem_integrations.testing.chat import GARBAGE, STALL, ScriptedChat

Thinking = Callable[..., AgentMemory]

PORTO = "Ana lives in Porto"
SAID = {"I live in Porto": [PORTO]}
DOWN = ModelTimeoutError("no answer")


class Failing(Says):
    """Fails as long as `failure` is set."""

    failure: Any = None

    def _say(self, request: ChatRequest) -> Any:
        return super()._say(request) if self.failure is None else self.failure


def failing(failure: Any) -> Failing:
    chat = Failing(SAID)
    chat.failure = failure
    return chat


@pytest.mark.parametrize("failure", [DOWN, *GARBAGE], ids=["down", *(f"garbage {n}" for n in range(len(GARBAGE)))])
def test_words_are_there_and_found_while_the_model_fails(thinking: Thinking, failure: Any) -> None:
    mem = thinking(failing(failure))
    result = mem.add("I live in Porto", user_id="ana")
    assert result.status == "queued"
    assert isinstance(result.error, ModelTimeoutError if failure is DOWN else ReplyError)
    assert [hit.memory.text for hit in mem.search("Porto", user_id="ana")] == ["I live in Porto"]


def test_facts_follow_when_the_model_is_back(thinking: Thinking) -> None:
    chat = failing(DOWN)
    mem = thinking(chat)
    mem.add("I live in Porto", user_id="ana")
    assert mem.flush() == 1
    chat.failure = None
    assert mem.flush() == 0
    assert facts_of(mem) == [PORTO]
    assert mem.jobs() == []


def test_a_job_says_why_it_waits(thinking: Thinking) -> None:
    mem = thinking(failing(DOWN))
    result = mem.add("I live in Porto", user_id="ana")
    (job,) = mem.jobs(user_id="ana")
    assert (job.state, job.attempts) == ("waiting", 1)
    assert [memory.id for memory in job.memories] == [result.events[0].memory.id]
    assert "ModelTimeoutError" in str(job.error)
    assert job.due > datetime.now(UTC)
    assert mem.jobs(user_id="bob") == []


def test_a_job_that_always_fails_is_given_up_with_a_reason_and_can_be_revived(thinking: Thinking) -> None:
    chat = failing("garbage")
    mem = thinking(chat)
    mem.add("I live in Porto", user_id="ana")
    for _ in range(jobs_module.ATTEMPTS):
        mem.flush()
    (job,) = mem.jobs()
    assert (job.state, job.attempts) == ("dead", jobs_module.ATTEMPTS)
    assert "ReplyError" in str(job.error)
    assert mem.flush() == 0
    chat.failure = None
    assert mem.retry_jobs() == 1
    assert mem.flush() == 0
    assert facts_of(mem) == [PORTO]


def test_an_unreadable_reply_is_repaired_once(thinking: Thinking) -> None:
    chat = ScriptedChat(["no JSON", {"facts": [{"messages": [1], "text": PORTO}]}])
    mem = thinking(chat)
    assert told(mem.add("I live in Porto", user_id="ana")) == [("ADD", PORTO)]
    assert mem.stats()["llm"]["repairs"] == 1


def test_a_window_that_fails_does_not_cost_the_others_theirs(thinking: Thinking) -> None:
    def say(request: ChatRequest) -> Any:
        if "message 13" in request.messages[-1].content and request.schema_name == "facts":
            return DOWN
        return {"facts": [{"messages": [1], "text": f"Fact about {request.messages[-1].content.count('message')} words"}]}

    mem = thinking(ScriptedChat(say))
    result = mem.add([f"message {n}" for n in range(24)], user_id="ana")
    assert result.status == "queued"
    assert len(told(result)) == 1
    (job,) = mem.jobs()
    assert [memory.text for memory in job.memories] == [f"message {n}" for n in range(12, 24)]


def test_a_failing_decision_leaves_the_old_fact_and_is_made_up_for(thinking: Thinking) -> None:
    lisbon = "Ana lives in Lisbon"
    chat = Failing({**SAID, "I moved": [lisbon, "Zebras eat grass"]}, {lisbon: ("SUPERSEDE", PORTO)})
    mem = thinking(chat)
    mem.add("I live in Porto", user_id="ana")
    good = chat._script

    def say(request: ChatRequest) -> Any:
        return DOWN if request.schema_name == "decisions" else good(request)  # type: ignore[operator]

    chat._script = say
    result = mem.add("I moved", user_id="ana")
    assert result.status == "queued"
    assert facts_of(mem) == [PORTO, "Zebras eat grass"]
    chat._script = good
    assert mem.flush() == 0
    assert facts_of(mem) == ["Zebras eat grass", lisbon]
    assert chat.asked.count("facts") == 2


def test_answering_at_once_leaves_the_facts_to_the_background(thinking: Thinking) -> None:
    mem = thinking(Says(SAID, latency=0.2))
    result = mem.add("I live in Porto", user_id="ana", wait=False)
    assert result.status == "queued"
    assert result.error is None
    assert facts_of(mem) == []
    assert mem.flush() == 0
    assert facts_of(mem) == [PORTO]


def test_a_flush_while_a_job_is_being_put_off_does_not_leave_it_lying(thinking: Thinking) -> None:
    for _ in range(40):  # the moment is short, and comes when the background begins
        chat = failing(DOWN)
        mem = thinking(chat, path="memory://")
        mem.add("I live in Porto", user_id="ana", wait=False)
        assert mem.flush() == 1
        chat.failure = None
        assert mem.flush() == 0
        assert facts_of(mem) == [PORTO]


def test_words_that_are_known_are_read_in_the_background_too(thinking: Thinking) -> None:
    mem = thinking(Says(SAID))
    mem.add("I live in Porto", user_id="ana", mode="fast")
    result = mem.add("I live in Porto", user_id="ana", wait=False)
    assert (result.status, [event.event for event in result.events]) == ("queued", ["NONE"])
    assert mem.flush() == 0
    assert facts_of(mem) == [PORTO]
    assert mem.jobs() == []


def test_the_background_tries_again_by_itself(thinking: Thinking, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retries, "RETRY_AFTER", timedelta(0))
    monkeypatch.setattr(jobs_module, "POLL_S", 0.05)
    chat = failing(DOWN)
    mem = thinking(chat)
    mem.add("I live in Porto", user_id="ana")
    chat.failure = None
    deadline = time.monotonic() + 30
    while not facts_of(mem) and time.monotonic() < deadline:
        time.sleep(0.02)
    assert facts_of(mem) == [PORTO]


def test_what_is_under_way_when_it_is_closed_is_done_by_the_next(path: str, thinking: Thinking) -> None:
    mem = thinking(ScriptedChat(lambda request: STALL), path=path)
    mem.add("I live in Porto", user_id="ana", wait=False)
    mem.close()
    again = thinking(Says(SAID), path=path)
    assert again.flush() == 0
    assert facts_of(again) == [PORTO]


async def test_a_caller_who_gives_up_leaves_the_work_to_be_done(thinking: Thinking) -> None:
    mem = thinking(Says(SAID, latency=0.1))
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.03):
            await mem.aadd("I live in Porto", user_id="ana")
    assert await mem.aflush() == 0
    assert facts_of(mem) == [PORTO]
    assert mem.jobs() == []


KILLED = """
import sys, time
from agentmem_integrations import AgentMemory
from agentmem_integrations.testing.chat import STALL, ScriptedChat
def say(request):
    print("asked", flush=True)
    return STALL
mem = AgentMemory(sys.argv[1], llm=ScriptedChat(say), mode="intelligent")
mem.add("I live in Porto", user_id="ana")
"""


@pytest.mark.posix("ends a program with SIGKILL")
def test_an_extraction_survives_a_kill(path: str, thinking: Thinking, monkeypatch: pytest.MonkeyPatch) -> None:
    with subprocess.Popen([sys.executable, "-c", KILLED, path], stdout=subprocess.PIPE, text=True) as child:
        assert child.stdout is not None
        assert child.stdout.readline() == "asked\n"
        child.send_signal(signal.SIGKILL)
    monkeypatch.setattr(jobs_module, "POLL_S", 0.1)
    mem = thinking(Says(SAID), path=path)
    assert [m.text for m in mem.list(user_id="ana")] == ["I live in Porto"]
    (job,) = mem.jobs()
    assert job.state == "running"
    deadline = time.monotonic() + 60  # its lease has to run out first
    while mem.jobs() and time.monotonic() < deadline:
        time.sleep(0.1)
    assert facts_of(mem) == [PORTO]


def test_a_deleted_message_is_not_understood_any_more(thinking: Thinking) -> None:
    chat = failing(DOWN)
    mem = thinking(chat)
    result = mem.add("I live in Porto", user_id="ana")
    mem.delete(result.events[0].memory.id, user_id="ana")
    assert mem.jobs() == []


def test_the_model_may_fail_for_some_and_nobody_else_notices(thinking: Thinking) -> None:
    def say(request: ChatRequest) -> Any:
        bad = any("bad words" in message.content for message in request.messages)
        return GARBAGE[1] if bad else {"facts": [{"messages": [1], "text": "Something good"}]}

    mem = thinking(ScriptedChat(say))
    users = [("good" if n % 3 else "bad", f"user {n}") for n in range(30)]

    async def all_at_once() -> list[str]:
        results = await asyncio.gather(*(mem.aadd(f"{what} words of {user}", user_id=user) for what, user in users))
        return [result.status for result in results]

    assert asyncio.run(all_at_once()) == ["done" if what == "good" else "queued" for what, _ in users]
    assert all(mem.search("words", user_id=user) for _, user in users)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_a_forked_child_thinks_for_itself(path: str, tmp_path: Path, run_python: Callable[..., str]) -> None:
    program = """
import os, sys
from agentmem_integrations import AgentMemory
from agentmem_integrations.testing.chat import RuleChat
mem = AgentMemory(sys.argv[1], llm=RuleChat(), mode="intelligent")
mem.add("I live in Porto", user_id="parent")
pid = os.fork()
if not pid:
    mem.add("I live in Lisbon", user_id="child")
    os._exit(0 if len(mem.list(user_id="child")) == 2 else 1)
assert os.waitpid(pid, 0)[1] == 0
mem.add("I live in Rome", user_id="parent again")
assert len(mem.list(user_id="parent again")) == 2
mem.close()
"""
    run_python(program, path, timeout=60)


def test_whatever_a_model_raises_the_words_are_kept(thinking: Thinking) -> None:
    mem = thinking(failing(ZeroDivisionError("somebody else's")))
    result = mem.add("I live in Porto", user_id="ana")
    assert result.status == "queued"
    assert "ZeroDivisionError" in str(result.error)
    assert "somebody else's" not in str(mem.jobs()[0].error)
