"""Finding: by meaning, by words, narrowed, in pages."""

import re
import time
from collections.abc import Callable
from datetime import UTC, datetime

import pytest

from agentmem_integrations import AgentMemory, Hit
from agentmem_integrations.config import Using
from agentmem_integrations.testing.embedders import HashEmbedder

Opened = Callable[..., AgentMemory]
USINGS: tuple[Using, ...] = ("hybrid", "vector", "text")


def texts(hits: list[Hit]) -> list[str]:
    return [hit.memory.text for hit in hits]


@pytest.fixture
def trips(mem: AgentMemory) -> AgentMemory:
    cities = ["Lisbon", "Porto", "Rome", "Oslo"]
    for n in range(40):
        mem.add(
            f"trip {n} to {cities[n % 4]} by train", id=f"{n}", user_id="ana", agent_id=f"x{n % 2}", session_id=f"s{n % 3}",
            kind=("episode", "semantic")[n % 2], timestamp=f"20{n:02}-06-15", metadata={"n": n, "city": cities[n % 4]},
        )  # fmt: skip
    return mem


@pytest.mark.parametrize("using", USINGS)
def test_the_best_match_comes_first(trips: AgentMemory, using: Using) -> None:
    hits = trips.search("trip 7 to Oslo by train", user_id="ana", using=using)
    assert len(hits) == 10
    assert hits[0].memory == trips.get("7")
    assert all(0 <= hit.score <= 1 for hit in hits)
    assert [h.score for h in hits] == sorted((h.score for h in hits), reverse=True)


def test_a_hit_that_only_words_find_is_found(url: str, opened: Opened) -> None:
    mem = opened(url, embedder=HashEmbedder(dim=64))
    far = (-HashEmbedder(dim=64).embed_query("where is zyxwv")).tolist()
    mem.add_batch([f"where is {n}" for n in range(400)], user_id="ana")
    mem.add({"text": "the zyxwv", "vector": far}, user_id="ana")
    assert texts(mem.search("zyxwv", user_id="ana", k=1)) == ["the zyxwv"]


def test_a_hit_that_only_meaning_finds_is_found(mem: AgentMemory) -> None:
    mem.add({"text": "no shared word", "vector": HashEmbedder().embed_query("coffee").tolist()}, user_id="ana")
    assert texts(mem.search("coffee", user_id="ana", using="text")) == []
    for using in ("vector", "hybrid"):
        assert texts(mem.search("coffee", user_id="ana", using=using)) == ["no shared word"]


def test_text_search_finds_nothing_without_a_common_word(trips: AgentMemory) -> None:
    assert trips.search("elephants", user_id="ana", using="text") == []


@pytest.mark.parametrize("using", USINGS)
def test_k_and_offset_cut_complete_pages_that_do_not_overlap(url: str, opened: Opened, using: Using) -> None:
    mem = opened(url)
    mem.add_batch([f"note {n} about tea {'in Lisbon' if n % 3 else ''}" for n in range(700)], user_id="ana")
    whole = [h.memory.id for h in mem.search("tea Lisbon 77", user_id="ana", k=700, using=using)]
    assert len(set(whole)) == 700
    pages = [mem.search("tea Lisbon 77", user_id="ana", k=60, offset=offset, using=using) for offset in range(0, 720, 60)]
    assert sorted(h.memory.id for page in pages for h in page) == sorted(whole)
    assert mem.search("tea", user_id="ana", k=10, offset=990, using=using) == []


@pytest.mark.parametrize("using", USINGS)
def test_ties_rank_by_insertion_order(mem: AgentMemory, using: Using) -> None:
    for n in (5, 3, 9, 1, 7):
        mem.add("the same words", id=f"{n}", user_id="ana", session_id=f"s{n}")
    assert [h.memory.id for h in mem.search("same words", user_id="ana", using=using)] == ["5", "3", "9", "1", "7"]
    assert [h.memory.id for h in mem.search("same words", user_id="ana", using=using, k=2)] == ["5", "3"]


@pytest.mark.parametrize("using", USINGS)
def test_the_same_question_has_the_same_answer(trips: AgentMemory, using: Using) -> None:
    answers = [trips.search("train to Rome", user_id="ana", using=using, k=30) for _ in range(3)]
    assert answers[0] == answers[1] == answers[2]


def test_the_answer_does_not_depend_on_what_was_searched_before(path: str, opened: Opened) -> None:
    with opened(path) as mem:
        mem.add_batch([f"note {n}" for n in range(50)], user_id="ana")
        mem.search("note 3", user_id="ana")
        mem.delete([h.memory.id for h in mem.search("note 3", user_id="ana", k=1)])
        mem.add("note 100", user_id="ana")
        warm = mem.search("note 100", user_id="ana", k=60)
    assert opened(path).search("note 100", user_id="ana", k=60) == warm


