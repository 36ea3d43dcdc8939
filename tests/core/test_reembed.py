"""A collection changes its embedder while it is in use, and whatever happens in between, no memory is without its vector."""

import os
import random
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import apsw
import numpy as np
import pytest

from agentmem_integrations import SHARED, AgentMemory, ConflictError, EmbedderMismatchError, EmbeddingError, InvalidInputError
from agentmem_integrations.models import Memory, Scope
from agentmem_integrations.pipeline import reembed as hallway
from agentmem_integrations.pipeline.write_stages.embed import Writing
from agentmem_integrations.ports import Insert
from agentmem_integrations.testing.embedders import FailingEmbedder, HashEmbedder

Opened = Callable[..., AgentMemory]
Run = Callable[..., str]

OLD, NEW = "hash", "next"


@pytest.fixture(autouse=True)
def pages_are_short(monkeypatch: pytest.MonkeyPatch) -> None:
    """So that a few memories take several transactions."""
    monkeypatch.setattr(hallway, "PAGE", 10)


def following(dim: int = 24) -> HashEmbedder:
    return HashEmbedder(dim, NEW)


def after(count: int, do: Callable[[], object]) -> Callable[[int], None]:
    """Return a `progress` that does something once, when so many are done."""
    waiting = [do]

    def progress(done: int) -> None:
        if done >= count and waiting:
            waiting.pop()()

    return progress


def interrupt() -> None:
    raise InterruptedError


def interrupted(mem: AgentMemory, embedder: HashEmbedder, count: int) -> None:
    with pytest.raises(InterruptedError):
        mem.reembed(embedder, progress=after(count, interrupt))


def stored(path: str, namespace: str = "default") -> list[tuple[str, str, bytes, bool]]:
    """Every vector of a collection that is in the file: id, field, numbers, and whether it counts."""
    connection = apsw.Connection(path, flags=apsw.SQLITE_OPEN_READONLY)
    try:
        return connection.execute(
            "SELECT m.id, v.field, v.vector, v.generation = c.generation FROM vectors v JOIN memories m ON m.no = v.memory "
            "JOIN scopes s ON s.no = v.scope JOIN collections c ON c.no = s.collection WHERE c.name = ? ORDER BY v.no",
            (namespace,),
        ).fetchall()
    finally:
        connection.close()


def is_embedded_with(path: str, mem: AgentMemory, embedder: HashEmbedder, *users: Any) -> None:
    """Every live memory has exactly one vector, the right one; nothing else has any."""
    live = [m for user in users for m in mem.list(user_id=user, limit=10_000)]
    texts = {m.id: f"{m.name}: {m.text}" if m.name else m.text for m in live}
    vectors = stored(path)
    assert sorted(id for id, *_ in vectors) == sorted(texts)
    for id, field, numbers, counts in vectors:
        assert (field, counts) == ("text", True)
        assert numbers == embedder.embed_query(texts[id]).tobytes(), id


def embedded(embedder: HashEmbedder) -> list[str]:
    return [text for batch in embedder.batches for text in batch]


def similarities(mem: AgentMemory, query: str, user: Any = "ana") -> dict[str, float]:
    return {h.memory.text: h.parts["similarity"] for h in mem.search(query, user_id=user, using="vector", k=1_000)}


# After


def test_memories_are_found_by_the_new_vectors(url: str, opened: Opened) -> None:
    mem, new = opened(url), following()
    mem.add_batch([f"note {n} of some words" for n in range(35)], user_id="ana")
    mem.add("said by her", user_id="ana", name="Ana")
    mem.add("of nobody", user_id=SHARED)
    before = similarities(mem, "note 7 of some words")
    assert mem.reembed(new) == 37
    assert sorted(embedded(new)) == sorted([*(f"note {n} of some words" for n in range(35)), "Ana: said by her", "of nobody"])
    now = similarities(mem, "note 7 of some words")
    question = new.embed_query("note 7 of some words")
    assert now.keys() == before.keys()
    assert now != before
    for text, similarity in now.items():
        spoken = f"Ana: {text}" if text == "said by her" else text
        assert similarity == pytest.approx(float(new.embed_query(spoken) @ question), abs=1e-5)
    assert mem.search("note 7 of some words", user_id="ana")[0].memory.text == "note 7 of some words"


