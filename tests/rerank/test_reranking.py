"""Rerankers in a search: what they are shown, what becomes of their judgement, and of their failures."""

import asyncio
import math
import threading
import time
from collections.abc import Callable, Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agentmem_integrations import AgentMemory, InvalidInputError, RerankError, TextError
from agentmem_integrations.pipeline.ranking.rerank import Ordered, reranked

Open = Callable[..., AgentMemory]

TEAS = [f"tea number {n}" for n in range(12)]


class Judge:
    """Judges by what `says` holds for a text, 0 where it holds nothing; remembers what it was shown."""

    def __init__(self, **says: float | None) -> None:
        self.says = {name.replace("_", " "): number for name, number in says.items()}
        self.shown: list[tuple[str, list[str]]] = []

    def rerank(self, question: str, texts: list[str]) -> list[float | None]:
        self.shown.append((question, texts))
        return [self.says.get(text, 0.0) for text in texts]


def texts(hits: Sequence[Any]) -> list[str]:
    return [hit.memory.text for hit in hits]


def filled(mem: AgentMemory, items: Sequence[Any] = TEAS) -> AgentMemory:
    mem.add_batch(items, user_id="ana")
    return mem


# What becomes of a judgement


def test_the_score_is_the_weighted_mean_of_ranking_and_judgement(opened: Open, url: str) -> None:
    judge = Judge(tea_number_7=1.0, tea_number_3=0.5)
    mem = filled(opened(url, reranker=judge, rerank_weight=0.75))
    plain = {hit.memory.text: hit.score for hit in mem.search("tea number", user_id="ana", k=50, rerank=False)}
    hits = mem.search("tea number", user_id="ana", k=50, explain=True)
    assert texts(hits)[:2] == ["tea number 7", "tea number 3"]
    for hit in hits:
        judged = judge.says.get(hit.memory.text, 0.0)
        assert hit.parts["rerank"] == judged
        assert hit.parts["ranking"] == plain[hit.memory.text]
        assert hit.score == pytest.approx(0.25 * plain[hit.memory.text] + 0.75 * judged, abs=1e-6)


def test_without_a_reranker_nothing_is_different(opened: Open, url: str) -> None:
    with_one, without = filled(opened(url, reranker=Judge())), filled(opened("memory://"))
    told = [
        [(h.memory.text, h.score, h.parts) for h in m.search("tea", user_id="ana", rerank=False, explain=True)] for m in (with_one, without)
    ]
    assert told[0] == told[1]
    assert "rerank" not in told[0][0][2]


def test_a_weight_of_nothing_changes_nothing_and_one_of_all_is_the_judgement(opened: Open) -> None:
    judge = Judge(tea_number_11=0.9, tea_number_0=0.2)
    none, all_ = filled(opened("memory://", reranker=judge, rerank_weight=0)), filled(opened("memory://", reranker=judge, rerank_weight=1))
    assert texts(none.search("tea number 4", user_id="ana")) == texts(none.search("tea number 4", user_id="ana", rerank=False))
    assert [hit.score for hit in all_.search("tea number 4", user_id="ana", k=3)] == [0.9, 0.2, 0.0]


def test_one_of_which_it_has_no_opinion_keeps_its_score(opened: Open) -> None:
    judge = Judge(**{text.replace(" ", "_"): None for text in TEAS})
    mem = filled(opened("memory://", reranker=judge, rerank_weight=0.9))
    plain = mem.search("tea number 4", user_id="ana", rerank=False)
    hits = mem.search("tea number 4", user_id="ana")
    assert [(h.memory.text, h.score) for h in hits] == [(h.memory.text, h.score) for h in plain]
    assert "rerank" not in hits[0].parts


def test_only_the_best_are_shown_and_the_others_stay_behind(opened: Open) -> None:
    judge = Judge()
    mem = filled(opened("memory://", reranker=judge, rerank_top=5))
    plain = texts(mem.search("tea number 3", user_id="ana", k=12, rerank=False))
    judge.says = {plain[4]: 1.0}
    hits = mem.search("tea number 3", user_id="ana", k=12)
    assert judge.shown == [("tea number 3", plain[:5])]
    assert texts(hits) == [plain[4], *plain[:4], *plain[5:]]
    assert [hit.score for hit in hits] == sorted((hit.score for hit in hits), reverse=True)
    assert ["rerank" in hit.parts for hit in hits] == [True] * 5 + [False] * 7


