"""The stub endpoint itself: what tests of others rely on."""

import base64
import json
import subprocess
import sys
import urllib.error
import urllib.request
from http.client import BadStatusLine, IncompleteRead
from typing import Any, get_args

import numpy as np
import pytest

from agentmem_integrations.testing.openai_server import Fault, OpenAIServer, running_apart


def post(base_url: str, path: str, body: Any, key: str = "k") -> tuple[int, Any]:
    request = urllib.request.Request(  # noqa: S310 - http, on loopback
        base_url + path, json.dumps(body).encode(), {"Authorization": f"Bearer {key}", "Content-Type": "application/json"}
    )
    try:
        with urllib.request.urlopen(request, timeout=20) as answer:  # noqa: S310 - http, on loopback
            return answer.status, json.load(answer)
    except urllib.error.HTTPError as error:
        with error:
            return error.code, json.load(error)


def chat(base_url: str, text: str = "tea", **fields: Any) -> tuple[int, Any]:
    return post(base_url, "/chat/completions", {"model": "m", "messages": [{"role": "user", "content": text}], **fields})


def embed(base_url: str, *texts: str, **fields: Any) -> tuple[int, Any]:
    return post(base_url, "/embeddings", {"model": "m", "input": list(texts), **fields})


def test_a_chat_answers_with_the_last_message_or_as_it_is_told() -> None:
    with OpenAIServer() as server:
        status, answer = chat(server.base_url)
        assert (status, answer["choices"][0]["message"]["content"], answer["choices"][0]["finish_reason"]) == (200, "tea", "stop")
        server.reply = lambda body: body["messages"][0]["content"].upper()
        assert chat(server.base_url)[1]["choices"][0]["message"]["content"] == "TEA"
        server.reply = lambda body: {"choices": []}
        assert chat(server.base_url)[1]["choices"] == []


def test_vectors_are_the_same_everywhere_and_words_make_texts_similar() -> None:
    with OpenAIServer(dim=128) as one, OpenAIServer(dim=128) as other:
        texts = ("green tea", "black tea", "a long walk")
        first, second = (np.array([d["embedding"] for d in embed(s.base_url, *texts)[1]["data"]]) for s in (one, other))
    assert (first == second).all()
    assert np.allclose(np.linalg.norm(first, axis=1), 1)
    assert first[0] @ first[1] > 0.3 > abs(first[0] @ first[2])


def test_vectors_can_be_shorter_and_base64() -> None:
    with OpenAIServer() as server:
        plain = embed(server.base_url, "tea", dimensions=16)[1]["data"][0]["embedding"]
        packed = embed(server.base_url, "tea", dimensions=16, encoding_format="base64")[1]["data"][0]["embedding"]
    assert len(plain) == 16
    assert np.allclose(np.frombuffer(base64.b64decode(packed), "<f4"), plain)
    assert np.isclose(np.linalg.norm(plain), 1)


@pytest.mark.parametrize(
    ("texts", "status"), [(["x"] * 2_048, 200), (["x"] * 2_049, 400), (["x" * 32_769], 400), (["x" * 32_768] * 37, 400), ([""], 400)]
)
def test_the_limits_of_the_real_one_are_kept(texts: list[str], status: int) -> None:
    with OpenAIServer(dim=2) as server:
        assert embed(server.base_url, *texts)[0] == status


def test_faults_come_in_the_order_they_were_asked_for() -> None:
    with OpenAIServer() as server:
        server.fail_next("429", "500", "401", "malformed", "cut", "drop")
        assert [chat(server.base_url)[0] for _ in range(3)] == [429, 500, 401]
        for kind in (json.JSONDecodeError, IncompleteRead, (ConnectionError, BadStatusLine)):
            with pytest.raises(kind):
                chat(server.base_url)
        assert chat(server.base_url)[0] == 200
        server.fail_always("503")
        assert [chat(server.base_url)[0] for _ in range(2)] == [503, 503]


def test_random_faults_come_from_the_seed() -> None:
    def statuses(seed: int) -> list[int]:
        with OpenAIServer(error_rate=0.5, error_kinds=["429", "500"], seed=seed) as server:
            return [chat(server.base_url)[0] for _ in range(30)]

    assert statuses(1) == statuses(1) != statuses(2)
    assert set(statuses(1)) == {200, 429, 500}


def test_every_fault_has_an_effect() -> None:
    with OpenAIServer() as server:
        texts = ("green tea", "black coffee")
        right = chat(server.base_url), embed(server.base_url, *texts)
        for fault in set(get_args(Fault)) - {"stall", "drop", "cut", "malformed"}:
            server.fail_next(fault, fault)
            chatted, embedded = chat(server.base_url), embed(server.base_url, *texts)
            same = chatted[1].get("choices") == right[0][1]["choices"] and embedded[1].get("data") == right[1][1]["data"]
            assert not same, fault


def test_requests_are_recorded_and_counted() -> None:
    with OpenAIServer(api_key="right") as server:
        assert post(server.base_url, "/embeddings", {"model": "m", "input": ["tea"]}, key="wrong")[0] == 401
        assert post(server.base_url, "/embeddings", {"model": "m", "input": ["tea"]}, key="right")[0] == 200
        assert post(server.base_url, "/nowhere", {}, key="right")[0] == 404
        server.wait_for(3)
        assert [request.path for request in server.requests] == ["/v1/embeddings", "/v1/embeddings", "/v1/nowhere"]
        assert server.texts() == [["tea"], ["tea"]]
        assert (server.count, server.concurrent) == (3, 1)
        with pytest.raises(TimeoutError, match="only 3 of 4"):
            server.wait_for(4, timeout_s=0.01)


def test_it_can_be_held_to_a_schema_to_json_or_to_nothing() -> None:
    for can, statuses in (("schema", [200, 200]), ("json", [400, 200]), ("none", [400, 400])):
        with OpenAIServer(structured=can) as server:  # type: ignore[arg-type]
            assert [chat(server.base_url, response_format={"type": t})[0] for t in ("json_schema", "json_object")] == statuses


def test_it_runs_in_a_process_of_its_own_and_ends_with_the_block() -> None:
    with running_apart(dim=8) as base_url:
        assert len(embed(base_url, "tea")[1]["data"][0]["embedding"]) == 8
        with urllib.request.urlopen(f"{base_url}/stats", timeout=20) as answer:  # noqa: S310 - http, on loopback
            assert json.load(answer) == {"count": 1, "concurrent": 1}
    with pytest.raises(OSError, match="refused"):
        embed(base_url, "tea")


def test_its_command_says_what_it_can() -> None:
    module = "agentmem_integrations.testing.openai_server"
    shown = subprocess.run([sys.executable, "-m", module, "--help"], capture_output=True, text=True, check=True, timeout=60).stdout
    assert "--latency" in shown
    assert "--error-kinds" in shown