def test_this_memory_and_its_views_go_on_with_the_new_embedder(path: str, opened: Opened) -> None:
    mem, new = opened(path), following()
    ana, again = mem.for_user("ana"), mem.collection("default", embedder=HashEmbedder())
    words = mem.collection("default", embedder=None)
    other = mem.collection("other", embedder=HashEmbedder())
    ana.add("before")
    other.add("of another collection", user_id="ana")
    again.reembed(new)
    assert ana.add("by the view").status == "done"
    assert again.add("by the other view", user_id="ana").status == "done"
    assert mem.add({"text": "with a vector", "vector": [1.0] * 24}, user_id="brought").status == "done"
    assert words.add("without an embedder", user_id="ana").status == "queued"
    assert other.add("still the old one", user_id="ana").status == "done"
    assert mem.flush() == 0
    mem.purge(user_id="brought")
    is_embedded_with(path, mem, new, "ana")
    assert ana.search("by the view", using="vector")[0].parts["similarity"] == pytest.approx(1, abs=1e-5)
    assert {len(v) for _, _, v, _ in stored(path, "other")} == {4 * 64}


def test_a_changed_collection_opens_with_the_new_embedder_alone(path: str, opened: Opened) -> None:
    with opened(path) as mem:
        mem.add("tea", user_id="ana")
        mem.reembed(following())
    with pytest.raises(EmbedderMismatchError, match=r"next \(revision 1, 24 .* hash .*embedder=None\)\.reembed.*agentmem reembed"):
        opened(path)
    assert similarities(opened(path, embedder=following()), "tea") == {"tea": pytest.approx(1, abs=1e-5)}


def test_the_same_embedder_again_has_nothing_to_do(path: str, opened: Opened) -> None:
    mem, same = opened(path), HashEmbedder()
    mem.add("tea", user_id="ana")
    before = stored(path)
    assert mem.reembed(same) == 0
    assert embedded(same) == []
    assert stored(path) == before
    mem.add("coffee", user_id="ana")
    assert embedded(same) == ["coffee"]


def test_an_empty_collection_changes_its_embedder_too(url: str, opened: Opened) -> None:
    mem = opened(url)
    assert mem.reembed(following()) == 0
    mem.add("tea", user_id="ana")
    assert similarities(mem, "tea") == {"tea": pytest.approx(1, abs=1e-5)}


async def test_it_can_be_awaited(url: str, opened: Opened) -> None:
    mem = opened(url)
    await mem.aadd_batch([f"note {n}" for n in range(25)], user_id="ana")
    assert await mem.areembed(following()) == 25
    assert (await mem.asearch("note 3", user_id="ana", using="vector"))[0].memory.text == "note 3"


def test_progress_is_told_and_shown(url: str, opened: Opened, capsys: pytest.CaptureFixture[str]) -> None:
    mem, told = opened(url), list[int]()
    mem.add_batch([f"note {n}" for n in range(35)], user_id="ana")
    mem.reembed(following(), progress=told.append)
    assert told == sorted(told)
    assert told[0] == 10
    assert told[-1] == 35
    mem.reembed(following(48), progress=True)
    assert "35/35" in capsys.readouterr().err


@pytest.mark.parametrize(("bad", "why"), [(None, "None"), ("nonsense", "nonsense"), (object(), "embed_documents")])
def test_what_is_no_embedder_is_refused(mem: AgentMemory, bad: Any, why: str) -> None:
    with pytest.raises(InvalidInputError, match=why):
        mem.reembed(bad)


def test_deleted_memories_get_no_vector_and_keep_their_history(path: str, opened: Opened) -> None:
    mem, new = opened(path), following()
    mem.add_batch([{"text": f"note {n}", "id": f"{n}"} for n in range(15)], user_id="ana")
    mem.update("1", text="changed")
    mem.delete("2")
    assert mem.reembed(new) == 14
    is_embedded_with(path, mem, new, "ana")
    assert [e.event for e in mem.history("1")] == ["ADD", "UPDATE"]
    assert [e.event for e in mem.history("2")] == ["ADD", "DELETE"]


