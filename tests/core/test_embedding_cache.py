"""What was embedded before is not embedded again: in this process, after reopening, in another; until it is purged."""

import os
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import apsw
import numpy as np
import pytest

from agentmem_integrations import SHARED, AgentMemory, InvalidInputError, ScopeError
from agentmem_integrations.embedding.vector_cache import ENTRY_BYTES, CachedEmbedder, VectorCache
from agentmem_integrations.fingerprint import embedding_key
from agentmem_integrations.models import Identity
from agentmem_integrations.ports import Matrix, Vector
from agentmem_integrations.testing.embedders import BlockingEmbedder, FailingEmbedder, HashEmbedder

Opened = Callable[..., AgentMemory]


@pytest.fixture
def embedder() -> HashEmbedder:
    return HashEmbedder()


def calls(embedder: HashEmbedder) -> int:
    return len(embedder.batches) + len(embedder.queries)


def kept(path: str) -> int:
    connection = apsw.Connection(path)
    try:
        return int(connection.execute("SELECT count(*) FROM embedding_cache").get)
    finally:
        connection.close()


# What costs nothing the second time


def test_a_thousand_repeats_cost_no_call(url: str, opened: Opened, embedder: HashEmbedder) -> None:
    mem = opened(url, embedder=embedder)
    mem.add("green tea", user_id="ana")
    mem.search("what does she drink?", user_id="ana")
    before = calls(embedder)
    for _ in range(500):
        assert mem.add("green tea", user_id="ana").events[0].event == "NONE"
        assert mem.search("what does she drink?", user_id="ana")
    assert calls(embedder) == before == 2


def test_repeats_cost_no_call_after_reopening_the_file(path: str, opened: Opened) -> None:
    with opened(path) as mem:
        mem.add("green tea", user_id="ana", name="Ana")
        mem.add_batch([f"note {n}" for n in range(100)], user_id="ana")
        mem.search("what does she drink?", user_id="ana")
    embedder = HashEmbedder()
    mem = opened(path, embedder=embedder)
    for _ in range(10):
        mem.add("green tea", user_id="ana", name="Ana")
        mem.add_batch([f"note {n}" for n in range(100)], user_id="ana")
        assert mem.search("what does she drink?", user_id="ana")[0].memory is not None
    assert calls(embedder) == 0
    usage = mem.stats()["embedding_cache"]
    assert usage["file"] == {"hits": 102, "misses": 0, "entries": 102, "bytes": 102 * 64 * 4}
    assert (usage["ram"]["entries"], usage["ram"]["misses"]) == (102, 102)
    assert usage["ram"]["hits"] == 9 * 102


async def test_awaited_repeats_cost_no_call_either(url: str, opened: Opened, embedder: HashEmbedder) -> None:
    mem = opened(url, embedder=embedder)
    await mem.aadd("green tea", user_id="ana")
    await mem.asearch("tea?", user_id="ana")
    for _ in range(20):
        await mem.aadd("green tea", user_id="ana")
        await mem.asearch("tea?", user_id="ana")
    assert calls(embedder) == 2


CHANGES: dict[str, Callable[[AgentMemory], Any]] = {
    "metadata": lambda mem: mem.update("m", metadata={"a": 1}),
    "importance": lambda mem: mem.update("m", importance=0.5),
    "the same words under the same id": lambda mem: mem.add("green tea", id="m", user_id="ana", metadata={"b": 1}),
    "words it had before": lambda mem: (mem.update("m", text="milk", user_id="ana"), mem.update("m", text="green tea")),
    "adding what was deleted": lambda mem: (mem.delete("m"), mem.add("green tea", user_id="ana")),
    "the same words of another owner": lambda mem: mem.add("green tea", user_id="ben"),
    "the same words in a batch": lambda mem: mem.add_batch(["green tea", "green tea"], user_id="carl"),
    "the same words in another session": lambda mem: mem.add("green tea", user_id="ana", session_id="s"),
}


@pytest.mark.parametrize("change", CHANGES)
@pytest.mark.parametrize("reopened", [False, True], ids=["at_once", "reopened"])
def test_known_words_are_not_embedded_again(path: str, opened: Opened, change: str, reopened: bool) -> None:
    embedder = HashEmbedder()
    mem = opened(path, embedder=embedder)
    mem.add("milk", user_id="ben")
    mem.add("green tea", id="m", user_id="ana")
    if reopened:
        mem.close()
        mem = opened(path, embedder=embedder)
    before = calls(embedder)
    CHANGES[change](mem)
    assert calls(embedder) == before
    for user in ("ana", "ben", "carl"):
        for hit in mem.search("green tea", user_id=user, using="vector"):
            assert hit.memory.text != "green tea" or hit.score == pytest.approx(1, abs=1e-5)


