"""Adding with a language model: words first, then facts, and what becomes of those."""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import pytest
from intelligent.says import Says, facts_of, rows_of, told

from agentmem_integrations import SHARED, AgentMemory, InvalidInputError
from agentmem_integrations.models import KINDS

Thinking = Callable[..., AgentMemory]

PORTO, LISBON = "Ana lives in Porto", "Ana lives in Lisbon"
MOVED = {"I live in Porto": [PORTO], "I moved to Lisbon": [LISBON]}


def test_what_was_said_and_the_facts_in_it_are_both_remembered(thinking: Thinking) -> None:
    mem = thinking(Says({"I live in Porto with my cat Tom": [PORTO, "Ana has a cat named Tom"]}))
    result = mem.add("I live in Porto with my cat Tom", user_id="ana")
    assert result.status == "done"
    assert told(result) == [("ADD", PORTO), ("ADD", "Ana has a cat named Tom")]
    assert [m.kind for m in mem.list(user_id="ana")] == ["episode", "semantic", "semantic"]


def test_facts_are_found(thinking: Thinking) -> None:
    mem = thinking(Says(MOVED))
    mem.add("I live in Porto", user_id="ana")
    assert PORTO in [hit.memory.text for hit in mem.search("Where does Ana live?", user_id="ana")]


def test_nothing_worth_remembering_is_told_apart_from_done(thinking: Thinking) -> None:
    mem = thinking(Says())
    result = mem.add("hello there", user_id="ana")
    assert result.status == "nothing"
    assert result.error is None
    assert [event.memory.text for event in result.events] == ["hello there"]


def test_the_common_add_makes_exactly_one_call(thinking: Thinking) -> None:
    chat = Says({f"message {n}": [f"Fact {n} is about topic{n} alone"] for n in range(5)})
    mem = thinking(chat)
    for n in range(5):
        mem.add(f"message {n}", user_id=f"user {n}")
    assert chat.asked == ["facts"] * 5


def test_the_same_again_asks_nobody_and_changes_nothing(thinking: Thinking) -> None:
    chat = Says(MOVED)
    mem = thinking(chat)
    mem.add("I live in Porto", user_id="ana")
    again = mem.add("I live in Porto", user_id="ana")
    assert len(chat.requests) == 1
    assert [event.event for event in again.events] == ["NONE", "NONE"]
    assert facts_of(mem) == [PORTO]


def test_the_same_again_asks_nobody_also_after_reopening(path: str, thinking: Thinking) -> None:
    first, second = Says(MOVED), Says(MOVED)
    mem = thinking(first, path=path)
    mem.add("I live in Porto", user_id="ana")
    mem.close()
    thinking(second, path=path).add("I live in Porto", user_id="ana", session_id="another")
    assert (len(first.requests), len(second.requests)) == (1, 0)


async def test_a_hundred_identical_adds_at_once_ask_once_and_leave_one_set_of_facts(thinking: Thinking) -> None:
    chat = Says(MOVED, latency=0.02)
    mem = thinking(chat)
    results = await asyncio.gather(*(mem.aadd("I live in Porto", user_id="ana") for _ in range(100)))
    assert {result.status for result in results} == {"done"}
    assert len(chat.requests) == 1
    assert facts_of(mem) == [PORTO]


def test_threads_share_the_model_with_tasks(thinking: Thinking) -> None:
    chat = Says({f"message {n}": [f"Fact {n} is about topic{n} alone"] for n in range(40)})
    mem = thinking(chat)

    async def tasks() -> None:
        await asyncio.gather(*(mem.aadd(f"message {n}", user_id=f"user {n}") for n in range(20)))

    with ThreadPoolExecutor(8) as pool:
        done = [pool.submit(asyncio.run, tasks()), *(pool.submit(mem.add, f"message {n}", user_id=f"user {n}") for n in range(20, 40))]
        for each in done:
            each.result(60)
    assert [facts_of(mem, f"user {n}") for n in range(40)] == [[f"Fact {n} is about topic{n} alone"] for n in range(40)]


def test_another_users_answer_is_never_reused(thinking: Thinking) -> None:
    chat = Says(MOVED)
    mem = thinking(chat)
    mem.add("I live in Porto", user_id="ana")
    mem.add("I live in Porto", user_id="bob")
    mem.add("I live in Porto", user_id=SHARED)
    assert len(chat.requests) == 3