def test_an_export_has_the_new_vectors(path: str, tmp_path: Path, opened: Opened) -> None:
    mem, new, copy, during = opened(path), following(), tmp_path / "copy.jsonl", tmp_path / "during.jsonl"
    mem.add_batch([f"note {n}" for n in range(35)], user_id="ana")
    mem.reembed(new, progress=after(20, lambda: mem.export(during, vectors=True)))
    mem.export(copy, vectors=True)
    old, fresh = opened(tmp_path / "old.db"), opened(tmp_path / "fresh.db", embedder=following())
    assert old.import_(during) == 35
    is_embedded_with(str(tmp_path / "old.db"), old, HashEmbedder(), "ana")
    assert fresh.import_(copy) == 35
    is_embedded_with(str(tmp_path / "fresh.db"), fresh, new, "ana")
    with pytest.raises(EmbedderMismatchError):
        opened(tmp_path / "third.db").import_(copy)


# During

SEARCHING = """
import sys
from agentmem_integrations import AgentMemory
from agentmem_integrations.testing.embedders import HashEmbedder
mem = AgentMemory(sys.argv[1], embedder=HashEmbedder())
print(mem.search("note 3", user_id="ana", using="vector")[0].memory.text, mem.add("from outside", user_id="ana").status)
"""


@pytest.mark.parametrize("budget", [2**20, 0], ids=["matrix", "scan"])
def test_meanwhile_everybody_finds_by_the_old_vectors(path: str, opened: Opened, run_python: Run, budget: int) -> None:
    mem, other, new = opened(path, matrix_budget=budget), opened(path, matrix_budget=budget), following()
    mem.add_batch([f"note {n}" for n in range(35)], user_id="ana")
    before = similarities(mem, "note 3")
    seen: list[Any] = []

    def look() -> None:
        seen.append(similarities(mem, "note 3"))
        seen.append(similarities(other, "note 3"))
        seen.append(run_python(SEARCHING, path).strip())

    assert mem.reembed(new, progress=after(20, look)) == 36
    assert seen == [before, before, "note 3 done"]
    is_embedded_with(path, mem, new, "ana")
    assert similarities(mem, "from outside")["from outside"] == pytest.approx(1, abs=1e-5)


def test_meanwhile_what_is_added_changed_and_deleted_is_seen_to(path: str, opened: Opened) -> None:
    mem, new = opened(path), following()
    mem.add_batch([{"text": f"note {n}", "id": f"{n}"} for n in range(50)], user_id="ana")

    def change() -> None:
        for first in (0, 40):  # one that was passed by, and one that was not
            mem.update(f"{first}", text=f"changed {first}")
            mem.update(f"{first + 1}", metadata={"checked": True})
            mem.delete(f"{first + 2}")
            mem.purge(f"{first + 3}")
            mem.delete(f"{first + 4}")
            mem.add(f"came back {first}", id=f"{first + 4}", user_id="ana")
            mem.add(f"replaced {first}", id=f"{first + 5}", user_id="ana")
            for gone, forget in ((f"{first + 6}", mem.purge), (f"{first + 7}", mem.delete)):
                mem.update(gone, text=f"changed, and then gone {gone}")
                forget(gone)
        mem.add_batch([f"more {n}" for n in range(15)], user_id="ben")

    mem.reembed(new, progress=after(20, change))
    is_embedded_with(path, mem, new, "ana", "ben")
    assert mem.stats()["jobs"] == {}


def test_a_memory_that_is_rewritten_while_its_vector_is_made_gets_that_of_its_new_text(path: str, opened: Opened) -> None:
    mem = opened(path)
    mem.add_batch([{"text": f"note {n}", "id": f"{n}"} for n in range(25)], user_id="ana")
    mem.delete("13")

    class Slow(HashEmbedder):
        def embed_documents(self, texts: Sequence[str]) -> Any:
            if "note 12" in texts:
                mem.update("12", text="changed")
                mem.update("3", text="changed as well")
                mem.delete("14")
                mem.purge("15")
                mem.add("came back unseen", id="13", user_id="ana")
            return super().embed_documents(texts)

    mem.reembed(Slow(24, NEW))
    is_embedded_with(path, mem, following(), "ana")


