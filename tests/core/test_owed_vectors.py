"""Vectors that are owed: made soon after the collection is opened, tried again while it is, told in log and counts, or refused."""

import logging
import os
import threading
import time
from collections.abc import Callable, Sequence

import pytest

from agentmem_integrations import AgentMemory, EmbeddingError, InvalidInputError
from agentmem_integrations.pipeline.write_stages import debts, embed, retries
from agentmem_integrations.ports import Matrix
from agentmem_integrations.testing.embedders import FailingEmbedder, HashEmbedder

Opened = Callable[..., AgentMemory]


class Counting(FailingEmbedder):
    """Counts the texts it was given."""

    tried = 0

    def embed_documents(self, texts: Sequence[str]) -> Matrix:
        self.tried += len(texts)
        return super().embed_documents(texts)


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have everything tried again soon."""
    monkeypatch.setattr(embed, "OPENED_S", 0.01)
    monkeypatch.setattr(embed, "FAILED_S", 0.01)
    monkeypatch.setattr(retries, "RETRY_AFTER", retries.RETRY_AFTER / 500)


def until(true: Callable[[], bool]) -> bool:
    deadline = time.monotonic() + 30
    while not true() and time.monotonic() < deadline:
        time.sleep(0.01)
    return true()


def found(mem: AgentMemory) -> set[str]:
    return {hit.memory.text for hit in mem.search("tea", user_id="ana", using="vector")}


def test_what_is_owed_is_made_after_opening_though_nothing_is_added(path: str, opened: Opened) -> None:
    with opened(path, embedder=FailingEmbedder()) as mem:
        mem.add_batch(["green tea", "milk"], user_id="ana")
    mem = opened(path)
    assert until(lambda: found(mem) == {"green tea", "milk"})
    assert mem.stats()["jobs"] == {}


def test_what_failed_often_is_tried_anew_after_opening(path: str, opened: Opened, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patient:
        patient.setattr(retries, "RETRY_AFTER", retries.RETRY_AT_MOST)
        patient.setattr(embed, "FAILED_S", 3_600.0)
        with opened(path, embedder=FailingEmbedder()) as mem:
            mem.add("green tea", user_id="ana")
            assert mem.flush() == 1  # from now on it waits for an hour
    mem = opened(path)
    assert until(lambda: found(mem) == {"green tea"})


def test_while_it_is_open_what_is_owed_is_tried_until_it_works(url: str, opened: Opened) -> None:
    embedder = Counting()
    mem = opened(url, embedder=embedder)
    mem.add("green tea", user_id="ana")
    assert until(lambda: embedder.tried > 5)
    embedder.failing = False
    assert until(lambda: found(mem) == {"green tea"})
    assert until(lambda: not [thread for thread in threading.enumerate() if thread.name == "agentmem-debts"])


def test_a_text_that_is_never_embedded_is_tried_less_and_less(url: str, opened: Opened) -> None:
    embedder = Counting(failing=False, poison="poison")
    mem = opened(url, embedder=embedder)
    mem.add_batch(["a poisoned note", "milk"], user_id="ana")
    time.sleep(1)
    assert 1 < embedder.tried < 20
    assert found(mem) == {"milk"}


def test_once_an_add_works_even_what_waits_is_made(url: str, opened: Opened, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(embed, "FAILED_S", 3_600.0)
    monkeypatch.setattr(retries, "RETRY_AFTER", retries.RETRY_AT_MOST)
    embedder = FailingEmbedder()
    mem = opened(url, embedder=embedder)
    mem.add("green tea", user_id="ana")
    assert mem.flush() == 1
    embedder.failing = False
    mem.add("milk", user_id="ana")
    assert until(lambda: found(mem) == {"green tea", "milk"})


def test_debts_are_a_warning_of_counts_in_the_log(url: str, opened: Opened, caplog: pytest.LogCaptureFixture) -> None:
    mem = opened(url, embedder=FailingEmbedder())
    mem.add_batch(["green tea", "milk"], user_id="ana")
    warnings = [record.getMessage() for record in caplog.records if record.levelno == logging.WARNING]
    assert warnings[0] == "2 vectors of default are owed: EmbeddingError"
    assert "tea" not in caplog.text


def test_debts_are_in_the_counts_of_their_owner_and_their_collection(url: str, opened: Opened) -> None:
    mem = opened(url, embedder=FailingEmbedder())
    mem.add_batch(["green tea", "milk"], user_id="ana")
    mem.add("beer", user_id="ben")
    other = mem.collection("other", embedder=HashEmbedder())
    other.add("wine", user_id="ana")
    assert [mem.stats(user_id="ana")["owed_vectors"], mem.stats()["owed_vectors"], other.stats()["owed_vectors"]] == [2, 3, 0]


def test_closing_waits_for_no_debt_that_is_not_due(url: str) -> None:
    began = time.monotonic()
    with AgentMemory(url, embedder=FailingEmbedder()) as mem:
        mem.add("green tea", user_id="ana")
        mem._room.writing._debts.soon(3_600)
    assert time.monotonic() - began < 30
    assert not [thread for thread in threading.enumerate() if thread.name == "agentmem-debts"]


@pytest.mark.posix("forks")
def test_a_forked_child_makes_its_own_debts(path: str, opened: Opened) -> None:
    embedder = FailingEmbedder()
    mem = opened(path, embedder=embedder)
    mem.add("green tea", user_id="ana")
    child = os.fork()
    if not child:
        embedder.failing = False
        mem.add("milk", user_id="ben")
        os._exit(0 if until(lambda: found(mem) == {"green tea"}) else 1)
    assert os.waitpid(child, 0)[1] == 0


# Nothing may be owed


def test_a_load_that_may_owe_nothing_is_stored_whole_or_not_at_all(url: str, opened: Opened) -> None:
    embedder = FailingEmbedder(failing=False, poison="poison")
    mem = opened(url, embedder=embedder)
    with pytest.raises(EmbeddingError, match="item 1: ") as raised:
        mem.add_batch(["green tea", "a poisoned note"], user_id="ana", on_error="raise", owe=False)
    assert isinstance(raised.value.__cause__, ConnectionError)
    assert mem.list(user_id="ana") == []
    assert mem.stats()["jobs"] == {}
    results = mem.add_batch(["green tea", "a poisoned note", "milk"], user_id="ana", owe=False)
    assert [(r.status, type(r.error)) for r in results] == [("done", type(None)), ("nothing", EmbeddingError), ("done", type(None))]
    assert found(mem) == {"green tea", "milk"}
    assert mem.stats()["jobs"] == {}


def test_without_the_embedder_nothing_can_be_stored_that_may_owe_nothing(path: str, opened: Opened) -> None:
    opened(path).add("tea", user_id="ana")
    with pytest.raises(InvalidInputError, match="opened without its embedder"):
        opened(path, embedder=None).add_batch(["milk"], user_id="ana", owe=False)


def test_debts_of_what_was_closed_are_no_error() -> None:
    told = []
    one = debts.Debts("x", lambda due_only: told.append(due_only) or 0, lambda: 0)
    one.stop()
    one.soon()
    one.join()
    assert told == []
