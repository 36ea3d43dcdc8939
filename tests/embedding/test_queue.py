"""The queue before a model: batches, fairness, back-pressure, and that nobody ever waits for nothing."""

import asyncio
import os
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agentmem_integrations import AgentMemory, ClosedError, EmbedderMismatchError, EmbeddingError, InvalidInputError
from agentmem_integrations.embedding.any_object import BATCH, ObjectModel
from agentmem_integrations.embedding.model import Kind, Lane, isolated
from agentmem_integrations.embedding.queue import QueuedEmbedder
from agentmem_integrations.embedding.queue_backlog import TURNS, Backlog, Request
from agentmem_integrations.models import Identity, Scope
from agentmem_integrations.ports import Answer, Matrix
from agentmem_integrations.testing.embedders import BlockingEmbedder, FailingEmbedder, HashEmbedder, LyingEmbedder

DIM = 8
ANA = Scope("default", "ana")
Opened = Callable[..., AgentMemory]
WAIT = 30  # seconds after which a broken test ends


def vector_of(text: str, kind: Kind) -> list[float]:
    """A pure function of kind and text, of unit length."""
    numbers = np.random.default_rng(sum(f"{kind} {text}".encode()) + len(text)).standard_normal(DIM)
    return list(numbers / np.linalg.norm(numbers))


class Gated:
    """A model whose lanes wait at a gate; `calls` tells what each call was asked for."""

    def __init__(self, lanes: int = 1, batch: int = 8, *, opened: bool = True) -> None:
        self.identity = Identity("gated", "1", DIM)
        self.batch = batch
        self.gate = threading.Semaphore(1_000_000 if opened else 0)
        self.entered = threading.Semaphore(0)
        self.calls: list[tuple[Kind, list[str]]] = []
        self.inside = self.most = 0
        self.closed = False
        self.lock = threading.Lock()
        self.lanes: Sequence[Lane] = [GatedLane(self) for _ in range(lanes)]

    def let(self, calls: int = 1_000_000) -> None:
        self.gate.release(calls)

    def close(self) -> None:
        self.closed = True  # only who opened a model may close it


class GatedLane:
    def __init__(self, model: Gated) -> None:
        self.model = model

    def embed(self, texts: Sequence[str], kind: Kind) -> Matrix:
        model = self.model
        with model.lock:
            model.calls.append((kind, list(texts)))
            model.inside += 1
            model.most = max(model.most, model.inside)
        model.entered.release()
        assert model.gate.acquire(timeout=WAIT)
        with model.lock:
            model.inside -= 1
        if any("poison" in text for text in texts):
            raise ConnectionError("no")
        return np.array([vector_of(text, kind) for text in texts], np.float32)


@pytest.fixture
def queued() -> Any:
    made: list[tuple[Gated, QueuedEmbedder]] = []

    def make(lanes: int = 1, batch: int = 8, *, opened: bool = True, **options: Any) -> tuple[Gated, QueuedEmbedder]:
        model = Gated(lanes, batch, opened=opened)
        made.append((model, QueuedEmbedder(model, **options)))
        return made[-1]

    yield make
    for model, queue in made:
        model.let()
        queue.close()


def asked(queue: QueuedEmbedder, text: str) -> "Future[Answer]":
    future: Future[Answer] = Future()
    queue.begin_query(text, ANA, future.set_result)
    return future


def told(queue: QueuedEmbedder, *texts: str) -> "Future[Sequence[Answer]]":
    future: Future[Sequence[Answer]] = Future()
    queue.begin([(texts, future.set_result)])
    return future


# Batches


def test_what_waits_while_the_lane_is_busy_becomes_one_batch(queued: Any) -> None:
    model, queue = queued(batch=32, opened=False)
    futures = [asked(queue, "first")]
    assert model.entered.acquire(timeout=WAIT)
    futures += [asked(queue, f"question {n}") for n in range(20)]
    model.let()
    assert all(isinstance(f.result(WAIT), np.ndarray) for f in futures)
    assert [len(texts) for _, texts in model.calls] == [1, 20]


def test_a_lone_caller_waits_for_nobody(queued: Any) -> None:
    _, queue = queued()
    waits: list[Any] = []
    original = queue._work.wait
    queue._work.wait = lambda timeout=None: waits.append(timeout) or original(timeout)
    for n in range(5):
        queue.embed_query(f"question {n}")
    assert set(waits) <= {None}  # the lane waited for work only, never for a clock