@pytest.mark.parametrize("using", USINGS)
def test_a_search_is_narrowed_by_every_argument(trips: AgentMemory, using: Using) -> None:
    def found(**narrow: object) -> set[int]:
        hits = trips.search("trip by train", user_id="ana", k=100, using=using, **narrow)  # type: ignore[arg-type]
        return {int(h.memory.id) for h in hits}

    everything = set(range(40))
    assert found() == everything
    assert found(kind="semantic") == {n for n in everything if n % 2}
    assert found(kind=["semantic", "episode"]) == everything
    assert found(kind=[]) == set()
    assert found(filter={"city": "Rome"}) == {n for n in everything if n % 4 == 2}
    assert found(filter={"n": {"$gte": 38}}) == {38, 39}
    assert found(agent_id="x1", session_id="s0") == {n for n in everything if n % 2 and n % 3 == 0}
    assert found(after="2038-06-15") == {38, 39}
    assert found(before="2001-06-15") == {0, 1}
    assert found(after=datetime(2010, 6, 15, tzinfo=UTC), before="2012-06-14") == {10, 11}
    assert found(session_id="nowhere") == set()
    assert found(filter={"city": "Rome"}, kind="episode", after="2030-01-01") == {30, 34, 38}


def test_few_matches_among_many_are_found(mem: AgentMemory) -> None:
    mem.add_batch([{"text": f"tea number {n}", "metadata": {"n": n}} for n in range(1_500)], user_id="ana")
    for using in USINGS:
        assert texts(mem.search("tea", user_id="ana", using=using, k=3, filter={"n": 1_234})) == ["tea number 1234"]


def test_a_bare_date_before_means_its_end(mem: AgentMemory) -> None:
    mem.add("late tea", user_id="ana", timestamp="2026-05-02T23:59:59.999999Z")
    assert mem.search("tea", user_id="ana", before="2026-05-02")
    assert mem.search("tea", user_id="ana", after="2026-05-02")
    assert not mem.search("tea", user_id="ana", before="2026-05-01")
    assert not mem.search("tea", user_id="ana", after="2026-05-03")


def test_times_of_other_zones_are_compared_as_instants(mem: AgentMemory) -> None:
    mem.add("tea", user_id="ana", timestamp="2026-05-02T23:30:00-05:00")
    assert mem.list(user_id="ana")[0].occurred_at == datetime(2026, 5, 3, 4, 30, tzinfo=UTC)
    assert not mem.search("tea", user_id="ana", before="2026-05-02")
    assert mem.search("tea", user_id="ana", after="2026-05-03T04:30:00Z")


