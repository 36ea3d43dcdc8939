"""Finding facts beside the words they were drawn from, and what holds beside what held."""

from collections.abc import Callable
from datetime import UTC, datetime

from intelligent.says import Says

from agentmem_integrations import AgentMemory

Thinking = Callable[..., AgentMemory]

SAID = {
    "I moved into a flat in Porto, at last!": ["Ana lives in Porto"],
    "By the way, it is Lisbon now: I moved again.": ["Ana lives in Lisbon"],
    "My brother Rui keeps bees on his roof.": ["Ana's brother Rui keeps bees"],
}
MOVED = {"Ana lives in Lisbon": ["SUPERSEDE", "Ana lives in Porto"]}
PORTO, LISBON, BEES = SAID


def moved(thinking: Thinking) -> AgentMemory:
    mem = thinking(Says(SAID, MOVED), embedder="static")
    for text in SAID:
        mem.add(text, user_id="ana")
    return mem


def test_a_fact_and_its_words_are_one_hit(thinking: Thinking) -> None:
    hits = moved(thinking).search("Who keeps bees?", user_id="ana")
    assert hits[0].memory.text == "Ana's brother Rui keeps bees"
    assert [source.text for source in hits[0].sources] == [BEES]
    assert BEES not in [hit.memory.text for hit in hits]


def test_words_without_a_fact_among_the_hits_stay_hits(thinking: Thinking) -> None:
    hits = moved(thinking).search("Who keeps bees?", user_id="ana", kind="episode")
    assert hits[0].memory.text == BEES
    assert hits[0].sources == []


def test_facts_alone_carry_no_sources_that_were_not_found(thinking: Thinking) -> None:
    hits = moved(thinking).search("Who keeps bees?", user_id="ana", kind="semantic")
    assert hits[0].memory.text == "Ana's brother Rui keeps bees"
    assert hits[0].sources == []


def test_what_is_out_of_date_never_stands_above_what_holds(thinking: Thinking) -> None:
    mem = moved(thinking)
    for asked in ("Where does Ana live?", "Does Ana live in Porto?", "moved into a flat in Porto", PORTO):
        texts = [hit.memory.text for hit in mem.search(asked, user_id="ana", k=20)]
        assert "Ana lives in Porto" not in texts
        assert texts.index("Ana lives in Lisbon") < texts.index(PORTO)


def test_when_asked_about_then_what_held_then_is_found(thinking: Thinking) -> None:
    mem = thinking(Says(SAID, MOVED), embedder="static")
    mem.add(PORTO, user_id="ana")
    then = datetime.now(UTC)
    mem.add(LISBON, user_id="ana")
    texts = [hit.memory.text for hit in mem.search("Where does Ana live?", user_id="ana", at=then)]
    assert "Ana lives in Porto" in texts


def test_words_that_a_fact_still_stands_for_are_not_put_behind(thinking: Thinking) -> None:
    """The message that brought the change is a source of the new fact, not only of the old."""
    mem = moved(thinking)
    hits = mem.search("Where does Ana live now, Lisbon?", user_id="ana", k=1)
    assert hits[0].memory.text == "Ana lives in Lisbon"
    assert [source.text for source in hits[0].sources] == [LISBON]


def test_a_purged_successor_puts_nothing_behind(thinking: Thinking) -> None:
    mem = moved(thinking)
    (now,) = [m for m in mem.list(user_id="ana") if m.text == "Ana lives in Lisbon"]
    mem.search("Where does Ana live?", user_id="ana")
    mem.purge([now.id])
    assert mem.search("moved into a flat in Porto", user_id="ana", k=1)[0].memory.text == PORTO


def test_a_more_certain_fact_stands_above_a_doubtful_one(thinking: Thinking) -> None:
    said = {
        "Eve told me about her cello.": [{"text": "Eve plays the cello well", "confidence": 0.2}],
        "Eve told me about her oboe.": [{"text": "Eve plays the oboe well", "confidence": 1.0}],
    }
    mem = thinking(Says(said), embedder="static")
    for text in said:
        mem.add(text, user_id="ana")
    hits = mem.search("plays well", user_id="ana", kind="semantic", explain=True)
    quality = {hit.memory.text.split()[3]: hit.parts["quality"] for hit in hits}
    assert quality["oboe"] > quality["cello"]