async def test_two_owners_are_never_in_one_prompt(thinking: Thinking) -> None:
    users = ["ana", "bob", "an", "anab"]
    chat = Says({f"{user} says {n}": [f"{user} fact {n}"] for user in users for n in range(10)}, latency=0.01)
    mem = thinking(chat)
    await asyncio.gather(*(mem.aadd(f"{user} says {n}", user_id=user) for n in range(10) for user in users))
    for request in chat.requests:
        texts = [row["text"] for row in rows_of(request)]
        assert len({text.split()[0] for text in texts}) == 1, texts


async def test_two_sessions_or_agents_are_never_in_one_prompt(thinking: Thinking) -> None:
    chat = Says(latency=0.01)
    mem = thinking(chat)
    narrow = [{"session_id": "s1"}, {"session_id": "s2"}, {"agent_id": "a1"}, {}]
    await asyncio.gather(*(mem.aadd(f"{which} says {n}", user_id="ana", **ids) for n in range(5) for which, ids in enumerate(narrow)))
    mem.add([{"content": f"{n % 2} of one call", "session_id": f"s{n % 2}"} for n in range(6)], user_id="ana")
    for request in chat.requests:
        assert len({row["text"].split()[0] for row in rows_of(request)}) == 1


async def test_twenty_waiting_messages_of_one_scope_cost_three_calls_and_no_fact(thinking: Thinking) -> None:
    facts = {f"message {n}": [f"Fact {n} is about topic{n} alone"] for n in range(20)}
    chat = Says(facts, latency=0.05)
    mem = thinking(chat)
    results = await asyncio.gather(*(mem.aadd(text, user_id="ana") for text in facts))
    assert [text for result in results for _, text in told(result)] == [fact for told_of in facts.values() for fact in told_of]
    assert chat.asked.count("facts") <= 3
    assert sorted(facts_of(mem)) == sorted(fact for told_of in facts.values() for fact in told_of)


async def test_a_long_conversation_is_read_in_windows_at_once(thinking: Thinking) -> None:
    messages = [{"role": "user", "content": f"message {n}"} for n in range(60)]
    chat = Says({f"message {n}": [f"Fact {n} is about topic{n} alone"] for n in range(60)})
    reading = most = 0
    answer = chat.reply

    async def reply(request):  # type: ignore[no-untyped-def]  # that of the model
        nonlocal reading, most
        reading, most = reading + 1, max(most, reading + 1)
        await asyncio.sleep(0.05)
        reading -= 1
        return await answer(request)

    chat.reply = reply  # type: ignore[method-assign]
    result = await thinking(chat).aadd(messages, user_id="ana")
    assert len(told(result)) == 60
    assert chat.asked.count("facts") == most == 5


def test_every_kind_of_fact_round_trips_and_can_be_asked_for(thinking: Thinking) -> None:
    kinds = [kind for kind in KINDS if kind != "episode"]
    chat = Says({"much": [{"text": f"Topic{kind} is about {kind}", "kind": kind} for kind in kinds]})
    mem = thinking(chat)
    mem.add("much", user_id="ana")
    for kind in kinds:
        assert [m.text for m in mem.list(user_id="ana", kind=kind)] == [f"Topic{kind} is about {kind}"]
        assert [h.memory.kind for h in mem.search(f"Topic{kind}", user_id="ana", kind=kind)] == [kind]


def test_a_fact_tells_where_it_came_from(thinking: Thinking) -> None:
    row = {"text": PORTO, "importance": 0.9, "confidence": 0.8, "entities": ["Ana", "Porto"]}
    mem = thinking(Says({"I live in Porto": [row]}, name="some model"))
    added = mem.add("I live in Porto", user_id="ana", session_id="s1", agent_id="a1", timestamp="2026-05-02T10:00:00Z")
    episode, fact = (event.memory for event in added.events)
    assert fact.importance == 0.9
    assert (fact.session_id, fact.agent_id, fact.occurred_at) == ("s1", "a1", datetime(2026, 5, 2, 10, tzinfo=UTC))
    known = mem.get(fact.id, user_id="ana")
    assert known is not None
    assert known.provenance["episodes"] == [episode.id]
    assert known.provenance["model"] == "some model"
    assert known.provenance["entities"] == ["Ana", "Porto"]
    assert known.provenance["confidence"] == 0.8
    assert known.provenance["prompt"].startswith("extract-")