def test_another_collection_with_the_same_model_finds_them_too(path: str, opened: Opened, embedder: HashEmbedder) -> None:
    mem = opened(path, embedder=embedder)
    mem.add("green tea", user_id="ana")
    mem.collection("docs", embedder=embedder, twins="keep").add("green tea")
    with opened(path, embedder=HashEmbedder()) as again:
        again.collection("more", embedder=embedder, twins="keep").add("green tea")
    assert embedder.batches == [["green tea"]]


def test_the_same_text_twice_in_a_batch_is_embedded_once(url: str, opened: Opened, embedder: HashEmbedder) -> None:
    opened(url, embedder=embedder, twins="keep").add_batch(["tea", "milk", "tea", "tea"])
    assert [sorted(batch) for batch in embedder.batches] == [["milk", "tea"]]


def test_what_many_add_at_once_is_embedded_once(url: str, opened: Opened) -> None:
    embedder = BlockingEmbedder()
    mem = opened(url, embedder=embedder)
    with ThreadPoolExecutor(10) as pool:
        adds = [pool.submit(mem.add, "green tea", user_id=f"user {n}") for n in range(10)]
        assert embedder.entered.wait(30)
        embedder.released.set()
        assert {a.result(30).events[0].event for a in adds} == {"ADD"}
    assert embedder.batches == [["green tea"]]


def test_an_owed_vector_is_kept_once_it_is_made(path: str, opened: Opened) -> None:
    embedder = FailingEmbedder()
    with opened(path, embedder=embedder) as mem:
        mem.add("green tea", user_id="ana")
        embedder.failing = False
        mem.flush()
    fresh = HashEmbedder()
    opened(path, embedder=fresh).add("green tea", user_id="ben")
    assert calls(fresh) == 0


def test_what_was_stored_before_there_was_a_cache_is_kept_when_it_is_told_again(path: str, opened: Opened) -> None:
    told = ({"text": "green tea", "user_id": "ana"}, {"text": "milk", "user_id": "ana", "id": "m"})
    for budget, expected in ((0, 2), (10_000, 2), (10_000, 0)):
        embedder = HashEmbedder()
        with opened(path, embedder=embedder, embedding_cache_bytes=budget) as mem:
            for item in told:
                mem.add(item, user_id="ana")
        assert calls(embedder) == expected


def test_a_failure_is_not_kept(url: str, opened: Opened) -> None:
    embedder = FailingEmbedder()
    mem = opened(url, embedder=embedder)
    mem.add("green tea", user_id="ana")
    embedder.failing = False
    assert mem.add("green tea", user_id="ben").status == "done"


def test_processes_share_what_is_in_the_file(path: str, opened: Opened, run_python: Callable[..., str]) -> None:
    run_python(
        """
import sys
from agentmem_integrations import AgentMemory
from agentmem_integrations.testing.embedders import HashEmbedder
with AgentMemory(sys.argv[1], embedder=HashEmbedder()) as mem:
    mem.add("green tea", user_id="ana")
    mem.search("tea?", user_id="ana")
""",
        path,
    )
    embedder = HashEmbedder()
    mem = opened(path, embedder=embedder)
    mem.add("green tea", user_id="ben")
    mem.search("tea?", user_id="ben")
    assert calls(embedder) == 0


# What is kept apart


class Sided(HashEmbedder):
    """Embeds a question otherwise than a passage of the same words."""

    def embed_query(self, text: str) -> Vector:
        return super().embed_query(f"query: {text}")

    def embed_documents(self, texts: Sequence[str]) -> Matrix:
        return super().embed_documents([f"passage: {text}" for text in texts])


def test_a_question_and_a_passage_of_the_same_words_are_kept_apart(path: str, opened: Opened) -> None:
    for _ in range(2):  # the second time from the file
        with opened(path, embedder=Sided()) as mem:
            mem.add("green tea", user_id="ana")
            (hit,) = mem.search("green tea", user_id="ana", using="vector")
            assert 0.2 < hit.score < 0.95


def test_another_embedder_finds_nothing_of_this_ones(path: str, opened: Opened) -> None:
    with opened(path, embedder=HashEmbedder()) as mem:
        mem.add("green tea", user_id="ana")
    for number, other in enumerate([HashEmbedder(name="other"), HashEmbedder(dim=32)]):
        with opened(path, embedder=None) as mem:
            mem.collection(f"other {number}", embedder=other).add("green tea", user_id="ana")
        assert other.batches == [["green tea"]]


def test_no_two_things_have_the_same_key() -> None:
    parts = [
        (Identity(name, revision, dim), kind, text)
        for name in ("a", "a', 'b") for revision in ("", "1") for dim in (1, 11)
        for kind in ("query", "passage") for text in ("", "x", "\ud800")
    ]  # fmt: skip
    assert len({embedding_key(*part) for part in parts}) == len(parts)
    assert {len(embedding_key(*part)) for part in parts} == {32}