def do_something(mem: AgentMemory, rng: random.Random, n: int) -> None:
    """Change memory `n`, add another one, or look for some."""
    something: list[Callable[[], object]] = [
        lambda: mem.add(f"added {rng.random()}", user_id="ana", name=rng.choice([None, "Ana"])),
        lambda: mem.add_batch([f"bulk {rng.random()}" for _ in range(3)], user_id="ben"),
        lambda: mem.add(f"replaced {rng.random()}", id=f"{n}", user_id="ana"),
        lambda: mem.delete(f"{n}"),
        lambda: mem.search(f"note {n}", user_id="ana", using="vector"),
        lambda: mem.purge(f"{n}") if rng.random() < 0.2 else mem.get(f"{n}"),
    ]
    rng.choice(something)()


def test_crowds_of_writers_end_with_one_right_vector_each(path: str, opened: Opened) -> None:
    mem, new = opened(path), following()
    mem.add_batch([{"text": f"note {n}", "id": f"{n}"} for n in range(600)], user_id="ana")
    done, troubles, did = threading.Event(), list[BaseException](), [0] * 4

    def work(number: int) -> None:
        rng = random.Random(number)
        try:
            while not done.is_set():
                do_something(mem, rng, rng.randrange(number, 600, 4))  # a memory of its own: conflicts are not the subject
                did[number] += 1
        except BaseException as error:  # noqa: BLE001 - told to the test
            troubles.append(error)

    workers = [threading.Thread(target=work, args=(number,)) for number in range(4)]
    for worker in workers:
        worker.start()
    try:
        for embedder in (new, following(32), new):
            mem.reembed(embedder)
    finally:
        done.set()
        for worker in workers:
            worker.join()
    assert troubles == []
    assert min(did) > 5
    assert mem.flush() == 0
    is_embedded_with(path, mem, new, "ana", "ben")


# Others, who still hold the old embedder


@pytest.mark.parametrize("dim", [24, 64], ids=["another length", "the same length"])
def test_others_can_neither_search_nor_store_by_the_old_vectors(path: str, opened: Opened, dim: int) -> None:
    mem, other, new = opened(path), opened(path), following(dim)
    ids = [r.events[0].memory.id for r in mem.add_batch([f"note {n}" for n in range(15)], user_id="ana")]
    assert similarities(other, "note 3")
    mem.reembed(new)
    calls: list[Callable[[], Any]] = [
        lambda: other.search("note 3", user_id="ana"),
        lambda: other.search("note 3", user_id="ana", using="vector"),
        lambda: other.add("more", user_id="ana"),
        lambda: other.add(["more", "and more"], user_id="ana"),
        lambda: other.add({"text": "brought along", "vector": [1.0] * 64}, user_id="ana"),
        lambda: other.add_batch(["more", "and more"], user_id="ana"),
        lambda: other.add_batch(["more"], user_id="ana", on_error="raise"),
        lambda: other.update(ids[0], text="changed"),
    ]
    for call in calls:
        with pytest.raises(EmbedderMismatchError, match="next"):
            call()
    assert len(other.search("note 3", user_id="ana", using="text", k=100)) == 15
    other.update(ids[1], metadata={"checked": True})
    assert other.delete(ids[2]) == 1
    assert [m.text for m in other.list(user_id="ana")] == [f"note {n}" for n in range(15) if n != 2]
    is_embedded_with(path, mem, new, "ana")


def test_a_write_that_was_embedded_before_and_committed_after_is_refused(path: str, opened: Opened) -> None:
    mem = opened(path)

    class Slow(HashEmbedder):
        def embed_documents(self, texts: Sequence[str]) -> Any:
            if texts == ["late"]:
                mem.reembed(following(64))
            return super().embed_documents(texts)

    other = opened(path, embedder=Slow())
    other.add("tea", user_id="ana")
    with pytest.raises(EmbedderMismatchError):
        other.add("late", user_id="ana")
    is_embedded_with(path, mem, following(64), "ana")