def test_a_fact_shares_what_its_messages_have_in_common(thinking: Thinking) -> None:
    both = {"messages": [1, 2], "text": "Ana likes tea"}
    mem = thinking(Says({"tea?": [both]}))
    items = [{"content": "tea?", "metadata": {"topic": "food", "n": 1}}, {"content": "yes", "metadata": {"topic": "food", "n": 2}}]
    mem.add(items, user_id="ana", ttl=3_600)
    (fact,) = mem.list(user_id="ana", kind="semantic")
    assert fact.metadata == {"topic": "food"}
    assert fact.expires_at is not None


def test_a_plan_is_found_before_it_comes_true(thinking: Thinking) -> None:
    tomorrow = (datetime.now(UTC) + timedelta(days=1)).date().isoformat()
    mem = thinking(Says({"I fly soon": [{"text": f"Ana flies to Rome on {tomorrow}", "valid_from": tomorrow}]}))
    mem.add("I fly soon", user_id="ana")
    assert facts_of(mem) == [f"Ana flies to Rome on {tomorrow}"]


def test_a_fact_that_ends_is_gone_afterwards(thinking: Thinking) -> None:
    mem = thinking(Says({"I am in Rome until 2020-03-31": [{"text": "Ana is in Rome until 2020-03-31", "valid_to": "2020-03-31"}]}))
    mem.add("I am in Rome until 2020-03-31", user_id="ana", timestamp="2020-02-01")
    assert facts_of(mem) == []
    assert [h.memory.text for h in mem.search("Rome", user_id="ana", kind="semantic", at="2020-03-15")] == [
        "Ana is in Rome until 2020-03-31"
    ]


def test_dates_are_resolved_against_the_time_of_the_message(thinking: Thinking) -> None:
    chat = Says()
    thinking(chat).add("I met Tom yesterday", user_id="ana", timestamp="2026-05-02T10:00:00Z")
    assert "2026-05-01" in chat.requests[0].messages[-1].content


def test_an_llm_alone_never_costs_anything(url: str) -> None:
    chat = Says(MOVED)
    with AgentMemory(url, llm=chat) as mem:
        mem.add("I live in Porto", user_id="ana")
        mem.add_batch(["I moved to Lisbon"], user_id="ana")
        mem.search("where?", user_id="ana")
        mem.flush()
    assert chat.requests == []


def test_one_call_may_choose_the_mode(url: str) -> None:
    chat = Says(MOVED)
    with AgentMemory(url, llm=chat) as mem:
        mem.add("I live in Porto", user_id="ana", mode="intelligent")
    assert len(chat.requests) == 1


def test_without_a_model_the_mode_is_refused(url: str) -> None:
    with pytest.raises(InvalidInputError, match="llm="):
        AgentMemory(url, mode="intelligent")
    with AgentMemory(url) as mem, pytest.raises(InvalidInputError, match="llm="):
        mem.add("I live in Porto", user_id="ana", mode="intelligent")


def test_a_function_is_a_model(thinking: Thinking) -> None:
    mem = thinking(lambda prompt: '{"facts": [{"messages": [1], "text": "Ana lives in Porto"}]}')
    assert told(mem.add("I live in Porto", user_id="ana")) == [("ADD", PORTO)]


def test_bad_input_is_refused_before_anything_is_stored(thinking: Thinking) -> None:
    mem = thinking(Says())
    with pytest.raises(InvalidInputError):
        mem.add(["fine", " "], user_id="ana")
    assert mem.list(user_id="ana") == []


def test_every_collection_thinks_for_itself(thinking: Thinking) -> None:
    mem = thinking(Says(MOVED))
    other = mem.collection("other", mode="intelligent")
    other.add("I live in Porto", user_id="ana")
    assert facts_of(mem) == []
    assert [m.text for m in other.list(user_id="ana")] == ["I live in Porto", PORTO]


def test_what_was_purged_is_not_answered_from_memory(thinking: Thinking) -> None:
    chat = Says(MOVED)
    mem = thinking(chat)
    mem.add("I live in Porto", user_id="ana")
    mem.purge(user_id="ana")
    mem.add("I live in Porto", user_id="ana")
    assert len(chat.requests) == 2