def test_every_page_shows_the_model_the_same_and_the_pages_fit_together(opened: Open) -> None:
    judge = Judge(tea_number_9=0.8, tea_number_2=0.6)
    mem = filled(opened("memory://", reranker=judge, rerank_top=6))
    whole = mem.search("tea number 9", user_id="ana", k=12)
    pages = [hit for offset in (0, 4, 8) for hit in mem.search("tea number 9", user_id="ana", k=4, offset=offset)]
    assert pages == whole
    assert all(shown == judge.shown[0] for shown in judge.shown)


def test_min_score_counts_what_came_of_it(opened: Open) -> None:
    mem = filled(opened("memory://", reranker=Judge(tea_number_7=0.9), rerank_weight=1))
    assert texts(mem.search("tea", user_id="ana", min_score=0.5)) == ["tea number 7"]


def test_a_token_budget_keeps_what_came_first_after_it(opened: Open) -> None:
    mem = filled(opened("memory://", reranker=Judge(tea_number_7=1.0)))
    assert texts(mem.search("tea", user_id="ana", token_budget=4)) == ["tea number 7"]


def test_diversity_chooses_by_the_new_scores(opened: Open) -> None:
    mem = filled(opened("memory://", reranker=Judge(tea_number_7=1.0, tea_number_3=0.9), rerank_weight=1))
    assert texts(mem.search("tea", user_id="ana", k=2, mmr=1.0)) == ["tea number 7", "tea number 3"]


def test_words_that_are_out_of_date_stay_behind_whatever_the_model_says() -> None:
    import numpy as np

    scores = np.array([0.9, 0.5, 0.2])
    ordered = Ordered(
        np.array([1, 2, 3]), np.array([0, 1, 2]), scores, scores, {}, {}, np.array([[1, 0]])
    )  # position 1 is out of date, position 0 holds now
    after = reranked(ordered, {0: 0.1, 1: 1.0, 2: 0.0}, 1.0)
    assert after.order.tolist() == [0, 1, 2]
    assert after.scores[1] < after.scores[0]


@given(st.data())
def test_scores_stay_sorted_and_within_0_and_1_and_nobody_is_lost(data: st.DataObject) -> None:
    import numpy as np

    part = st.floats(0, 1)
    scores = np.array(sorted(data.draw(st.lists(part, min_size=1, max_size=12)), reverse=True))
    count, top = len(scores), data.draw(st.integers(1, 14))
    rows = np.arange(count)
    judged = {row: data.draw(st.none() | part) for row in rows[:top].tolist()}
    after = reranked(Ordered(rows, rows, scores, scores, {}), judged, data.draw(part))
    told = after.scores[after.order]
    assert sorted(after.order.tolist()) == rows.tolist()
    assert (np.diff(told) <= 0).all()
    assert (told >= 0).all()
    assert (told <= 1).all()
    assert after.order.tolist()[top:] == list(range(top, count))


@given(st.lists(st.floats(0, 1), min_size=2, max_size=8), st.integers(0, 7), st.floats(0, 1), st.floats(0, 1))
def test_a_better_judgement_never_ranks_lower(numbers: list[float], which: int, more: float, weight: float) -> None:
    import numpy as np

    rows = np.arange(len(numbers))
    scores = np.linspace(0.8, 0.3, len(numbers))
    which %= len(numbers)
    better = dict(enumerate(numbers)) | {which: numbers[which] + (1 - numbers[which]) * more}
    places = [
        reranked(Ordered(rows, rows, scores, scores, {}), judged, weight).order.tolist().index(which)
        for judged in (dict(enumerate(numbers)), better)
    ]
    assert places[1] <= places[0]


# When it is asked


def test_pure_searches_are_reranked_only_when_asked_for(opened: Open) -> None:
    judge = Judge(tea_number_5=1.0)
    mem = filled(opened("memory://", reranker=judge))
    for pure in ({"using": "vector"}, {"using": "text"}, {"alpha": 0.5}):
        assert "rerank" not in mem.search("tea number 1", user_id="ana", **pure)[0].parts
        assert judge.shown == []
        assert texts(mem.search("tea number 1", user_id="ana", rerank=True, **pure))[0] == "tea number 5"
        judge.shown.clear()


