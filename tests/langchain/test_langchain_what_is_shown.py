"""What a model is shown beside its messages: memories of several owners, and none that it is sent anyway."""

from collections.abc import Callable
from typing import Any

import pytest
from agent_runs import agent_of, memories_in, run_of, says, system_of, texts
from langchain.agents import create_agent
from langchain.agents.middleware import wrap_model_call
from langchain.agents.structured_output import ProviderStrategy, ToolStrategy
from langchain_core.messages import AIMessage
from langchain_core.tools import tool
from langgraph.checkpoint.memory import InMemorySaver
from pydantic import BaseModel

from agentmem_integrations import SHARED, AgentMemory, InvalidInputError
from agentmem_integrations.langchain import MemoryMiddleware
from agentmem_integrations.langchain.memory_prompt import about_tokens
from agentmem_integrations.testing.langchain_model import ScriptedChatModel, calling

Opened = Callable[..., AgentMemory]


@tool
def order(dish: str) -> str:
    """Order a dish."""
    return f"{dish} is on its way"


@wrap_model_call
def last_three(request: Any, handler: Any) -> Any:
    """Send only the last messages, and leave the conversation as it is."""
    return handler(request.override(messages=request.messages[-3:]))


@pytest.fixture
def mem(opened: Opened) -> AgentMemory:
    return opened("memory://", embedder="static")


def shown(model: ScriptedChatModel, call: int = -1) -> list[str]:
    return [memory["text"] for memory in memories_in(system_of(model.shown[call]))]


# What is sent anyway


def test_what_is_no_longer_sent_is_recalled_in_its_own_conversation(mem: AgentMemory) -> None:
    model = ScriptedChatModel(script=lambda messages: "Fine.")
    agent = create_agent(model, middleware=[last_three, MemoryMiddleware(mem)], checkpointer=InMemorySaver())
    for words in ("My sister's name is Beatriz", "Tell me a joke", "Tell me another", "What is my sister's name?"):
        agent.invoke(says(words), run_of())
    assert "My sister's name is Beatriz" in shown(model)
    assert "Tell me another" not in shown(model), "it is among the last three"


def test_what_no_longer_fits_is_recalled_between_the_calls_of_a_turn(mem: AgentMemory) -> None:
    script = ["Fine.", calling("order", dish="tea"), calling("order", "call-2", dish="cake"), "Enjoy!"]
    model = ScriptedChatModel(script=script)
    agent = create_agent(model, tools=[order], middleware=[last_three, MemoryMiddleware(mem)], checkpointer=InMemorySaver())
    agent.invoke(says("I like tea with milk"), run_of())
    agent.invoke(says("Bring me the tea that I like"), run_of())
    assert [("I like tea with milk" in shown(model, call)) for call in (1, 2, 3)] == [False, True, True]


@pytest.mark.parametrize("limit", [131_072, 5_000])
def test_a_message_too_long_for_one_memory_is_not_recalled_in_its_own_conversation(opened: Opened, limit: int) -> None:
    mem = opened("memory://", embedder="static", text_limit=limit)
    model = ScriptedChatModel(script=lambda messages: "Fine.")
    agent = agent_of(model, MemoryMiddleware(mem), checkpointer=InMemorySaver())
    agent.invoke(says("fado music " * 20_000), run_of())
    assert len(texts(mem)[0]) == limit
    agent.invoke(says("Which music?"), run_of())
    assert shown(model) == []
    agent.invoke(says("Which music?"), run_of(thread="t2"))
    assert any(text.startswith("fado music") for text in shown(model))


def test_a_short_memory_is_recalled_though_a_message_begins_like_it(mem: AgentMemory) -> None:
    mem.add("I like tea", user_id="ana")
    model = ScriptedChatModel(script=["Fine."])
    agent_of(model, MemoryMiddleware(mem)).invoke(says("I like tea no more. " * 100), run_of())
    assert shown(model) == ["I like tea"]


# Memories of others


def test_shared_memories_may_be_recalled_besides(mem: AgentMemory) -> None:
    mem.add("The office closes at six", user_id=SHARED)
    mem.add("Ana works in the office", user_id="ana")
    mem.add("Ben sleeps in the office", user_id="ben")
    model = ScriptedChatModel(script=["At six."])
    agent_of(model, MemoryMiddleware(mem, also_recall=[SHARED])).invoke(says("When does the office close?"), run_of("ana"))
    told = {memory["text"]: memory.get("shared") for memory in memories_in(system_of(model.shown[0]))}
    assert told == {"The office closes at six": True, "Ana works in the office": None}
    assert "are not this user's words" in system_of(model.shown[0])
    assert [memory.text for memory in mem.list(user_id=SHARED)] == ["The office closes at six"], "nothing is written there"
    assert texts(mem, "ana") == ["Ana works in the office", "When does the office close?", "At six."]


async def test_shared_memories_may_be_recalled_in_async_runs(mem: AgentMemory) -> None:
    mem.add("The office closes at six", user_id="team")
    model = ScriptedChatModel(script=["At six."])
    await agent_of(model, MemoryMiddleware(mem, also_recall=["team"])).ainvoke(says("When does the office close?"), run_of())
    assert shown(model) == ["The office closes at six"]