def test_debts_are_not_paid_in_the_old_coin(path: str, opened: Opened) -> None:
    old = FailingEmbedder()
    mem, other = opened(path), opened(path, embedder=old)
    other.add("owed", user_id="ana")
    mem.reembed(following())
    is_embedded_with(path, mem, following(), "ana")
    other.add("owed again", user_id="ana")  # no vector is carried: the words are kept
    old.failing = False
    with pytest.raises(EmbedderMismatchError):
        other.flush()
    assert mem.flush() == 0
    is_embedded_with(path, mem, following(), "ana")


# Interrupted


def test_it_goes_on_where_it_stopped(path: str, opened: Opened) -> None:
    new, again = following(), following()
    with opened(path) as mem:
        mem.add_batch([f"note {n}" for n in range(55)], user_id="ana")
        interrupted(mem, new, 30)
        assert similarities(mem, "note 3")["note 3"] == pytest.approx(1, abs=1e-5)
    assert len(embedded(new)) == 30
    mem = opened(path, embedder=None)
    assert mem.reembed(again) == 25
    assert sorted(embedded(new) + embedded(again)) == sorted(f"note {n}" for n in range(55))
    is_embedded_with(path, mem, following(), "ana")


KILLED = """
import sys
from agentmem_integrations import AgentMemory
from agentmem_integrations.pipeline import reembed
from agentmem_integrations.testing.embedders import HashEmbedder
reembed.PAGE = 10
class Told(HashEmbedder):
    def embed_documents(self, texts):
        for text in texts:
            print(text, flush=True)
        return super().embed_documents(texts)
print(AgentMemory(sys.argv[1], embedder=None).reembed(Told(24, "next")), "done", flush=True)
"""


@pytest.mark.posix("ends a program with SIGKILL")
def test_a_killed_change_embeds_little_twice_and_loses_nothing(path: str, opened: Opened) -> None:
    with opened(path) as mem:
        mem.add_batch([f"note {n}" for n in range(300)], user_id="ana")
    seen: list[str] = []
    kills = 0
    for stop in (45, 120, 10**6):
        process = subprocess.Popen([sys.executable, "-c", KILLED, path], stdout=subprocess.PIPE, text=True)
        assert process.stdout is not None
        for line in process.stdout:
            seen.append(line.strip())
            if len(seen) >= stop:
                process.send_signal(signal.SIGKILL)
                kills += 1
                break
        seen += [line.strip() for line in process.stdout if line.endswith("\n")]
        process.wait(30)
        process.stdout.close()
        if stop < 10**6 and process.returncode == -signal.SIGKILL:
            with opened(path) as mem:  # the old embedder is still the collection's
                assert mem.search("note 7", user_id="ana", using="vector")[0].memory.text == "note 7"
                mem.update(mem.list(user_id="ana", limit=1)[0].id, text=f"changed {stop}")
    assert kills == 2
    assert seen[-1].endswith("done")
    texts = [text for text in seen if text.startswith("note")]
    assert {f"note {n}" for n in range(1, 300)} <= set(texts)
    assert len(texts) - len(set(texts)) <= 2 * 10  # a page for each kill
    is_embedded_with(path, opened(path, embedder=following()), following(), "ana")


def test_another_embedder_starts_anew_and_leaves_nothing_of_the_one_before(path: str, opened: Opened) -> None:
    mem, new = opened(path), following(32)
    mem.add_batch([f"note {n}" for n in range(35)], user_id="ana")
    interrupted(mem, following(), 20)
    assert mem.reembed(new) == 35
    is_embedded_with(path, mem, new, "ana")


def test_the_embedder_it_has_gives_up_what_was_begun(path: str, opened: Opened) -> None:
    mem = opened(path)
    mem.add_batch([f"note {n}" for n in range(35)], user_id="ana")
    interrupted(mem, following(), 20)
    assert len(stored(path)) == 55
    assert mem.reembed(HashEmbedder()) == 0
    is_embedded_with(path, mem, HashEmbedder(), "ana")
    assert mem.reembed(following()) == 35