def test_a_batch_is_no_larger_than_the_lane_likes_or_the_caller_allows(queued: Any) -> None:
    for options, most in (({}, 8), ({"max_batch": 3}, 3)):
        model, queue = queued(batch=8, opened=False, **options)
        futures = [asked(queue, f"question {n}") for n in range(30)]
        model.let()
        assert all(isinstance(f.result(WAIT), np.ndarray) for f in futures)
        assert max(len(texts) for _, texts in model.calls) <= most
        assert queue.usage()["largest"] <= most


def test_with_a_wait_a_batch_is_held_until_it_is_full(queued: Any) -> None:
    model, queue = queued(max_batch=4, max_wait_ms=60_000)
    futures = [asked(queue, f"question {n}") for n in range(3)]
    assert not model.entered.acquire(timeout=0.05)
    futures.append(asked(queue, "the fourth"))
    assert all(isinstance(f.result(WAIT), np.ndarray) for f in futures)
    assert [len(texts) for _, texts in model.calls] == [4]


def test_with_a_wait_a_batch_that_does_not_fill_goes_when_it_is_over(queued: Any) -> None:
    model, queue = queued(max_batch=4, max_wait_ms=20)
    assert isinstance(asked(queue, "alone").result(WAIT), np.ndarray)
    assert [len(texts) for _, texts in model.calls] == [1]


def test_closing_does_not_wait_for_a_batch_to_fill(queued: Any) -> None:
    _, queue = queued(max_batch=4, max_wait_ms=60_000)
    future = asked(queue, "alone")
    queue.close()
    assert isinstance(future.result(WAIT), np.ndarray)


def test_texts_of_a_batch_are_sorted_by_length_and_answers_are_not(queued: Any) -> None:
    model, queue = queued(batch=4)
    texts = ["x" * n for n in (9, 1, 8, 2, 7, 3, 6, 4, 5, 10)]
    vectors = queue.embed_documents(texts)
    assert np.allclose(vectors, [vector_of(t, "passage") for t in texts], atol=1e-6)
    lengths = [len(t) for _, batch in model.calls for t in batch]
    assert lengths == sorted(lengths, reverse=True)  # of a load the longest first


def test_questions_and_passages_never_share_a_batch(queued: Any) -> None:
    model, queue = queued(opened=False)
    first = asked(queue, "first")
    assert model.entered.acquire(timeout=WAIT)
    futures = [asked(queue, "same"), told(queue, "same"), asked(queue, "other"), told(queue, "another")]
    model.let()
    first.result(WAIT)
    question, (passage,) = futures[0].result(WAIT), futures[1].result(WAIT)
    assert np.allclose(question, vector_of("same", "query"), atol=1e-6)
    assert np.allclose(passage, vector_of("same", "passage"), atol=1e-6)
    assert sorted((kind, len(texts)) for kind, texts in model.calls[1:]) == [("passage", 2), ("query", 2)]


def test_the_same_text_asked_at_once_by_many_is_embedded_once(queued: Any) -> None:
    model, queue = queued(opened=False)
    with ThreadPoolExecutor(20) as pool:
        futures = [pool.submit(queue.embed_query, "the same") for _ in range(20)]
        assert model.entered.acquire(timeout=WAIT)
        model.let()
        assert len({f.result(WAIT).tobytes() for f in futures}) == 1
    assert sum(len(texts) for _, texts in model.calls) <= 2  # whoever came after the answer asks anew


def test_all_lanes_work_at_the_same_time(queued: Any) -> None:
    model, queue = queued(lanes=3, batch=2, opened=False)
    with ThreadPoolExecutor(1) as pool:
        load = pool.submit(queue.embed_documents, [f"text {n}" for n in range(12)])
        for _ in range(3):
            assert model.entered.acquire(timeout=WAIT)  # three are inside, and none has been let go
        model.let()
        assert load.result(WAIT).shape == (12, DIM)
    assert model.most == 3


# Fairness


def request(text: str, number: int, kind: Kind = "query") -> Request:
    return Request(text, kind, number, 0.0)


def load(backlog: Backlog, count: int) -> None:
    backlog.put_load([request(f"load {n}", n, "passage") for n in range(count)])