def test_of_several_owners_the_best_are_recalled(mem: AgentMemory) -> None:
    mem.add_batch([f"The canteen serves dish number {number}" for number in range(20)], user_id=SHARED)
    mem.add("My boat is called Dora", user_id="ana")
    mem.add("The team's boat is called Nina", user_id="team")
    model = ScriptedChatModel(script=["Dora."])
    agent_of(model, MemoryMiddleware(mem, also_recall=[SHARED, "team"], k=2)).invoke(says("What is my boat called?"), run_of())
    assert sorted(shown(model)) == ["My boat is called Dora", "The team's boat is called Nina"]


def test_core_memories_of_all_are_told_and_what_all_users_share_stands_first(mem: AgentMemory) -> None:
    for owner, text in (("ana", "Ana is allergic to nuts"), (SHARED, "Our address is Rua Nova 1"), ("team", "The team meets on Monday")):
        mem.add(text, user_id=owner, kind="core", id="the-same-id")
    model = ScriptedChatModel(script=["Hi."])
    agent_of(model, MemoryMiddleware(mem, also_recall=[SHARED, "team"])).invoke(says("Hello"), run_of())
    assert shown(model) == ["Our address is Rua Nova 1", "The team meets on Monday", "Ana is allergic to nuts"]


def test_an_owner_who_is_the_user_is_recalled_once_and_not_marked(mem: AgentMemory) -> None:
    mem.add("Ana is allergic to nuts", user_id="ana", kind="core")
    mem.add("Ana likes tea", user_id="ana")
    model = ScriptedChatModel(script=["Hi."])
    agent_of(model, MemoryMiddleware(mem, also_recall=["ana", SHARED])).invoke(says("What do I like?"), run_of("ana"))
    told = memories_in(system_of(model.shown[0]))
    assert [memory["text"] for memory in told] == ["Ana is allergic to nuts", "Ana likes tea"]
    assert not any("shared" in memory for memory in told)


def test_memories_of_several_owners_stay_within_the_budget(mem: AgentMemory) -> None:
    for owner in ("ana", SHARED):
        mem.add_batch([f"Island number {number} " + "with friends " * 20 for number in range(30)], user_id=owner)
    model = ScriptedChatModel(script=["Hi."])
    agent_of(model, MemoryMiddleware(mem, also_recall=[SHARED], k=30, token_budget=400)).invoke(says("Which islands?"), run_of())
    assert 0 < about_tokens(system_of(model.shown[0])) <= 400


@pytest.mark.parametrize(
    ("owners", "complaint"),
    [
        ("team", "also_recall='team': pass a list"),
        ([""], "also_recall has 0 characters"),
        ([5], "also_recall=5"),
        (None, "also_recall=None"),
    ],
)
def test_owners_that_make_no_sense_are_refused(mem: AgentMemory, owners: Any, complaint: str) -> None:
    with pytest.raises(InvalidInputError, match=complaint):
        MemoryMiddleware(mem, also_recall=owners)


def test_several_middlewares_of_one_agent_keep_their_own_turns(mem: AgentMemory) -> None:
    mem.add("The office closes at six", user_id="acme")
    mem.add("Ana works in the office", user_id="ana")
    model = ScriptedChatModel(script=["Call 1.", "Call 2."])
    team = MemoryMiddleware(mem, user_key="org_id", name="team memory", roles=["user"])
    agent = create_agent(model, middleware=[MemoryMiddleware(mem), team], checkpointer=InMemorySaver())
    for words in ("When does the office close?", "Are you sure about the office?"):
        agent.invoke(says(words), {"configurable": {"user_id": "ana", "org_id": "acme", "thread_id": "t1"}})
    prompt = system_of(model.shown[0])
    assert "The office closes at six" in prompt
    assert "Ana works in the office" in prompt
    asked = ["When does the office close?", "Are you sure about the office?"]
    assert texts(mem, "ana") == ["Ana works in the office", asked[0], "Call 1.", asked[1], "Call 2."]
    assert texts(mem, "acme") == ["The office closes at six", *asked]


# What an assistant says


def test_what_is_said_beside_a_call_of_a_tool_is_stored_before_the_next_call_of_the_model(mem: AgentMemory) -> None:
    said = AIMessage("I see that your flight is BA123.", tool_calls=calling("order", dish="tea").tool_calls)
    agent = agent_of([said, RuntimeError("down")], MemoryMiddleware(mem), tools=[order])
    with pytest.raises(RuntimeError, match="down"):
        agent.invoke(says("Bring tea to my seat"), run_of())
    assert texts(mem) == ["Bring tea to my seat", "I see that your flight is BA123."]


class Answer(BaseModel):
    """Where somebody is."""

    city: str


def test_a_structured_answer_is_a_call_of_a_tool_and_not_stored(mem: AgentMemory) -> None:
    model = ScriptedChatModel(script=[calling("Answer", city="Lisbon")])
    agent = agent_of(model, MemoryMiddleware(mem), response_format=ToolStrategy(Answer))
    assert agent.invoke(says("Where am I?"), run_of())["structured_response"] == Answer(city="Lisbon")
    assert texts(mem) == ["Where am I?"]


def test_a_structured_answer_of_the_provider_is_text_and_stored(mem: AgentMemory) -> None:
    model = ScriptedChatModel(script=['{"city": "Lisbon"}'])
    agent = agent_of(model, MemoryMiddleware(mem), response_format=ProviderStrategy(Answer))
    assert agent.invoke(says("Where am I?"), run_of())["structured_response"] == Answer(city="Lisbon")
    assert texts(mem) == ["Where am I?", '{"city": "Lisbon"}']