def test_a_search_with_a_vector_alone_is_not_reranked(opened: Open) -> None:
    judge = Judge()
    mem = filled(opened("memory://", reranker=judge))
    vector = next(iter(mem.vectors([mem.list(user_id="ana")[0].id]).values()))
    assert len(mem.search(vector=vector, user_id="ana")) == 10
    assert judge.shown == []
    with pytest.raises(TextError, match="rerank"):
        mem.search(vector=vector, user_id="ana", rerank=True)


def test_rerank_without_a_reranker_says_so(opened: Open) -> None:
    with pytest.raises(InvalidInputError, match="reranker="):
        opened("memory://").search("tea", user_id="ana", rerank=True)


@pytest.mark.parametrize("value", ["yes", 1, 0])
def test_rerank_is_yes_or_no(opened: Open, value: object) -> None:
    with pytest.raises(InvalidInputError, match="rerank"):
        opened("memory://", reranker=Judge()).search("tea", user_id="ana", rerank=value)


def test_where_nothing_is_found_nobody_is_asked(opened: Open) -> None:
    judge = Judge()
    assert opened("memory://", reranker=judge).search("tea", user_id="ana") == []
    assert judge.shown == []


def test_collections_and_views_rerank_too(opened: Open) -> None:
    judge = Judge(tea_number_2=1.0)
    mem = filled(opened("memory://", reranker=judge))
    assert texts(mem.for_user("ana").search("tea"))[0] == "tea number 2"
    docs = mem.collection("docs", twins="keep")
    docs.add_batch(TEAS)
    assert texts(docs.search("tea"))[0] == "tea number 2"


# Whatever can judge


def test_functions_objects_and_coroutines_will_do(opened: Open) -> None:
    def plain(question: str, texts: list[str]) -> list[float]:
        return [1.0 if text == "tea number 6" else 0.0 for text in texts]

    async def later(question: str, texts: list[str]) -> list[float]:
        await asyncio.sleep(0)
        return plain(question, texts)

    def lazily(question: str, texts: list[str]) -> Any:
        yield from plain(question, texts)

    class Async:
        rerank = staticmethod(later)

    import numpy as np

    for reranker in (plain, later, lazily, Async(), lambda q, t: later(q, t), lambda q, t: np.array(plain(q, t), np.float32)):
        mem = filled(opened("memory://", reranker=reranker))
        assert texts(mem.search("tea", user_id="ana"))[0] == "tea number 6"


def test_it_reads_who_speaks(opened: Open) -> None:
    judge = Judge()
    mem = filled(opened("memory://", reranker=judge), [{"content": "I like tea", "name": "Bo", "role": "user"}, "tea"])
    mem.search("tea", user_id="ana")
    assert sorted(judge.shown[0][1]) == ["Bo: I like tea", "tea"]


async def test_awaited_searches_are_reranked_alike_and_hold_no_thread(opened: Open) -> None:
    gate, waiting = threading.Event(), threading.Semaphore(0)

    async def slow(question: str, texts: list[str]) -> list[float]:
        waiting.release()
        assert await asyncio.to_thread(gate.wait, 20), "somebody who needs no reranker waited for it"
        return [1.0 if text == "tea number 6" else 0.0 for text in texts]

    mem = filled(opened("memory://", reranker=slow))
    tasks = [asyncio.create_task(mem.asearch("tea", user_id="ana")) for _ in range(4)]
    for _ in tasks:
        await asyncio.to_thread(waiting.acquire)
    assert len(await mem.asearch("tea", user_id="ana", rerank=False)) == 10  # while they wait
    gate.set()
    assert {tuple(texts(hits)) for hits in await asyncio.gather(*tasks)} == {tuple(texts(mem.search("tea", user_id="ana")))}


async def test_a_follow_up_is_completed_for_the_reranker_as_well(opened: Open) -> None:
    judge = Judge()
    mem = filled(opened("memory://", reranker=judge))
    await mem.asearch("and where does she work?", user_id="ana", history=["Tell me about Maria."])
    assert judge.shown[0][0] == "and where does Maria work?"


# Beside others