@pytest.mark.skipif(not hasattr(time, "tzset"), reason="needs to move the time zone")
def test_naive_times_are_utc_wherever_the_machine_stands(mem: AgentMemory, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TZ", "America/New_York")
    time.tzset()
    mem.add("tea", user_id="ana", timestamp=datetime(2026, 5, 2, 10))  # noqa: DTZ001
    monkeypatch.undo()
    time.tzset()
    assert mem.list(user_id="ana")[0].occurred_at == datetime(2026, 5, 2, 10, tzinfo=UTC)


def test_min_score_leaves_out_weaker_hits(trips: AgentMemory) -> None:
    hits = trips.search("trip 7 to Oslo", user_id="ana", k=40)
    middle = hits[20].score
    assert trips.search("trip 7 to Oslo", user_id="ana", k=40, min_score=middle) == [h for h in hits if h.score >= middle]


def test_parts_say_what_the_score_is_made_of(trips: AgentMemory) -> None:
    plain = trips.search("trip 7 to Oslo", user_id="ana", k=3)
    explained = trips.search("trip 7 to Oslo", user_id="ana", k=3, explain=True)
    assert [h.score for h in plain] == [h.score for h in explained]
    assert set(plain[0].parts) == {"similarity", "text"}
    assert set(plain[0].parts) < set(explained[0].parts)
    assert trips.search("trip", user_id="ana", using="vector")[0].parts.keys() == {"similarity"}


def test_more_than_there_is_gives_what_there_is(trips: AgentMemory) -> None:
    assert len(trips.search("trip", user_id="ana", k=1_000)) == 40


def test_nobody_has_no_hits(trips: AgentMemory) -> None:
    for using in USINGS:
        assert trips.search("trip", user_id="nobody", using=using) == []


# Words


@pytest.mark.parametrize(
    ("text", "query"),
    [
        ("我昨天去了北京", "北京"),
        ("昨日東京に行きました", "東京"),
        ("ラーメンが好きです", "ラーメン"),
        ("나는 서울에 살아요", "서울"),
        ("ฉันชอบกินข้าว", "ข้าว"),
        ("Wir aßen in Köln", "koln"),
        ("She flew to İstanbul", "İstanbul"),
        ("my re\u0301sume\u0301", "résumé"),
        ("my résumé", "re\u0301sume\u0301"),
        ("она любит чай", "ЧАЙ"),
        ("he was running late", "run"),
        ("version 3.14 of foo_bar", "foo_bar"),
        ("mail ana@example.org now", "ana@example.org"),
        ("东", "东"),
        ("mixed 東京tower visit", "東京"),
        ("mixed 東京tower visit", "tower"),
    ],
    ids=str,
)
def test_words_of_many_languages_are_found(mem: AgentMemory, text: str, query: str) -> None:
    mem.add_batch([text, "something else entirely", "другое", "完全不同的内容"], user_id="ana")
    hits = mem.search(query, user_id="ana", using="text")
    assert text in texts(hits)
    assert len(hits) == 1


QUERIES = [
    '"', "*", "NEAR", "-", ":", "AND", "(", ")", '" OR "', "tea*", "tea AND", "NEAR(tea milk)", "-tea", "body:tea", "scope : 1",
    "^tea", "tea + milk", "{body} : tea", "'; DROP TABLE memories; --", "\\", "tea\n\ttea", "%", "_", "OR OR OR", 'a"b"c',
]  # fmt: skip


@pytest.mark.parametrize("query", QUERIES)
def test_what_a_user_types_is_never_syntax(mem: AgentMemory, query: str) -> None:
    mem.add(f"someone typed {query} here", id="typed", user_id="ana")
    mem.add("scope body context unrelated", id="other", user_id="ben")
    for using in USINGS:
        assert {h.memory.id for h in mem.search(query, user_id="ana", using=using)} <= {"typed"}
    if re.search(r"\w{3}", query):
        assert texts(mem.search(query, user_id="ana", using="text"))


def test_operators_in_a_query_are_words(mem: AgentMemory) -> None:
    mem.add("tea and near", id="words", user_id="ana")
    mem.add("milk", id="milk", user_id="ana")
    assert [h.memory.id for h in mem.search("milk NOT near", user_id="ana", using="text", k=2)] != ["milk"]


def test_a_question_as_long_as_a_document_is_answered(mem: AgentMemory) -> None:
    mem.add("tea", user_id="ana")
    assert mem.search("tea " + " ".join(f"word{n}" for n in range(9_000)), user_id="ana", using="text")


def test_a_question_of_signs_alone_is_answered(mem: AgentMemory) -> None:
    mem.add("tea", user_id="ana")
    assert mem.search("?!", user_id="ana", using="text") == []
    assert len(mem.search("?!", user_id="ana")) == 1


def test_the_speakers_name_and_the_date_are_words_too(mem: AgentMemory) -> None:
    mem.add("I moved", id="m", user_id="ana", name="Zacharias", timestamp="2026-05-02")
    mem.add("I stayed", id="n", user_id="ana", name="Yolanda", timestamp="2025-04-03")
    assert [h.memory.id for h in mem.search("what did Zacharias do", user_id="ana", using="text")] == ["m"]
    assert [h.memory.id for h in mem.search("April 2025", user_id="ana", using="text")] == ["n"]


# List


def test_list_pages_by_cursor(mem: AgentMemory) -> None:
    mem.add_batch([{"text": f"note {n}", "id": f"{n}"} for n in range(25)], user_id="ana")
    pages, cursor = [], None
    while page := mem.list(user_id="ana", limit=10, after=cursor):
        pages.append([m.id for m in page])
        cursor = page[-1].id
    assert pages == [[f"{n}" for n in range(low, min(low + 10, 25))] for low in (0, 10, 20)]


def test_a_cursor_may_have_been_deleted_or_changed_meanwhile(mem: AgentMemory) -> None:
    mem.add_batch([{"text": f"note {n}", "id": f"{n}", "session_id": "s"} for n in range(5)], user_id="ana")
    mem.delete("2")
    assert [m.id for m in mem.list(user_id="ana", after="2")] == ["3", "4"]
    assert [m.id for m in mem.list(user_id="ana", session_id="s", filter={"a": {"$exists": False}}, after="2", limit=1)] == ["3"]
    mem.update("3", text="changed")
    assert [m.id for m in mem.list(user_id="ana", after="3")] == ["4"]


def test_a_list_is_narrowed_by_every_argument(trips: AgentMemory) -> None:
    assert len(trips.list(user_id="ana")) == 40
    assert {m.id for m in trips.list(user_id="ana", kind="semantic", filter={"city": "Oslo"}, agent_id="x1", session_id="s0")} == {
        "3", "15", "27", "39",
    }  # fmt: skip


# Collections


def test_collections_of_one_file_have_embedders_of_their_own(path: str, opened: Opened) -> None:
    with opened(path) as mem:
        narrow = mem.collection("narrow", embedder=HashEmbedder(dim=8, name="narrow"))
        mem.add("tea at home", user_id="ana")
        narrow.add("tea elsewhere", user_id="ana")
        assert texts(mem.search("tea", user_id="ana")) == ["tea at home"]
        assert texts(narrow.search("tea", user_id="ana")) == ["tea elsewhere"]
        assert mem.stats()["memories"] == narrow.stats()["memories"] == 1
    again = opened(path, namespace="narrow", embedder=HashEmbedder(dim=8, name="narrow"))
    assert texts(again.search("tea", user_id="ana")) == ["tea elsewhere"]


def test_a_document_collection_needs_no_user(mem: AgentMemory) -> None:
    documents = mem.collection("documents", embedder=HashEmbedder(), twins="keep")
    documents.add_batch(["a page", "a page", "another"])
    assert texts(documents.search("page", using="text")) == ["a page", "a page"]
    assert len(documents.list()) == 3
    assert documents.delete(filter={"a": {"$exists": False}}) == 3