def test_a_callers_own_vector_is_not_taken_for_the_embedders(url: str, opened: Opened, embedder: HashEmbedder) -> None:
    mem = opened(url, embedder=embedder)
    mem.add({"text": "green tea", "vector": [1.0] * 64}, user_id="ana")
    mem.add("green tea", user_id="ben")
    assert embedder.batches == [["green tea"]]
    assert mem.search("green tea", user_id="ben", using="vector")[0].score == pytest.approx(1, abs=1e-5)


def test_the_bundled_embedder_keeps_nothing(path: str, opened: Opened) -> None:
    with opened(path, embedder="static") as mem:
        mem.add("green tea", user_id="ana")
        mem.search("tea?", user_id="ana")
        assert "embedding_cache" not in mem.stats()
    assert kept(path) == 0


def test_a_question_of_somebody_without_memories_is_kept_in_ram_alone(path: str, opened: Opened, embedder: HashEmbedder) -> None:
    with opened(path, embedder=embedder) as mem:
        for _ in range(3):
            mem.search("tea?", user_id="nobody")
        assert embedder.queries == ["tea?"]
        mem.flush()
    assert kept(path) == 0


# Bounds


def vector(number: int) -> Vector:
    return np.full(64, number, np.float32)


def test_ram_holds_so_many_bytes_and_those_used_last() -> None:
    cache = VectorCache(3 * (256 + ENTRY_BYTES))
    for n in range(3):
        cache.put({bytes([n]): vector(n)})
    assert cache.find([b"\0"])  # used again
    cache.put({b"\3": vector(3)})
    assert sorted(cache.find([bytes([n]) for n in range(4)])) == [b"\0", b"\2", b"\3"]
    usage = cache.usage()
    assert usage["bytes"] == cache.budget
    assert (usage["entries"], usage["hits"], usage["misses"]) == (3, 4, 1)
    cache.put({b"\4": np.zeros(10_000, np.float32)})  # larger than all of it
    assert cache.usage()["entries"] == 3
    cache.clear()
    assert cache.usage()["bytes"] == 0


def test_a_vector_in_ram_does_not_hold_its_batch_and_cannot_be_changed() -> None:
    cache = VectorCache(10_000)
    cache.put({b"k": np.zeros((1_000, 8), np.float32)[3]})
    found = cache.find([b"k"])[b"k"]
    assert found.base is None
    assert not found.flags.writeable


def test_the_file_holds_so_many_bytes_and_the_newest(path: str, opened: Opened) -> None:
    with opened(path, embedding_cache_bytes=10 * 256) as mem:
        for n in range(30):
            mem.add(f"note {n}", user_id="ana")
        assert mem.stats()["embedding_cache"]["file"]["bytes"] == 10 * 256
        mem.add_batch([f"bulk {n}" for n in range(100)], user_id="ana")
        assert mem.stats()["embedding_cache"]["file"]["entries"] == 10
    embedder = HashEmbedder()
    mem = opened(path, embedder=embedder, embedding_cache_bytes=10 * 256)
    mem.add("bulk 99", user_id="ben")
    assert embedder.batches == []
    mem.add("bulk 0", user_id="ben")
    assert embedder.batches == [["bulk 0"]]


def test_no_bytes_mean_no_cache(path: str, opened: Opened, embedder: HashEmbedder) -> None:
    with opened(path, embedder=embedder, embedding_cache_bytes=0) as mem:
        for user in ("ana", "ben"):
            mem.add("green tea", user_id=user)
            mem.search("tea?", user_id=user)
    assert calls(embedder) == 4
    assert kept(path) == 0
    with pytest.raises(InvalidInputError, match="embedding_cache_bytes"):
        AgentMemory("memory://", embedding_cache_bytes=-1)


def test_a_spoilt_vector_in_the_file_is_made_anew(path: str, opened: Opened, embedder: HashEmbedder) -> None:
    opened(path).add("green tea", user_id="ana")
    connection = apsw.Connection(path)
    connection.execute("UPDATE embedding_cache SET vector = x'00000000'")
    connection.close()
    opened(path, embedder=embedder).add("green tea", user_id="ben")
    assert embedder.batches == [["green tea"]]


# Purge (that no byte is left is shown in test_purge_leaves_nothing.py)


