"""Questions that only make sense after what was said before, and hits that must fit into a context."""

from collections.abc import Iterator
from typing import Any

import pytest

from agentmem_integrations import AgentMemory, InvalidInputError
from agentmem_integrations.pipeline.follow_up import in_context
from agentmem_integrations.pipeline.ranking.token_budget import tokens_of

KNOWN = [
    "She lives upstairs, the landlady.", "He lives downstairs, the caretaker.", "She works at night, the doctor next door.",
    "He works here, the plumber.", "He plays the trumpet, the man next door.", "She plays it by ear.", "She keeps a diary, the lodger.",
    "And the hotel? We never found it.", "How was the food? Good, at the canteen.", "And the hotel bar was closed.",
    "Where does she live, the pilot? She never said.", "And the deadline? Nobody knew it.",
    "The weather was fine.", "What about the weather at the wedding?", "And the deadline for tax returns is in July.",
    "Paula works in a tax office.", "Paula lives in Bonn.", "Paula keeps two parrots.", "Paula plays the drums.",
    "Maria works as a nurse at the children's hospital.", "Maria lives in Seville with her mother.", "Maria keeps a grey rabbit.",
    "Jonas works at a bakery near the station.", "Jonas lives in a houseboat in Kiel.", "Jonas plays chess on Fridays.",
    "Priya works for a wind farm.", "Priya lives in Pune.", "Priya plays the sitar.",
    "Ingrid works at the university library.", "Ingrid lives in Bergen.", "Ingrid keeps a one-eyed cat.",
    "Kofi works as a surveyor.", "Kofi lives in Accra.", "Kofi plays football on Sundays.",
    "Marek works in a shipyard.", "Marek lives in Gdansk.", "Marek keeps bees.",
    "Leila works at a theatre as a prompter.", "Leila lives in Tunis.", "Leila plays the oud.",
    "The food in Oslo was far too expensive.", "The hotel in Oslo was loud.", "The weather in Oslo was icy.",
    "The food in Lisbon was mostly grilled fish.", "The hotel in Lisbon had a roof terrace.", "The weather in Lisbon was windy.",
    "The food in Rome was simple and good.", "The hotel in Rome was next to a church.", "The weather in Rome was hot.",
    "The budget of the orchard project is 4,000 euros.", "The budget of the garage project is 900 euros.",
    "The deadline of the orchard project is in October.", "The deadline of the garage project is in March.",
]  # fmt: skip

ASKED = [
    ("Tell me about Maria.", "And where does she work?", "children's hospital"),
    ("Tell me about Maria.", "Where does she live?", "Seville"),
    ("Do you remember Maria?", "And what pet does she keep?", "grey rabbit"),
    ("I met Jonas today.", "Where does he work?", "bakery"),
    ("I met Jonas today.", "And where does he live?", "houseboat"),
    ("I met Jonas today.", "What does he play?", "chess"),
    ("I wrote to Priya.", "Who does she work for?", "wind farm"),
    ("I wrote to Priya.", "In which city does she live?", "Pune"),
    ("I wrote to Priya.", "What does she play?", "sitar"),
    ("How is Ingrid?", "Where does she work now?", "university library"),
    ("How is Ingrid?", "And where does she live?", "Bergen"),
    ("How is Ingrid?", "And what does she keep?", "one-eyed cat"),
    ("It was Kofi who called.", "What does he work as?", "surveyor"),
    ("It was Kofi who called.", "Where does he live?", "Accra"),
    ("It was Kofi who called.", "What does he play?", "football"),
    ("We should invite Marek.", "Where does he work?", "shipyard"),
    ("We should invite Marek.", "Where does he live?", "Gdansk"),
    ("We should invite Marek.", "Which animals does he keep?", "bees"),
    ("I had a card from Leila.", "And what does she work as?", "prompter"),
    ("I had a card from Leila.", "Where does she live?", "Tunis"),
    ("I had a card from Leila.", "What does she play?", "oud"),
    ("We spoke of the trip to Lisbon.", "How was the food there?", "grilled fish"),
    ("We spoke of the trip to Lisbon.", "And the hotel?", "roof terrace"),
    ("We spoke of the trip to Lisbon.", "What about the weather?", "windy"),
    ("We spoke of the trip to Rome.", "How was the food there?", "simple"),
    ("We spoke of the trip to Oslo.", "And the hotel?", "loud"),
    ("We spoke of the trip to Rome.", "What about the weather?", "hot"),
    ("Let us go through the garage project.", "What is its budget?", "900 euros"),
    ("Let us go through the garage project.", "And by when?", "March"),
    ("Let us go through the orchard project.", "And the deadline?", "October"),
]


