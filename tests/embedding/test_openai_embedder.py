"""Embeddings from an OpenAI-compatible endpoint, asked over real sockets."""

import logging
import traceback
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest

from agentmem_integrations import (
    AgentMemory,
    EmbedderMismatchError,
    EmbeddingError,
    InvalidInputError,
    MissingExtraError,
    OpenAIEmbedder,
    TextTooLongError,
)
from agentmem_integrations.embedding.queue import QueuedEmbedder
from agentmem_integrations.testing.openai_server import CHARS_IN_TOKEN, Fault, OpenAIServer

Opened = Callable[..., AgentMemory]
Run = Callable[..., str]
KEY = "sk-secret-0123456789"


@pytest.fixture(autouse=True)
def no_settings_of_the_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("OPENAI_API_KEY", "OPENAI_BASE_URL"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def server() -> Iterator[OpenAIServer]:
    with OpenAIServer() as running:
        yield running


@pytest.fixture
def embedder(server: OpenAIServer) -> Iterator[Callable[..., OpenAIEmbedder]]:
    made: list[OpenAIEmbedder] = []

    def make(model: str = "stub", **options: Any) -> OpenAIEmbedder:
        given = {"base_url": server.base_url, "api_key": KEY, "dimensions": 64, "retry_wait_s": 0.001, "timeout_s": 20.0, **options}
        made.append(OpenAIEmbedder(model, **given))
        return made[-1]

    yield make
    for each in made:
        each.close()


Make = Callable[..., OpenAIEmbedder]


# What comes back


def test_vectors_have_unit_length_and_the_order_of_the_texts(embedder: Make) -> None:
    texts = [f"text number {i}" for i in range(20)]
    matrix = embedder().lanes[0].embed(texts, "passage")
    assert matrix.shape == (20, 64)
    assert matrix.dtype == np.float32
    assert np.allclose(np.linalg.norm(matrix, axis=1), 1)
    for text, row in zip(texts, matrix, strict=True):
        assert (embedder().lanes[0].embed([text], "query")[0] == row).all()


@pytest.mark.parametrize("fault", ["shuffled", "no_index"])
def test_the_index_orders_the_vectors_and_may_be_missing(server: OpenAIServer, embedder: Make, fault: Fault) -> None:
    texts = ["one", "two", "three"]
    right = embedder().lanes[0].embed(texts, "passage")
    server.fail_next(fault)
    assert (embedder().lanes[0].embed(texts, "passage") == right).all()


def test_vectors_travel_as_base64_and_a_server_that_cannot_is_asked_for_numbers_once(server: OpenAIServer, embedder: Make) -> None:
    right = embedder().lanes[0].embed(["tea"], "passage")
    assert server.requests[-1].body["encoding_format"] == "base64"
    plain = embedder()
    server.fail_next("400")
    assert (plain.lanes[0].embed(["tea"], "passage") == right).all()
    assert (plain.lanes[0].embed(["tea"], "passage") == right).all()
    assert [r.body["encoding_format"] for r in server.requests[1:]] == ["base64", "float", "float"]


def test_a_lone_surrogate_does_not_break_the_request(embedder: Make) -> None:
    assert embedder().lanes[0].embed(["a \ud800 b"], "passage").shape == (1, 64)


def test_no_texts_are_no_request(server: OpenAIServer, embedder: Make) -> None:
    assert embedder().lanes[0].embed([], "passage").shape == (0, 64)
    assert not server.requests


# Requests


def test_a_request_has_at_most_2048_texts(server: OpenAIServer, embedder: Make) -> None:
    texts = [f"t{i}" for i in range(5_000)]
    matrix = embedder().lanes[0].embed(texts, "passage")
    assert [len(batch) for batch in server.texts()] == [2_048, 2_048, 904]
    assert (matrix[4_999] == embedder().lanes[0].embed(["t4999"], "query")[0]).all()


def test_a_request_has_at_most_300000_tokens_whatever_a_token_is(server: OpenAIServer, embedder: Make) -> None:
    embedder().lanes[0].embed(["é" * 4_000] * 100, "passage")  # 8,000 bytes each
    batches = server.texts()
    assert [len(batch) for batch in batches] == [37, 37, 26]
    assert all(len("".join(batch).encode()) <= 300_000 for batch in batches)


def test_other_limits_can_be_set(server: OpenAIServer, embedder: Make) -> None:
    embedder(max_texts=3).lanes[0].embed(["a"] * 7, "passage")
    embedder(max_tokens=10).lanes[0].embed(["aaaa"] * 5, "passage")
    assert [len(batch) for batch in server.texts()] == [3, 3, 1, 2, 2, 1]


def test_a_text_that_may_be_too_long_goes_alone(server: OpenAIServer, embedder: Make) -> None:
    embedder().lanes[0].embed(["short", "x" * 8_193, "short", "y" * 8_192, "short"], "passage")
    assert [[len(text) for text in batch] for batch in server.texts()] == [[5], [8_193], [5, 8_192, 5]]


def test_dimensions_are_asked_for_only_if_given(server: OpenAIServer, embedder: Make) -> None:
    assert embedder(dimensions=16).lanes[0].embed(["tea"], "query")[0].shape == (16,)
    assert embedder(dimensions=None).lanes[0].embed(["tea"], "query")[0].shape == (64,)
    assert [r.body.get("dimensions") for r in server.requests] == [16, None, None]  # the second measures


def test_the_key_is_sent_as_a_bearer_token(server: OpenAIServer, embedder: Make) -> None:
    server.api_key = KEY
    embedder().lanes[0].embed(["tea"], "query")[0]
    with pytest.raises(EmbeddingError, match="OPENAI_API_KEY"):
        embedder(api_key="sk-other").lanes[0].embed(["tea"], "query")[0]


def test_key_and_url_come_from_the_environment(server: OpenAIServer, monkeypatch: pytest.MonkeyPatch) -> None:
    server.api_key = KEY
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    monkeypatch.setenv("OPENAI_BASE_URL", server.base_url)
    local = OpenAIEmbedder("stub", dimensions=64)
    assert local.lanes[0].embed(["tea"], "query")[0].shape == (64,)
    local.close()


def test_a_server_of_ones_own_needs_no_key_and_openai_does(server: OpenAIServer, embedder: Make) -> None:
    assert embedder(api_key=None).lanes[0].embed(["tea"], "query")[0].shape == (64,)
    with pytest.raises(InvalidInputError, match="OPENAI_API_KEY"):
        OpenAIEmbedder()


@pytest.mark.parametrize(
    "wrong",
    [
        {"dimensions": 0}, {"lanes": 0}, {"timeout_s": 0}, {"timeout_s": "1"}, {"max_retries": -1}, {"base_url": "localhost:1"},
        {"base_url": 1}, {"api_key": b"x"}, {"max_texts": 0}, {"max_wait_s": float("nan")}, {"model": ""}, {"model": None},
        {"revision": 1}, {"dimensions": True},
    ],
)  # fmt: skip
def test_an_argument_that_makes_no_sense_is_named(embedder: Make, wrong: dict[str, Any]) -> None:
    with pytest.raises(InvalidInputError, match=next(iter(wrong))):
        embedder(**wrong)


# Texts that are too long


def test_a_text_that_is_too_long_is_an_error_that_names_the_limit(server: OpenAIServer, embedder: Make) -> None:
    server.text_tokens = 3_000
    with pytest.raises(TextTooLongError, match=r"20,000 bytes is too long for the model \(8,192 tokens.*truncate=True"):
        embedder().lanes[0].embed(["x" * 20_000], "passage")
    assert len(server.requests) == 1, "trying again would not make it shorter"


def test_a_long_text_that_fits_is_embedded_whole(server: OpenAIServer, embedder: Make) -> None:
    embedder(truncate=True).lanes[0].embed(["x" * 8_192 * CHARS_IN_TOKEN], "passage")
    assert [len(batch[0]) for batch in server.texts()] == [8_192 * CHARS_IN_TOKEN]


def test_truncating_embeds_the_beginning_and_leaves_the_neighbours_alone(server: OpenAIServer, embedder: Make) -> None:
    long = "word " * 10_000
    matrix = embedder(truncate=True).lanes[0].embed(["short", long, "short"], "passage")
    assert [len(t) for batch in server.texts() for t in batch] == [5, 50_000, 3 * 8_192, 5]
    assert (matrix[1] == embedder().lanes[0].embed([long[: 3 * 8_192]], "query")[0]).all()
    server.text_tokens = 8_192 // CHARS_IN_TOKEN  # as if every character were a token
    server.requests.clear()
    embedder(truncate=True).lanes[0].embed(["é" * 10_000], "passage")
    assert [len(t) for batch in server.texts() for t in batch] == [10_000, 4_096]


# Troubles

PASSING: list[Fault] = ["429", "500", "503", "drop", "cut", "malformed", "empty", "wrong_length", "nan", "zero", "few"]


@pytest.mark.parametrize("fault", PASSING)
def test_a_passing_trouble_is_tried_again(server: OpenAIServer, embedder: Make, fault: Fault) -> None:
    server.fail_next(fault, fault)
    assert embedder(max_retries=2).lanes[0].embed(["tea"], "query")[0].shape == (64,)
    assert server.count == 3


@pytest.mark.parametrize("fault", PASSING)
def test_a_trouble_that_stays_is_an_error_after_all_attempts(server: OpenAIServer, embedder: Make, fault: Fault) -> None:
    server.fail_always(fault)
    with pytest.raises(EmbeddingError, match="openai:stub: the endpoint"):
        embedder(max_retries=2).lanes[0].embed(["tea"], "query")[0]
    assert server.count == 3


def test_a_silent_server_is_given_up_after_the_timeout(server: OpenAIServer, embedder: Make) -> None:
    server.fail_always("stall")
    with pytest.raises(EmbeddingError, match="did not answer in time: raise timeout_s"):
        embedder(timeout_s=0.05, max_retries=1).lanes[0].embed(["tea"], "query")[0]
    assert server.count == 2


def test_a_server_that_is_not_there_is_an_error(embedder: Make) -> None:
    with pytest.raises(EmbeddingError, match="could not be reached: check base_url"):
        embedder(base_url="http://127.0.0.1:9/v1", max_retries=0).lanes[0].embed(["tea"], "query")[0]


@pytest.mark.parametrize(("fault", "attempts"), [("401", 1), ("429-quota", 1), ("400", 2)])  # the 400 may have been for base64
def test_a_trouble_that_cannot_pass_is_not_tried_again(server: OpenAIServer, embedder: Make, fault: Fault, attempts: int) -> None:
    server.fail_always(fault)
    with pytest.raises(EmbeddingError, match=fault[:3]):
        embedder().lanes[0].embed(["tea"], "query")[0]
    assert server.count == attempts


def test_retry_after_is_honoured(server: OpenAIServer, embedder: Make) -> None:
    server.retry_after = "0.2"
    server.fail_next("429")
    embedder().lanes[0].embed(["tea"], "query")[0]
    first, second = (request.at for request in server.requests)
    assert second - first >= 0.2


def test_a_retry_after_beyond_the_longest_wait_fails_at_once(server: OpenAIServer, embedder: Make) -> None:
    server.retry_after = "3600"
    server.fail_always("429")
    with pytest.raises(EmbeddingError, match=r"answered 429 \(rate_limit_exceeded\).*max_wait_s"):
        embedder(max_wait_s=1.0).lanes[0].embed(["tea"], "query")[0]
    assert server.count == 1


@pytest.mark.parametrize("fault", ["400", "401", "429", "500", "stall", "drop", "malformed", "nan"])
def test_neither_key_nor_text_is_in_errors_logs_or_reprs(
    server: OpenAIServer, embedder: Make, fault: Fault, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    for name in ("openai", "httpx", "httpx2", "httpcore", "httpcore2"):
        caplog.set_level(logging.INFO, logger=name)  # what other packages log at DEBUG is theirs
    server.fail_always(fault)
    asking = embedder(timeout_s=0.05, max_retries=1)
    with pytest.raises(EmbeddingError) as caught:
        asking.lanes[0].embed(["bergamot"], "query")[0]
    shown = "".join(traceback.format_exception(caught.value)) + repr(caught.value) + repr(asking) + repr(asking._endpoint) + caplog.text
    assert KEY not in shown
    assert "bergamot" not in shown.replace('embed(["bergamot"], "query")', "")
    assert caught.value.__context__ is None, "what hangs on an error is printed by whoever reports it"


# Identity


def test_a_known_models_dimension_is_known_without_asking(server: OpenAIServer) -> None:
    for model, dim in (("text-embedding-3-small", 1_536), ("text-embedding-3-large", 3_072), ("text-embedding-ada-002", 1_536)):
        identity = OpenAIEmbedder(model, base_url=server.base_url).identity
        assert (identity.name, identity.revision, identity.dim) == (f"openai:{model}", "", dim)
    assert OpenAIEmbedder("text-embedding-3-large", base_url=server.base_url, dimensions=256).identity.dim == 256
    assert not server.requests


def test_an_unknown_model_is_asked_once_for_its_dimension_and_a_known_collection_never(
    server: OpenAIServer, embedder: Make, path: str
) -> None:
    with AgentMemory(path, embedder=embedder("mine", dimensions=None)) as mem:
        assert server.texts() == [["dimension"]]
        mem.add("tea", user_id="ana")
    server.requests.clear()
    server.fail_always("500")
    with AgentMemory(path, embedder=embedder("mine", dimensions=None)) as mem:
        assert [m.text for m in mem.list(user_id="ana")] == ["tea"]
    assert not server.requests


def test_a_new_collection_of_an_unknown_model_needs_the_endpoint(server: OpenAIServer, embedder: Make, path: str) -> None:
    server.fail_always("500")
    with pytest.raises(EmbeddingError):
        AgentMemory(path, embedder=embedder("mine", dimensions=None, max_retries=0))
    server.fail_always(None)
    with AgentMemory(path, embedder=embedder("mine", dimensions=None)) as mem:
        assert mem.list(user_id="ana") == []


def test_another_model_or_length_is_refused(embedder: Make, path: str) -> None:
    AgentMemory(path, embedder=embedder("one")).close()
    for other in (embedder("two"), embedder("one", dimensions=32), embedder("one", revision="2")):
        with pytest.raises(EmbedderMismatchError, match="openai:one"):
            AgentMemory(path, embedder=other)
    AgentMemory(path, embedder=embedder("one", lanes=1, timeout_s=1.0)).close()


def test_the_spec_names_a_model(server: OpenAIServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_BASE_URL", server.base_url)
    with AgentMemory("memory://", embedder="openai:stub") as mem:
        mem.add("I moved to Lisbon", user_id="ana")
        assert mem.search("Lisbon", user_id="ana", using="vector")[0].memory.text == "I moved to Lisbon"
    assert {request.body["model"] for request in server.requests} == {"stub"}


def test_a_spec_without_a_model_is_refused(server: OpenAIServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_BASE_URL", server.base_url)
    with pytest.raises(InvalidInputError, match="model=''"):
        AgentMemory("memory://", embedder="openai:")


def test_opening_a_file_does_not_load_the_openai_package(server: OpenAIServer, run_python: Run) -> None:
    program = f"""
import sys
from agentmem_integrations import AgentMemory, OpenAIEmbedder
with AgentMemory("memory.db", embedder=OpenAIEmbedder("text-embedding-3-small", base_url={server.base_url!r})) as mem:
    mem.list(user_id="ana")
print("openai" in sys.modules)
"""
    assert run_python(program).strip() == "False"


def test_a_missing_package_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("agentmem_integrations.endpoint.address.find_spec", lambda name: None)
    with pytest.raises(MissingExtraError, match=r"agentmem-integrations\[openai\]"):
        OpenAIEmbedder("stub", base_url="http://127.0.0.1:9/v1")


# In a memory


@pytest.mark.parametrize("fault", [*PASSING, "stall", "401", "400", "429-quota"])
def test_while_the_endpoint_fails_the_words_are_kept_and_the_vectors_follow(
    server: OpenAIServer, embedder: Make, opened: Opened, path: str, fault: Fault
) -> None:
    timeout = 0.1 if fault == "stall" else 20.0
    mem = opened(path, embedder=embedder(max_retries=0, timeout_s=timeout))
    server.fail_always(fault)
    result = mem.add(["green tea", "black coffee"], user_id="ana")
    assert result.status == "queued"
    assert [hit.memory.text for hit in mem.search("coffee", user_id="ana", using="text")] == ["black coffee"]
    with pytest.raises(EmbeddingError, match="openai:stub"):
        mem.search("coffee", user_id="ana")
    assert mem.flush() == 2
    assert mem.stats()["jobs"] == {"embed.waiting": 2}

    server.fail_always(None)
    assert mem.flush() == 0
    assert mem.stats()["jobs"] == {}
    assert [hit.memory.text for hit in mem.search("green tea", user_id="ana", using="vector", k=1)] == ["green tea"]
    assert len(mem.list(user_id="ana")) == 2


def test_one_text_that_is_too_long_does_not_cost_the_others_their_vectors(
    server: OpenAIServer, embedder: Make, opened: Opened, path: str
) -> None:
    mem = opened(path, embedder=embedder())
    results = mem.add_batch(["green tea", "x" * 50_000, "black coffee"], user_id="ana")
    assert [result.status for result in results] == ["done", "queued", "done"]
    assert mem.search("black coffee", user_id="ana", using="vector", k=1)[0].memory.text == "black coffee"


def test_requests_are_no_more_than_the_lanes(server: OpenAIServer, embedder: Make) -> None:
    from concurrent.futures import ThreadPoolExecutor

    with OpenAIServer(latency_s=0.05) as slow, ThreadPoolExecutor(12) as pool:
        queue = QueuedEmbedder(embedder(base_url=slow.base_url, lanes=3), max_batch=1)
        rows = list(pool.map(queue.embed_query, [f"t{i}" for i in range(12)]))
        queue.close()
        assert slow.concurrent == 3
    assert all((row == embedder().lanes[0].embed([f"t{i}"], "query")[0]).all() for i, row in enumerate(rows))


@pytest.mark.posix("forks")
def test_a_forked_child_makes_connections_of_its_own(server: OpenAIServer, run_python: Run) -> None:
    program = f"""
import os
from agentmem_integrations import OpenAIEmbedder
embedder = OpenAIEmbedder("stub", base_url={server.base_url!r}, dimensions=64, lanes=1)
right = embedder.lanes[0].embed(["tea"], "query")[0]
child = os.fork()
for _ in range(20):
    assert (embedder.lanes[0].embed(["tea"], "query")[0] == right).all()
if child == 0:
    os._exit(0)
assert os.waitpid(child, 0)[1] == 0
embedder.close()
print("both")
"""
    assert run_python(program).strip() == "both"
    assert server.count == 41


def test_a_collection_changes_to_a_model_whose_dimension_must_be_asked_for(
    server: OpenAIServer, monkeypatch: pytest.MonkeyPatch, path: str
) -> None:
    monkeypatch.setenv("OPENAI_BASE_URL", server.base_url)
    with AgentMemory(path) as mem:
        mem.add_batch([f"note {n}" for n in range(20)], user_id="ana")
        assert mem.reembed("openai:mine") == 20
        assert server.texts()[0] == ["dimension"]
        assert mem.search("note 7", user_id="ana", using="vector")[0].memory.text == "note 7"
        other = mem.collection("other", embedder="openai:mine")
        assert other._room.searching.embedder is mem._room.searching.embedder
    server.requests.clear()
    with AgentMemory(path, embedder="openai:mine"):
        assert not server.requests