def test_a_question_goes_before_all_chunks_that_wait(queued: Any) -> None:
    model, queue = queued(batch=4, opened=False)
    with ThreadPoolExecutor(1) as pool:
        bulk = pool.submit(queue.embed_documents, [f"text {n}" for n in range(400)])
        assert model.entered.acquire(timeout=WAIT)
        question = asked(queue, "a question")
        model.let(2)  # the chunk that is inside, and one call more
        assert isinstance(question.result(WAIT), np.ndarray)
        assert [kind for kind, _ in model.calls[:2]] == ["passage", "query"]
        assert not bulk.done()
        model.let()
        assert bulk.result(WAIT).shape == (400, DIM)


def test_a_load_is_not_starved_by_questions_that_never_stop() -> None:
    backlog = Backlog(4)
    load(backlog, 8)
    kinds: list[str] = []
    for n in range(40):
        backlog.put(request(f"question {n}", n))
        kinds.append(backlog.take(0.0)[0].kind)
    first, second = (i for i, kind in enumerate(kinds) if kind == "passage" and kinds[:i].count("passage") < 2)
    assert second - first == TURNS + 1


def test_chunks_are_cut_to_fit_between_questions_and_whole_again_later() -> None:
    backlog = Backlog(32)
    load(backlog, 1_000)
    assert len(backlog.take(100.0)) == 32
    backlog.put(request("a question", 0))
    question = backlog.take(100.0)
    assert question[0].kind == "query"
    backlog.note(question, 0.004, bulk=False)
    sizes = []
    for _ in range(40):
        chunk = backlog.take(100.1)
        sizes.append(len(chunk))
        backlog.note(chunk, 0.002 + 0.0005 * len(chunk), bulk=True)
    assert sizes[0] == 8  # 6 ms, one and a half questions' time
    assert min(sizes) >= 5
    assert max(sizes) <= 9
    assert len(backlog.take(102.0)) == 32


def test_chunks_recover_from_one_that_took_long() -> None:
    backlog = Backlog(32)
    load(backlog, 10_000)
    backlog.put(request("a question", 0))
    backlog.note(backlog.take(100.0), 0.0025, bulk=False)
    for _ in range(10):
        backlog.note(backlog.take(100.1), 1.0, bulk=True)
    assert len(backlog.take(100.1)) == 1
    for _ in range(20):
        chunk = backlog.take(100.1)
        backlog.note(chunk, 0.002 + 0.0005 * len(chunk), bulk=True)
    assert len(backlog.take(100.1)) >= 2


def test_several_loads_take_turns() -> None:
    backlog = Backlog(2)
    for name in ("a", "b"):
        backlog.put_load([request(f"{name}{n}", n, "passage") for n in range(4)])
    chunks = []
    while batch := backlog.take(0.0):
        chunks.append(batch[0].text[0])
    assert chunks == ["a", "b", "a", "b"]


def test_a_question_for_what_waits_in_a_load_need_not_wait_with_it(queued: Any) -> None:
    model, queue = queued(batch=2, opened=False)
    with ThreadPoolExecutor(1) as pool:
        bulk = pool.submit(queue.embed_documents, [f"text {n}" for n in range(100, 200)])
        assert model.entered.acquire(timeout=WAIT)
        single = told(queue, "text 199")  # would come last
        model.let(2)
        assert np.allclose(single.result(WAIT)[0], vector_of("text 199", "passage"), atol=1e-6)
        model.let()
        bulk.result(WAIT)
    assert sum(texts.count("text 199") for _, texts in model.calls) == 1


# Failures