@pytest.fixture(scope="module")
def mem() -> Iterator[AgentMemory]:
    with AgentMemory("memory://") as memory:
        memory.add_batch(KNOWN, user_id="eva")
        yield memory


def first(mem: AgentMemory, question: str, history: list[str] | None) -> str:
    return mem.search(question, user_id="eva", k=1, history=history)[0].memory.text


@pytest.mark.parametrize(("before", "question", "answer"), ASKED)
def test_a_follow_up_is_answered_with_the_conversation(mem: AgentMemory, before: str, question: str, answer: str) -> None:
    assert answer in first(mem, question, ["Good morning!", before])


@pytest.mark.parametrize(("before", "question", "answer"), ASKED)
def test_and_not_without_it(mem: AgentMemory, before: str, question: str, answer: str) -> None:
    assert answer not in first(mem, question, None)


def test_a_name_takes_the_place_of_the_pronoun_that_means_it() -> None:
    assert in_context("And where does she live?", ["Tell me about Maria."]) == "And where does Maria live?"
    assert in_context("And the hotel?", ["We spoke of Oslo."]) == "And the hotel? (Oslo)"


def test_what_was_spoken_of_last_is_meant(mem: AgentMemory) -> None:
    history = ["Tell me about Maria.", "Maria is a nurse.", "And I met Jonas today.", "Nice!"]
    assert "Kiel" in first(mem, "Where does he live?", history)


@pytest.mark.parametrize("question", ["Where does Ingrid live?", "What is the capital of Ghana", "Which of the two is older, Ann or Eve?"])
def test_a_question_that_stands_by_itself_is_left_as_it_is(question: str) -> None:
    assert in_context(question, ["Tell me about Maria."]) == question


def test_messages_may_be_dicts(mem: AgentMemory) -> None:
    history = [{"role": "user", "content": "Tell me about Maria."}, {"role": "assistant", "content": "A nice person."}]
    assert "Seville" in mem.search("Where does she live?", user_id="eva", k=1, history=history)[0].memory.text


@pytest.mark.parametrize("wordless", ["", {"role": "assistant", "content": None}, {"role": "assistant", "content": ""}, {"content": []}])
def test_messages_without_words_are_passed_over(mem: AgentMemory, wordless: Any) -> None:
    history = [{"role": "user", "content": [{"type": "text", "text": "Tell me about Maria."}]}, wordless]
    assert "Seville" in mem.search("Where does she live?", user_id="eva", k=1, history=history)[0].memory.text


@pytest.mark.parametrize("history", ["Tell me", {"content": "x"}, 3, [3], [{}], [None], [{"content": 3}]])
def test_what_is_no_conversation_is_refused(mem: AgentMemory, history: object) -> None:
    with pytest.raises(InvalidInputError):
        mem.search("and then?", user_id="eva", history=history)  # type: ignore[arg-type]


# What fits


def test_hits_fit_into_the_token_budget(mem: AgentMemory) -> None:
    for budget in (1, 8, 20, 50, 1_000):
        hits = mem.search("Where does Maria live?", user_id="eva", k=20, token_budget=budget)
        assert sum(tokens_of(hit.memory.text) for hit in hits) <= budget
    assert mem.search("Where does Maria live?", user_id="eva", token_budget=1) == []


def test_a_budget_keeps_the_best_and_their_order(mem: AgentMemory) -> None:
    whole = mem.search("Where does Maria live?", user_id="eva", k=20)
    some = mem.search("Where does Maria live?", user_id="eva", k=20, token_budget=60)
    assert some[0].memory.id == whole[0].memory.id
    ranks = [[h.memory.id for h in whole].index(hit.memory.id) for hit in some]
    assert ranks == sorted(ranks)
    assert mem.search("Where does Maria live?", user_id="eva", k=20, token_budget=10_000) == whole


def test_one_that_is_too_long_gives_way_to_the_next(mem: AgentMemory) -> None:
    mem.add("tea " * 500, user_id="long")
    mem.add("tea", user_id="long")
    assert [h.memory.text for h in mem.search("tea", user_id="long", token_budget=5)] == ["tea"]


@pytest.mark.parametrize("budget", [0, -1, 1.5, True, "9"])
def test_a_budget_is_a_whole_number_from_1(mem: AgentMemory, budget: object) -> None:
    with pytest.raises(InvalidInputError, match="token_budget"):
        mem.search("tea", user_id="eva", token_budget=budget)  # type: ignore[arg-type]


def test_a_character_of_a_dense_script_counts_as_a_token() -> None:
    assert tokens_of("我昨天去了北京") == pytest.approx(7, abs=1)
    assert tokens_of("four") == 1
    assert tokens_of("fives") == 2