def test_a_failing_embedder_says_how_far_it_came_and_costs_nothing(path: str, opened: Opened) -> None:
    mem, new = opened(path), FailingEmbedder(24, failing=False)
    new.name = NEW
    mem.add_batch([f"note {n}" for n in range(35)], user_id="ana")
    with pytest.raises(EmbeddingError, match=r"20 of 35 memories .*next.* call reembed again"):
        mem.reembed(new, progress=after(20, lambda: setattr(new, "failing", True)))
    assert mem.add("added after", user_id="ana").status == "done"
    assert similarities(mem, "note 30")["note 30"] == pytest.approx(1, abs=1e-5)
    new.failing = False
    assert mem.reembed(new) == 16
    is_embedded_with(path, mem, following(), "ana")


def test_a_text_that_cannot_be_embedded_is_owed_and_holds_up_nothing(path: str, opened: Opened) -> None:
    mem, new = opened(path), FailingEmbedder(24, failing=False, poison="poison")
    new.name = NEW
    mem.add_batch([f"note {n}" if n % 10 else f"poison {n}" for n in range(35)], user_id="ana")
    assert mem.reembed(new) == 31
    assert mem.stats()["jobs"] == {"embed.waiting": 4}
    assert len(mem.search("poison", user_id="ana", using="text")) == 4
    new.poison = None
    assert mem.flush() == 0
    is_embedded_with(path, mem, following(), "ana")


def test_vectors_that_no_longer_count_are_erased_later_if_not_at_once(path: str, opened: Opened, monkeypatch: pytest.MonkeyPatch) -> None:
    mem = opened(path)
    mem.add_batch([f"note {n}" for n in range(35)], user_id="ana")
    with monkeypatch.context() as patch:
        patch.setattr(Writing, "erase_leftovers", lambda self: interrupt())
        with pytest.raises(InterruptedError):
            mem.reembed(following())
    assert len(stored(path)) == 70
    assert len(similarities(mem, "note")) == 35
    mem.purge(mem.list(user_id="ana", limit=1)[0].id)
    assert len(stored(path)) == 68
    mem.flush()
    is_embedded_with(path, mem, following(), "ana")


def test_two_who_change_to_the_same_embedder_help_each_other(path: str, opened: Opened) -> None:
    mem, other = opened(path), opened(path)
    mem.add_batch([f"note {n}" for n in range(55)], user_id="ana")
    assert mem.reembed(following(), progress=after(20, lambda: other.reembed(following()))) <= 55
    is_embedded_with(path, mem, following(), "ana")
    for one in (mem, other):
        assert similarities(one, "note 3")["note 3"] == pytest.approx(1, abs=1e-5)


def test_of_two_who_change_to_different_embedders_the_first_is_told(path: str, opened: Opened) -> None:
    mem, other, third = opened(path), opened(path), following(32)
    mem.add_batch([f"note {n}" for n in range(35)], user_id="ana")
    with pytest.raises(EmbedderMismatchError, match=r"32 dimensions.*somebody else"):
        mem.reembed(following(), progress=after(20, lambda: other.reembed(third)))
    is_embedded_with(path, other, third, "ana")


# Ways in


def test_a_collection_whose_embedder_is_gone_is_opened_without_one(path: str, opened: Opened) -> None:
    with opened(path) as mem:
        mem.add_batch([f"note {n}" for n in range(15)], user_id="ana")
    mem = opened(path, embedder=None)
    assert mem.add("meanwhile", user_id="ana").status == "queued"
    assert mem.reembed("static") == 16
    assert mem.search("note 3", user_id="ana", using="vector")[0].memory.text == "note 3"
    assert mem.add("afterwards", user_id="ana").status == "done"
    mem.close()
    assert AgentMemory(path).stats()["jobs"] == {}


def test_a_collection_without_an_embedder_gets_one(path: str, opened: Opened) -> None:
    mem, new = opened(path, embedder=None), following()
    mem.add_batch([f"note {n}" for n in range(15)], user_id="ana")
    assert mem.reembed(new) == 15
    is_embedded_with(path, mem, new, "ana")


def test_a_collection_without_an_embedder_that_is_opened_with_one_owes_the_vectors(path: str, opened: Opened) -> None:
    words = opened(path, embedder=None)
    words.add_batch([f"note {n}" for n in range(15)], user_id="ana")
    mem = opened(path)
    assert words.add("the older handle knows of it", user_id="ana").status == "queued"
    assert mem.flush() == 0
    is_embedded_with(path, mem, HashEmbedder(), "ana")