def test_no_reader_is_held_while_the_model_thinks(opened: Open, path: str) -> None:
    mem = opened(path)
    filled(mem)

    def busy(question: str, shown: list[str]) -> list[float]:
        mem.purge(user_id="ana")  # needs the log emptied, which an open reader prevents: StoreBusyError
        return [1.0] * len(shown)

    other = opened(path, reranker=busy)
    assert other.search("tea", user_id="ana") == []  # nor is what was purged meanwhile given


def test_what_was_deleted_meanwhile_is_no_hit(opened: Open, path: str) -> None:
    mem = filled(opened(path))
    gone = mem.list(user_id="ana")[3]

    def busy(question: str, shown: list[str]) -> list[float]:
        mem.delete(gone.id, user_id="ana")
        return [1.0 if text == gone.text else 0.5 for text in shown]

    hits = opened(path, reranker=busy).search("tea", user_id="ana")
    assert gone.text not in texts(hits)
    assert len(hits) >= 9


def test_the_log_tells_how_many_were_judged_and_no_word_of_them(opened: Open, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("DEBUG", "agentmem")
    mem = filled(opened("memory://", reranker=Judge()), ["the zyxwv is secret", "tea"])
    mem.search("zyxwv", user_id="ana")
    told = [record.getMessage() for record in caplog.records]
    assert any(line.startswith("Judge judged 2 in ") for line in told)
    assert not any("zyxwv" in line for line in told)


# Failures


def test_a_failing_reranker_fails_the_search_and_says_how_to_do_without(opened: Open) -> None:
    def failing(question: str, texts: list[str]) -> list[float]:
        raise ConnectionError("secret tea")

    mem = filled(opened("memory://", reranker=failing))
    with pytest.raises(RerankError, match=r"ConnectionError.*rerank=False") as caught:
        mem.search("tea", user_id="ana")
    assert "secret" not in str(caught.value)
    assert len(mem.search("tea", user_id="ana", rerank=False)) == 10


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        ([0.5], "1 numbers for 12"), ([0.5] * 13, "13 numbers"), ([1.01] * 12, "from 0 to 1"), ([-3.0] * 12, "exp"),
        ([math.nan] * 12, "from 0 to 1"), ([math.inf] * 12, "from 0 to 1"), (["tea"] * 12, "a str"), ([[1]] * 12, "a list"),
        (3, "a int"), (None, "a NoneType"),
    ],
)  # fmt: skip
def test_an_answer_that_is_none_is_an_error_of_the_reranker(opened: Open, answer: Any, said: str) -> None:
    mem = filled(opened("memory://", reranker=lambda question, texts: answer))
    with pytest.raises(RerankError, match=said):
        mem.search("tea", user_id="ana")


async def test_awaited_it_fails_alike(opened: Open) -> None:
    mem = filled(opened("memory://", reranker=lambda question, texts: []))
    with pytest.raises(RerankError):
        await mem.asearch("tea", user_id="ana")


@pytest.mark.parametrize("spec", [3, object(), "cohere", "fastembed:", "", []])
def test_what_can_judge_nothing_is_refused_at_once(spec: object) -> None:
    with pytest.raises(InvalidInputError, match="reranker="):
        AgentMemory("memory://", reranker=spec)


@pytest.mark.parametrize(
    "options",
    [{"rerank_top": top} for top in (0, 1_001, 2.5)] + [{"rerank_weight": weight} for weight in (-0.1, 1.1, "all")],
)  # fmt: skip
def test_options_that_make_no_sense_are_refused(options: dict[str, Any]) -> None:
    with pytest.raises(InvalidInputError, match=next(iter(options))):
        AgentMemory("memory://", reranker=Judge(), **options)


def test_closing_ends_what_is_under_way(opened: Open) -> None:
    started = threading.Event()

    async def endless(question: str, texts: list[str]) -> list[float]:
        started.set()
        await asyncio.sleep(60)
        return []

    mem = filled(opened("memory://", reranker=endless))
    caught: list[BaseException] = []

    def search() -> None:
        try:
            mem.search("tea", user_id="ana")
        except BaseException as error:  # noqa: BLE001 - it is looked at below
            caught.append(error)

    thread = threading.Thread(target=search)
    thread.start()
    assert started.wait(10)
    began = time.monotonic()
    mem.close()
    thread.join(10)
    assert time.monotonic() - began < 10
    assert [type(error).__name__ for error in caught] == ["ClosedError"]