@pytest.mark.parametrize("count", [2, 7, 64])
@pytest.mark.parametrize("place", ["first", "middle", "last"])
def test_a_failing_text_is_found_by_halving(count: int, place: str) -> None:
    bad = {"first": 0, "middle": count // 2, "last": count - 1}[place]
    calls: list[int] = []

    def embed(texts: Sequence[str]) -> Matrix:
        calls.append(len(texts))
        if str(bad) in texts:
            raise EmbeddingError("no")
        return np.zeros((len(texts), DIM), np.float32)

    answers = isolated(embed, [str(n) for n in range(count)])
    assert [n for n, answer in enumerate(answers) if isinstance(answer, EmbeddingError)] == [bad]
    assert len(calls) <= 2 * (count - 1).bit_length() + 1


def test_a_service_that_is_down_is_not_asked_for_every_text() -> None:
    calls: list[int] = []

    def embed(texts: Sequence[str]) -> Matrix:
        calls.append(len(texts))
        raise EmbeddingError("down")

    assert all(isinstance(answer, EmbeddingError) for answer in isolated(embed, [str(n) for n in range(64)]))
    assert len(calls) == 14


def test_a_failing_text_costs_its_batch_mates_nothing(queued: Any) -> None:
    model, queue = queued(opened=False)
    first = asked(queue, "first")
    assert model.entered.acquire(timeout=WAIT)
    futures = [asked(queue, "poison" if n == 3 else f"question {n}") for n in range(7)]
    model.let()
    first.result(WAIT)
    answers = [f.result(WAIT) for f in futures]
    assert [isinstance(a, EmbeddingError) for a in answers] == [n == 3 for n in range(7)]
    with pytest.raises(EmbeddingError, match="gated failed with ConnectionError"):
        queue.embed_query("poison again")


def test_whatever_a_lane_raises_everybody_gets_an_answer_and_the_lane_lives_on() -> None:
    class Leaving(Gated):
        leave = True

    model = Leaving()
    original = model.lanes[0].embed

    def embed(texts: Sequence[str], kind: Kind) -> Matrix:
        if model.leave:
            raise SystemExit
        return original(texts, kind)

    model.lanes[0].embed = embed  # type: ignore[method-assign]
    queue = QueuedEmbedder(model)
    with pytest.raises(EmbeddingError, match="SystemExit"):
        queue.embed_query("question")
    model.leave = False
    assert queue.embed_query("question").shape == (DIM,)
    queue.close()


def test_a_caller_that_fails_at_its_answer_does_not_cost_others_theirs(queued: Any) -> None:
    model, queue = queued(opened=False)
    queue.begin_query("first", ANA, lambda answer: 1 / 0)
    second = asked(queue, "first")
    model.let()
    assert isinstance(second.result(WAIT), np.ndarray)
    assert queue.embed_query("third").shape == (DIM,)


def test_no_thread_to_be_had_is_an_error_not_a_wait(queued: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    _, queue = queued()

    def refuse(thread: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(threading.Thread, "start", refuse)
    with pytest.raises(EmbeddingError, match="no thread"):
        queue.embed_query("question")
    monkeypatch.undo()
    assert queue.embed_query("question").shape == (DIM,)


@pytest.mark.parametrize("flaw", ["zero", "nan", "infinite", "short", "few", "scalar"])
def test_every_lane_is_checked(flaw: Any) -> None:
    queue = QueuedEmbedder(ObjectModel(LyingEmbedder(flaw)))
    with pytest.raises(EmbeddingError):
        queue.embed_documents(["text", "other"])
    queue.close()


# Back-pressure, closing, interruption


def test_whoever_finds_the_queue_full_waits_for_room(queued: Any) -> None:
    model, queue = queued(batch=2, opened=False, limit=4)
    futures = [asked(queue, "first")]
    assert model.entered.acquire(timeout=WAIT)
    futures += [asked(queue, f"question {n}") for n in range(4)]
    with ThreadPoolExecutor(1) as pool:
        late = pool.submit(asked, queue, "late")
        time.sleep(0.05)
        assert not late.done()
        assert queue.usage()["waiting"] == 4
        model.let()
        futures.append(late.result(WAIT))
    assert all(isinstance(f.result(WAIT), np.ndarray) for f in futures)


def test_closing_answers_single_callers_and_refuses_the_rest_of_a_load(queued: Any) -> None:
    model, queue = queued(batch=2, opened=False)
    with ThreadPoolExecutor(2) as pool:
        bulk = pool.submit(queue.embed_each, [f"text {n}" for n in range(100)])
        assert model.entered.acquire(timeout=WAIT)
        question = asked(queue, "question")
        closing = pool.submit(queue.close)
        time.sleep(0.02)
        model.let()
        closing.result(WAIT)
        assert isinstance(question.result(WAIT), np.ndarray)
        answers = bulk.result(WAIT)
    assert sum(isinstance(a, ClosedError) for a in answers) == 98
    with pytest.raises(ClosedError):
        queue.embed_query("too late")
    assert not [t for t in threading.enumerate() if t in queue._threads]


def test_an_interrupted_caller_leaves_no_work_behind(queued: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    model, queue = queued(batch=2, opened=False)
    first = asked(queue, "first")
    assert model.entered.acquire(timeout=WAIT)
    begin = queue._begin

    def interrupted(*args: Any, **options: Any) -> None:
        begin(*args, **options)
        raise KeyboardInterrupt

    monkeypatch.setattr(queue, "_begin", interrupted)
    with pytest.raises(KeyboardInterrupt):
        queue.embed_each([f"text {n}" for n in range(100)])
    monkeypatch.undo()
    model.let()
    first.result(WAIT)
    assert queue.embed_query("next").shape == (DIM,)
    assert model.calls == [("query", ["first"]), ("query", ["next"])]


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_a_forked_child_has_a_queue_of_its_own(run_python: Callable[..., str]) -> None:
    run_python("""
import os, threading, time
from agentmem_integrations.embedding.any_object import ObjectModel
from agentmem_integrations.embedding.queue import QueuedEmbedder
from agentmem_integrations.testing.embedders import BlockingEmbedder

embedder = BlockingEmbedder()
queue = QueuedEmbedder(ObjectModel(embedder))
stuck = threading.Thread(target=queue.embed_documents, args=(["of the parent"],), daemon=True)
stuck.start()
assert embedder.entered.wait(20)
pid = os.fork()
if pid == 0:
    code = 1
    try:
        embedder.released.set()
        assert queue.embed_documents(["of the child"]).shape == (1, 64)
        assert queue.usage()["texts"] == 1
        queue.close()
        code = 0
    finally:
        os._exit(code)
deadline = time.monotonic() + 20
while time.monotonic() < deadline:
    done, status = os.waitpid(pid, os.WNOHANG)
    if done:
        break
    time.sleep(0.01)
else:
    os.kill(pid, 9)
    raise SystemExit("the child hung")
assert os.waitstatus_to_exitcode(status) == 0
embedder.released.set()
stuck.join(20)
assert not stuck.is_alive()
queue.close()
""")


# Objects


class Async:
    """An embedder of coroutines that remembers the loops it ran on."""

    def __init__(self) -> None:
        self.inner = HashEmbedder(DIM)
        self.loops: set[int] = set()

    async def embed_documents(self, texts: Sequence[str]) -> Matrix:
        await asyncio.sleep(0)
        self.loops.add(id(asyncio.get_running_loop()))
        return self.inner.embed_documents(texts)

    async def embed_query(self, text: str) -> Any:
        return (await self.embed_documents([text]))[0]


class OnlyAsync:
    """Has the names that frameworks give to coroutines."""

    def __init__(self) -> None:
        self.inner = Async()

    async def aembed_documents(self, texts: Sequence[str]) -> Matrix:
        return await self.inner.embed_documents(texts)

    async def aembed_query(self, text: str) -> Any:
        return await self.inner.embed_query(text)


@pytest.mark.parametrize("kind", [Async, OnlyAsync])
async def test_coroutines_run_on_one_private_loop(opened: Opened, kind: type) -> None:
    embedder = kind()
    mem = opened("memory://", embedder=embedder)
    await asyncio.gather(*(mem.aadd(f"note {n}", user_id="ana") for n in range(10)))
    await asyncio.to_thread(mem.add, "green tea", user_id="ana")
    assert (await mem.asearch("green tea", user_id="ana"))[0].memory.text == "green tea"
    loops = (embedder if kind is Async else embedder.inner).loops
    assert len(loops) == 1
    assert id(asyncio.get_running_loop()) not in loops
    await mem.aclose()
    assert not [t for t in threading.enumerate() if t.name == "agentmem-embed-loop"]


async def test_a_memory_with_coroutines_is_closed_where_a_loop_runs(opened: Opened) -> None:
    mem = opened("memory://", embedder=Async())
    mem.add("green tea", user_id="ana")
    mem.close()
    assert not [t for t in threading.enumerate() if t.name == "agentmem-embed-loop"]


def test_an_object_may_say_its_batch_and_take_several_questions(queued: Any) -> None:
    class Both(HashEmbedder):
        batch = 5

        def embed_queries(self, texts: Sequence[str]) -> Matrix:
            return np.stack([self.embed_query(text) for text in texts])

    model = ObjectModel(Both())
    assert (model.batch, ObjectModel(HashEmbedder()).batch) == (5, BATCH)
    assert model.embed(["a", "b"], "query").shape == (2, 64)
    for batch in (0, -1, True, "8"):
        with pytest.raises(InvalidInputError, match="batch"):
            ObjectModel(type("Bad", (HashEmbedder,), {"batch": batch})())
    with pytest.raises(InvalidInputError, match="embed_query"):
        ObjectModel(type("Half", (), {"embed_documents": print})())


def test_a_collection_opens_while_its_object_does_not_answer_and_not_if_it_answers_otherwise(opened: Opened, path: str) -> None:
    class Unmeasured:
        """One that does not say its dimension; 0: it does not answer."""

        name = "unmeasured"

        def __init__(self, dim: int) -> None:
            self._dim = dim

        def embed_query(self, text: str) -> list[float]:
            if not self._dim:
                raise ConnectionError
            return vector_of(text, "query")[: self._dim]

        def embed_documents(self, texts: Sequence[str]) -> list[list[float]]:
            return [self.embed_query(text) for text in texts]

    with pytest.raises(EmbeddingError):
        opened(path, embedder=Unmeasured(0))
    with opened(path, embedder=Unmeasured(4)) as mem:
        mem.add("green tea", user_id="ana")
    with opened(path, embedder=Unmeasured(0)) as mem:
        assert [m.text for m in mem.list(user_id="ana")] == ["green tea"]
        assert len(mem.search("tea", user_id="ana", using="text")) == 1
        assert mem.add("black tea", user_id="ana").status == "queued"
        with pytest.raises(EmbeddingError):
            mem.search("tea", user_id="ana")
    with pytest.raises(EmbedderMismatchError, match="5 dimensions"):
        opened(path, embedder=Unmeasured(5))


@pytest.mark.parametrize("several", [False, True])
def test_questions_to_an_object_share_a_call_only_where_it_takes_several(several: bool) -> None:
    class Waiting(BlockingEmbedder):
        def embed_query(self, text: str) -> Any:
            self.entered.set()
            assert self.released.wait(WAIT)
            return super().embed_query(text)

    class Several(Waiting):
        def embed_queries(self, texts: Sequence[str]) -> Matrix:
            return BlockingEmbedder.embed_documents(self, texts)

    embedder = Several() if several else Waiting()
    queue = QueuedEmbedder(ObjectModel(embedder))
    futures = [asked(queue, "first")]
    assert embedder.entered.wait(WAIT)
    futures += [asked(queue, f"question {n}") for n in range(10)]
    embedder.released.set()
    assert all(isinstance(f.result(WAIT), np.ndarray) for f in futures)
    assert queue.usage()["batches"] == (2 if several else 11)
    queue.close()


def test_an_immediate_object_is_asked_without_a_queue(opened: Opened) -> None:
    class Immediate(HashEmbedder):
        immediate = True

        def embed_documents(self, texts: Sequence[str]) -> Matrix:
            assert threading.current_thread().name != "agentmem-lane"
            return super().embed_documents(texts)

    embedder = Immediate()
    mem = opened("memory://", embedder=embedder)
    mem.add("green tea", user_id="ana")
    mem.add("green tea", user_id="ana")
    assert mem.search("green tea", user_id="ana")
    assert embedder.batches == [["green tea"]] * 2  # nor is anything kept
    assert "embedding_queue" not in mem.stats()


# As a whole


def test_twenty_concurrent_adds_are_few_calls(opened: Opened) -> None:
    model = Gated(batch=32, opened=False)
    mem = opened("memory://", embedder=model)
    with ThreadPoolExecutor(20) as pool:
        adds = [pool.submit(mem.add, f"note {n}", user_id="ana") for n in range(20)]
        assert model.entered.acquire(timeout=WAIT)
        deadline = time.monotonic() + WAIT
        while mem.stats()["embedding_queue"]["waiting"] + len(model.calls[0][1]) < 20 and time.monotonic() < deadline:
            time.sleep(0.001)
        model.let()
        assert {a.result(WAIT).status for a in adds} == {"done"}
    assert len(model.calls) == 2


def test_a_model_is_closed_by_whoever_opened_it(opened: Opened) -> None:
    model = Gated()
    with opened("memory://", embedder=model) as mem:
        mem.add("tea", user_id="ana")
    assert not model.closed


async def test_what_one_caller_says_first_is_stored_first(opened: Opened) -> None:
    model = Gated(lanes=4, batch=1, opened=False)
    mem = opened("memory://", embedder=model)
    tasks = [asyncio.create_task(mem.aadd(f"note {n}", user_id="ana")) for n in range(40)]
    await asyncio.sleep(0)
    model.let()
    await asyncio.gather(*tasks)
    assert [m.text for m in await mem.alist(user_id="ana")] == [f"note {n}" for n in range(40)]


async def test_awaited_questions_hold_no_thread(opened: Opened) -> None:
    model = Gated(batch=64, opened=False)
    mem = opened("memory://", embedder=model)
    mem.add({"text": "old", "vector": [1.0] * DIM}, user_id="ana")
    asking = [asyncio.create_task(mem.asearch(f"question {n}", user_id="ana")) for n in range(50)]
    assert await asyncio.to_thread(model.entered.acquire, timeout=WAIT)
    assert [m.text for m in await mem.alist(user_id="ana")] == ["old"]  # more ask than there are threads, and reads go on
    model.let()
    assert all(len(hits) == 1 for hits in await asyncio.gather(*asking))
    assert len(model.calls) <= 4


def test_collections_with_the_same_object_share_its_queue(opened: Opened) -> None:
    embedder = HashEmbedder()
    mem = opened("memory://", embedder=embedder)
    other = mem.collection("other", embedder=embedder)
    other.add("tea", user_id="ana")
    mem.add("milk", user_id="ana")
    assert mem.stats()["embedding_queue"] == other.stats()["embedding_queue"]
    assert mem.stats()["embedding_queue"]["texts"] == 2


def test_a_failing_add_among_others_is_owed_its_vector_alone(opened: Opened) -> None:
    mem = opened("memory://", embedder=FailingEmbedder(failing=False, poison="poison"))
    with ThreadPoolExecutor(8) as pool:
        results = list(pool.map(lambda n: mem.add("a poison" if n == 5 else f"note {n}", user_id="ana"), range(16)))
    assert [r.status for r in results] == ["queued" if n == 5 else "done" for n in range(16)]


def test_a_backlog_that_counts_more_than_it_has_goes_on() -> None:
    backlog = Backlog(4)
    lost = request("tea", 0)
    backlog.put(lost)
    backlog._lines[lost.kind].clear()  # as after an interrupt between counting and putting
    assert backlog.take(100.0) == []
    assert backlog.singles == 0
    backlog.put(request("milk", 1))
    assert [r.text for r in backlog.take(100.0)] == ["milk"]


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_a_lane_whose_thread_died_is_started_again(queued: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    _, queue = queued()
    with monkeypatch.context() as broken:
        broken.setattr(Backlog, "take", lambda self, now: [][0])
        lost = asked(queue, "tea")
        for thread in list(queue._threads):
            thread.join(WAIT)
    assert np.allclose(queue.embed_query("milk"), vector_of("milk", "query"), atol=1e-6)
    assert isinstance(lost.result(WAIT), np.ndarray)


@pytest.mark.parametrize("queue", [32, (32,), (0, 10), (32, -1), (32, "10"), (True, 1), ("32", 10), (32, 1e9)])
def test_a_queue_that_is_none_is_refused(queue: Any) -> None:
    with pytest.raises(InvalidInputError, match="queue"):
        AgentMemory("memory://", queue=queue)


@settings(max_examples=25)
@given(
    st.integers(1, 3), st.integers(1, 5), st.sampled_from([0.0, 1.0]),
    st.lists(st.tuples(st.sampled_from(["query", "single", "load"]), st.lists(st.text("ab", max_size=3), max_size=12)), max_size=8),
)  # fmt: skip
def test_a_queue_answers_as_its_model_does_whatever_comes_between(lanes: int, batch: int, wait: float, calls: Any) -> None:
    queue = QueuedEmbedder(Gated(lanes, batch), max_wait_ms=wait)

    def call(one: tuple[str, list[str]]) -> list[np.ndarray]:
        how, texts = one
        if how == "query":
            return [queue.embed_query(text) for text in texts]
        return list(queue.embed_documents(texts) if how == "load" else told(queue, *texts).result(WAIT))

    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(call, calls))
    queue.close()
    for (how, texts), vectors in zip(calls, found, strict=True):
        expected = [vector_of(text, "query" if how == "query" else "passage") for text in texts]
        assert len(vectors) == len(expected)
        assert all(np.allclose(v, e, atol=1e-6) for v, e in zip(vectors, expected, strict=True))
    assert all(a <= b for a, b in pairwise([0, queue.usage()["batches"], queue.usage()["texts"]]))


# A lane that is kept for questions, and callers who embed in their own thread


def test_while_somebody_asks_one_lane_is_kept_from_the_loads() -> None:
    backlog = Backlog(4, lanes=2)
    load(backlog, 100)
    first, second = backlog.take(100.0), backlog.take(100.0)
    assert (len(first), len(second)) == (4, 4), "nobody asks: both lanes load"
    backlog.put(request("a question", 0))
    backlog.note(first, 0.01, bulk=True)
    assert [r.kind for r in backlog.take(100.1)] == ["query"]
    assert backlog.take(100.2) == [], "the other lane loads, this one is kept"
    assert backlog.next_at(100.2) == 101.1
    backlog.note(second, 0.01, bulk=True)
    assert len(backlog.take(100.3)) == 4
    assert len(backlog.take(101.2)) == 4, "nobody asked for long enough"


def test_a_question_beside_a_load_waits_for_no_chunk(queued: Any) -> None:
    model, queue = queued(lanes=2, batch=4, opened=False)
    with ThreadPoolExecutor(1) as pool, ExitStack() as end:
        end.callback(model.let)  # else a failure would wait for the load
        pool.submit(queue.embed_documents, [f"text {n}" for n in range(100)])
        for _ in range(2):
            assert model.entered.acquire(timeout=WAIT)
        one, two = asked(queue, "one"), asked(queue, "two of them")
        model.let(2)  # both chunks: from here on a lane is kept
        for _ in range(2):
            assert model.entered.acquire(timeout=WAIT)
        assert "query" in (model.calls[2][0], model.calls[3][0]), "whichever lane came first"
        model.let(2)
        assert isinstance(one.result(WAIT), np.ndarray)
        assert isinstance(two.result(WAIT), np.ndarray)
        kinds = [kind for kind, _ in model.calls]
        assert kinds.count("query") >= 1


class Anywhere(Gated):
    """Remembers which threads it was used by."""

    anywhere = True

    def __init__(self, *, opened: bool = True, error: BaseException | None = None) -> None:
        super().__init__(1, 4, opened=opened)
        self.threads: list[threading.Thread] = []
        self.error = error
        model, lane = self, self.lanes[0]

        class Lane:
            def embed(self, texts: Sequence[str], kind: Kind) -> Matrix:
                model.threads.append(threading.current_thread())
                matrix = lane.embed(texts, kind)
                if model.error is not None:
                    raise model.error
                return matrix

        self.lanes = [Lane()]


def test_a_lone_caller_embeds_in_his_own_thread() -> None:
    model = Anywhere()
    queue = QueuedEmbedder(model)
    np.testing.assert_allclose(queue.embed_query("tea"), vector_of("tea", "query"), atol=1e-6)
    assert model.threads == [threading.current_thread()]
    assert queue.usage() == {"batches": 1, "texts": 1, "joined": 0, "largest": 1, "waiting": 0}
    queue.close()


def test_whoever_comes_meanwhile_is_answered_when_the_lone_caller_is_done() -> None:
    model = Anywhere(opened=False)
    queue = QueuedEmbedder(model)
    with ThreadPoolExecutor(3) as pool:
        first = pool.submit(queue.embed_query, "tea")
        assert model.entered.acquire(timeout=WAIT)
        others = [pool.submit(queue.embed_query, text) for text in ("tea", "milk")]
        while queue.usage()["joined"] + queue.usage()["waiting"] < 2:
            time.sleep(0.001)
        model.let()
        np.testing.assert_array_equal(first.result(WAIT), others[0].result(WAIT))
        np.testing.assert_allclose(others[1].result(WAIT), vector_of("milk", "query"), atol=1e-6)
    assert [texts for _, texts in model.calls] == [["tea"], ["milk"]]
    queue.close()


def test_closing_waits_for_a_caller_who_embeds_in_his_own_thread() -> None:
    model = Anywhere(opened=False)
    queue = QueuedEmbedder(model)
    with ThreadPoolExecutor(2) as pool:
        asking = pool.submit(queue.embed_query, "tea")
        assert model.entered.acquire(timeout=WAIT)
        closing = pool.submit(queue.close)
        time.sleep(0.02)
        assert not closing.done()
        model.let()
        assert isinstance(asking.result(WAIT), np.ndarray)
        closing.result(WAIT)
    with pytest.raises(ClosedError):
        queue.embed_query("too late")


def test_an_interrupt_of_a_caller_in_his_own_thread_is_his_alone() -> None:
    model = Anywhere(error=KeyboardInterrupt())
    queue = QueuedEmbedder(model)
    with pytest.raises(KeyboardInterrupt):
        queue.embed_query("tea")
    model.error = None
    np.testing.assert_allclose(queue.embed_query("tea"), vector_of("tea", "query"), atol=1e-6)
    queue.close()


def test_an_error_of_the_model_reaches_the_caller_in_his_own_thread() -> None:
    queue = QueuedEmbedder(Anywhere())
    with pytest.raises(EmbeddingError):
        queue.embed_query("poison")
    queue.close()