def test_debts_to_the_old_embedder_are_the_new_ones(path: str, opened: Opened) -> None:
    mem = opened(path, embedder=FailingEmbedder())
    mem.add_batch([f"note {n}" for n in range(15)], user_id="ana")
    assert mem.stats()["jobs"] == {"embed.waiting": 15}
    assert mem.reembed(following()) == 15
    assert mem.stats()["jobs"] == {}
    is_embedded_with(path, mem, following(), "ana")


# Items


def item(mem: AgentMemory, key: str, value: Any, *fields: str) -> Insert:
    embedder = HashEmbedder()
    now = mem.add("any", user_id="clock").events[0].memory.created_at
    memory = Memory(key, str(value["text"]), occurred_at=now, created_at=now, updated_at=now, value=value)
    vectors = {field: embedder.embed_query(str(value[field])) for field in fields}
    return Insert(memory, Scope("default", path=("users", "ana")), vectors)


def test_items_get_a_new_vector_where_they_have_one(path: str, opened: Opened) -> None:
    mem = opened(path)
    mem._engine.store.apply([item(mem, "found", {"text": "green tea"}, "text"), item(mem, "not indexed", {"text": "settings"})])
    assert mem.reembed(following()) == 2
    vectors = {id: numbers for id, _, numbers, _ in stored(path)}
    assert vectors["found"] == following().embed_query("green tea").tobytes()
    assert "not indexed" not in vectors


@pytest.mark.parametrize("when", ["before", "during"])
def test_items_with_vectors_of_other_fields_are_not_left_behind_in_silence(path: str, opened: Opened, when: str) -> None:
    mem = opened(path)
    mem.add_batch([f"note {n}" for n in range(35)], user_id="ana")
    several = item(mem, "several", {"text": "tea", "title": "green"}, "text", "title")
    if when == "before":
        mem._engine.store.apply([several])
    before = stored(path)
    with pytest.raises(ConflictError, match=r"several fields.*another namespace"):
        mem.reembed(following(), progress=after(20, lambda: mem._engine.store.apply([several])))
    assert [v for v in stored(path) if v[3]][: len(before)] == before
    assert similarities(mem, "note 3")["note 3"] == pytest.approx(1, abs=1e-5)
    mem._engine.store.apply([item(mem, "unrelated", {"text": "x"}, "text")])


# Purge


def pieces(vectors: Sequence[Any]) -> list[bytes]:
    whole = [np.asarray(v, np.float32).tobytes() for v in vectors]
    return [v[start : start + 16] for v in whole for start in range(0, len(v) - 15, 16)]


def remains(path: str, wanted: list[bytes]) -> int:
    content = b"".join(p.read_bytes() for p in Path(path).parent.iterdir() if p.is_file())
    return sum(piece in content for piece in wanted)


@pytest.mark.parametrize("way", ["purge", "delete and purge"])
def test_purge_in_the_middle_leaves_no_byte_of_either_vector(path: str, opened: Opened, way: str) -> None:
    mem = opened(path)
    secrets = [f"secret zz{n}" for n in range(15)]
    mem.add_batch(secrets, user_id="ana")
    mem.add_batch([f"note {n}" for n in range(40)], user_id="ben")
    wanted = pieces([*HashEmbedder().embed_documents(secrets), *following().embed_documents(secrets)])

    def forget() -> None:
        assert remains(path, wanted) == len(wanted)
        if way != "purge":
            mem.delete(user_id="ana")
        assert mem.purge(user_id="ana") == 15
        assert remains(path, wanted) == 0

    mem.reembed(following(), progress=after(20, forget))
    assert remains(path, wanted) == 0
    is_embedded_with(path, mem, following(), "ben")


def test_the_old_vectors_are_gone_from_the_file(path: str, opened: Opened) -> None:
    mem, texts = opened(path, embedding_cache_bytes=0), [f"note {n}" for n in range(35)]  # those kept beside stay until they make way
    mem.add_batch(texts, user_id="ana")
    mem.reembed(following())
    mem.purge(mem.add("any", user_id="ben").events[0].memory.id)
    assert remains(path, pieces(HashEmbedder().embed_documents(texts))) == 0
    assert os.path.getsize(path) < 10**6