def test_a_purged_text_is_embedded_again_and_others_are_not(path: str, opened: Opened, embedder: HashEmbedder) -> None:
    mem = opened(path, embedder=embedder)
    mem.add("of ana", user_id="ana")
    mem.add("of ben", user_id="ben")
    mem.search("ana asks", user_id="ana")
    mem.search("ben asks", user_id="ben")
    mem.purge(user_id="ana")
    assert kept(path) == 2
    assert mem.stats()["embedding_cache"]["ram"]["entries"] == 0
    before = calls(embedder)
    mem.add("of ben", user_id="carl")
    mem.search("ben asks", user_id="carl")
    assert calls(embedder) == before
    mem.add("of ana", user_id="carl")
    mem.search("ana asks", user_id="carl")
    assert calls(embedder) == before + 2


def test_purging_one_memory_forgets_its_text_and_the_owners_questions(path: str, opened: Opened) -> None:
    mem = opened(path)
    mem.add("first", id="a", user_id="ana")
    mem.update("a", text="second")
    mem.add("third", id="b", user_id="ana")
    mem.search("question", user_id="ana")
    mem.flush()
    assert kept(path) == 4
    mem.purge("a")
    assert kept(path) == 1  # of what it said before, too


# Warm


def test_warm_reads_what_the_first_question_needs(path: str, opened: Opened) -> None:
    with opened(path) as mem:
        mem.add_batch([f"note {n}" for n in range(20)], user_id="ana")
        mem.add("of ben", user_id="ben")
        mem.search("a question", user_id="ana")
    embedder = HashEmbedder()
    mem = opened(path, embedder=embedder)
    assert mem.warm(user_id="ana", queries=["a question", "a new question"]) == 20
    assert embedder.queries == ["a new question"]
    mem.flush()  # the new question is kept by now
    before = mem.stats()
    assert mem.search("a new question", user_id="ana")
    assert mem.search("a question", user_id="ana")
    after = mem.stats()
    assert after["matrix_cache"]["misses"] == before["matrix_cache"]["misses"] == 1
    assert after["embedding_cache"]["file"] == before["embedding_cache"]["file"]
    assert after["embedding_cache"]["ram"]["entries"] == 22  # none of Ben's
    assert mem.for_user("ben").warm() == 1
    assert mem.warm(user_id="nobody") == 0


async def test_warm_can_be_awaited(mem: AgentMemory) -> None:
    await mem.aadd("green tea", user_id=SHARED)
    assert await mem.awarm(user_id=SHARED, queries=["tea?"]) == 1


def test_warm_says_what_it_cannot_take(mem: AgentMemory) -> None:
    with pytest.raises(ScopeError):
        mem.warm(queries=["tea?"])
    with pytest.raises(InvalidInputError, match="list"):
        mem.warm(user_id="ana", queries="tea?")
    with pytest.raises(InvalidInputError):
        mem.warm(user_id="ana", queries=[""])


def test_warm_works_without_a_model(path: str, opened: Opened) -> None:
    for embedder in ("static", None):
        mem = opened(path, embedder=embedder, namespace=str(embedder))
        mem.add("green tea", user_id="ana")
        assert mem.warm(user_id="ana", queries=["tea?"]) == (0 if embedder is None else 1)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
@pytest.mark.posix("forks")
def test_a_forked_child_finds_no_lock_held(run_python: Callable[..., str]) -> None:
    run_python("""
import os, time
from agentmem_integrations.embedding.vector_cache import VectorCache
cache = VectorCache(10_000)
cache._lock.acquire()
pid = os.fork()
if pid == 0:
    os._exit(0 if cache.find([b"x"]) == {} else 1)
deadline = time.monotonic() + 20
while time.monotonic() < deadline:
    done, status = os.waitpid(pid, os.WNOHANG)
    if done:
        raise SystemExit(os.waitstatus_to_exitcode(status))
    time.sleep(0.01)
os.kill(pid, 9)
raise SystemExit("the child hung")
""")


def test_threads_may_find_and_put_at_once() -> None:
    cache = VectorCache(50 * (256 + ENTRY_BYTES))
    wrong: list[int] = []

    def work(start: int) -> None:
        for n in range(start, start + 2_000):
            key = (n % 200).to_bytes(2)
            cache.put({key: vector(n % 200)})
            wrong.extend(n for found in cache.find([key]).values() if found[0] != n % 200)

    threads = [threading.Thread(target=work, args=(n * 37,)) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []
    assert cache.usage()["bytes"] <= cache.budget


def test_what_was_made_meanwhile_is_not_made_again(opened: Opened, path: str) -> None:
    """Looked for just before it was there, asked for just after it was on its way."""
    embedder = HashEmbedder()
    mem = opened(path, embedder=embedder)
    cached = mem._room.searching.embedder
    assert cached is not None
    cached.embed_documents(["the same words"])
    made = len(embedder.batches)
    assert isinstance(cached, CachedEmbedder)
    assert cached.queue.embed_each(["the same words"])[0] is not None
    assert len(embedder.batches) == made
    cached.check()
    cached.check()
    assert len(embedder.batches) == made + 2
