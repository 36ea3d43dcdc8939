"""`agentmem jobs`."""

import json

import pytest

from agentmem_integrations import AgentMemory
from agentmem_integrations.cli import main
from agentmem_integrations.errors import ModelTimeoutError
from agentmem_integrations.pipeline.intelligent.jobs import ATTEMPTS
from agentmem_integrations.testing.chat import ScriptedChat


def owing(path: str, answer: object) -> None:
    with AgentMemory(path, llm=ScriptedChat(lambda request: answer), mode="intelligent") as mem:
        mem.add("I live in Porto", user_id="ana")


def test_what_is_owed_is_listed_with_its_reason(path: str, capsys: pytest.CaptureFixture[str]) -> None:
    owing(path, ModelTimeoutError("no answer"))
    assert main(["jobs", "--db", path]) == 0
    told = capsys.readouterr().out
    assert "waiting" in told
    assert "ModelTimeoutError: no answer" in told
    assert "Porto" not in told
    assert main(["jobs", "--db", path, "--user", "bob"]) == 0
    assert capsys.readouterr().out == "nothing is owed\n"


def test_what_was_given_up_is_tried_again_on_request(path: str, capsys: pytest.CaptureFixture[str]) -> None:
    owing(path, "garbage")
    with AgentMemory(path, llm=ScriptedChat(lambda request: "garbage")) as mem:
        for _ in range(ATTEMPTS):
            mem.flush()
    assert main(["jobs", "--db", path, "--json"]) == 0
    assert [job["state"] for job in json.loads(capsys.readouterr().out)["jobs"]] == ["dead"]
    assert main(["jobs", "--db", path, "--retry", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["revived"] == 1
    assert [job["state"] for job in told["jobs"]] == ["waiting"]
