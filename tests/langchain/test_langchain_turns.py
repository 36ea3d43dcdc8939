"""Whose turn it is, and which words are told: turns that others resume, threads of several people, messages that come again."""

from collections.abc import Callable
from typing import Any

import pytest
from agent_runs import agent_of, memories_in, run_of, says, system_of, texts
from langchain.agents import create_agent
from langchain.agents.middleware import AgentMiddleware, HumanInTheLoopMiddleware, hook_config
from langchain_core.messages import AIMessage, HumanMessage
from langchain_core.tools import tool
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.types import Command

from agentmem_integrations import SHARED, AgentMemory
from agentmem_integrations.langchain import MemoryMiddleware, memory_tools
from agentmem_integrations.testing.chat import RuleChat
from agentmem_integrations.testing.langchain_model import ScriptedChatModel, calling

Opened = Callable[..., AgentMemory]
APPROVED = Command(resume={"decisions": [{"type": "approve"}]})


@tool
def pay(amount: int) -> str:
    """Pay a bill."""
    return f"paid {amount}"


@pytest.fixture
def mem(opened: Opened) -> AgentMemory:
    return opened("memory://", embedder="static")


def told(model: ScriptedChatModel, call: int = -1) -> list[str]:
    return [memory["text"] for memory in memories_in(system_of(model.shown[call]))]


def office(model: ScriptedChatModel, middleware: MemoryMiddleware, saver: InMemorySaver, *tools: Any) -> Any:
    """Make an agent whose every call of a tool must be approved."""
    approve = HumanInTheLoopMiddleware(interrupt_on={tool.name: True for tool in (pay, *tools, *middleware.tools)})
    return create_agent(model, tools=[pay, *tools], middleware=[middleware, approve], checkpointer=saver)


# Turns that somebody else resumes


@pytest.mark.parametrize("restarted", [False, True])
def test_a_turn_that_another_person_approves_stays_its_owners(mem: AgentMemory, restarted: bool) -> None:
    mem.add("Ana's salary is 4200", user_id="ana")
    mem.add("The manager's salary is 9000", user_id="manager")
    model, saver, middleware = ScriptedChatModel(script=[calling("pay", amount=5), "Paid."]), InMemorySaver(), MemoryMiddleware(mem)
    office(model, middleware, saver).invoke(says("Pay my salary bill, I am ill"), run_of("ana"))
    again = MemoryMiddleware(mem) if restarted else middleware
    office(model, again, saver).invoke(APPROVED, run_of("manager"))
    assert told(model, 0) == told(model, 1) == ["Ana's salary is 4200"]
    assert texts(mem, "ana") == ["Ana's salary is 4200", "Pay my salary bill, I am ill", "Paid."]
    assert texts(mem, "manager") == ["The manager's salary is 9000"]


async def test_a_turn_that_another_person_approves_stays_its_owners_in_async_runs_too(mem: AgentMemory) -> None:
    model, saver = ScriptedChatModel(script=[calling("pay", amount=5), "Paid."]), InMemorySaver()
    agent = office(model, MemoryMiddleware(mem), saver)
    await agent.ainvoke(says("Pay my bill"), run_of("ana"))
    await agent.ainvoke(APPROVED, run_of("manager"))
    assert texts(mem, "ana") == ["Pay my bill", "Paid."]
    assert texts(mem, "manager") == []


def test_facts_of_a_turn_that_another_person_approves_are_its_owners(opened: Opened) -> None:
    mem = opened("memory://", llm=RuleChat(), mode="intelligent")
    agent = office(ScriptedChatModel(script=[calling("pay", amount=5), "Paid."]), MemoryMiddleware(mem), InMemorySaver())
    agent.invoke(says("I moved to Lisbon"), run_of("ana"))
    agent.invoke(APPROVED, run_of("manager"))
    mem.flush()
    assert "The user moved to Lisbon" in texts(mem, "ana")
    assert texts(mem, "manager") == []


@pytest.mark.parametrize("own", [True, False])
def test_tools_that_another_person_approves_are_about_the_turns_owner(mem: AgentMemory, own: bool) -> None:
    mem.add("Ana's code is 4711", user_id="ana", kind="semantic")
    mem.add("The manager's code is 8888", user_id="manager", kind="semantic")
    middleware = MemoryMiddleware(mem, tools=own, k=0)
    tools = [] if own else memory_tools(mem)
    script = [calling("recall", query="code"), calling("remember", "call-2", text="Ana has a boat"), "Done."]
    agent = office(ScriptedChatModel(script=script), middleware, InMemorySaver(), *tools)
    agent.invoke(says("Look it up"), run_of("ana"))
    agent.invoke(APPROVED, run_of("manager"))
    result = agent.invoke(APPROVED, run_of("manager"))
    found = next(message.text for message in result["messages"] if message.type == "tool")
    assert "4711" in found
    assert "8888" not in found
    assert "Ana has a boat" in texts(mem, "ana")
    assert texts(mem, "manager") == ["The manager's code is 8888"]


def test_tools_that_are_bound_to_an_owner_stay_his(mem: AgentMemory) -> None:
    script = [calling("remember", text="The office closes at six"), "Done."]
    tools, run = memory_tools(mem, user_id=SHARED), run_of(user=None)
    agent = office(ScriptedChatModel(script=script), MemoryMiddleware(mem, user_id="ana"), InMemorySaver(), *tools)
    agent.invoke(says("Note the hours"), run)
    agent.invoke(APPROVED, run)
    assert [memory.text for memory in mem.list(user_id=SHARED)] == ["The office closes at six"]


def forged(user: str) -> dict[str, Any]:
    """Return what a client would write into the state to be taken for somebody else."""
    turn = {"key": "0" * 32, "user_id": user, "user_key": "user_id", "asked": "q", "mark": "0" * 16}
    return {"agentmem": {"MemoryMiddleware": {"turn": turn, "told": []}}}


def test_a_state_that_a_client_wrote_opens_nobodys_memory(mem: AgentMemory, caplog: pytest.LogCaptureFixture) -> None:
    mem.add("Ana's salary is 4200", user_id="ana", kind="core")
    model = ScriptedChatModel(script=[calling("recall", query="salary"), calling("remember", "call-2", text="Pay mallory"), "Done."])
    agent = office(model, MemoryMiddleware(mem, tools=True), InMemorySaver())
    agent.invoke({"messages": [HumanMessage("What is her salary?", id="q")]}, run_of("mallory"))
    for _ in range(2):
        result = agent.invoke(Command(resume=APPROVED.resume, update=forged("ana")), run_of("mallory"))
    assert all("4200" not in message.text for messages in model.shown for message in messages)
    assert all("4200" not in message.text for message in result["messages"])
    assert [message.text for message in result["messages"] if message.type == "tool"] == [
        "nothing was done: somebody else began this turn, and it is not sure who."
    ] * 2
    assert texts(mem, "ana") == ["Ana's salary is 4200"], "and nothing was put into it"
    assert "goes on without memory" in caplog.text


def test_a_state_that_a_client_wrote_opens_nobodys_turn_under_way(mem: AgentMemory) -> None:
    mem.add("Ana's salary is 4200", user_id="ana", kind="core")
    model = ScriptedChatModel(script=[calling("pay", amount=5), calling("pay", amount=5), "Done."])
    agent = office(model, MemoryMiddleware(mem), InMemorySaver())
    agent.invoke(says("Pay my bill"), run_of("ana", "t1"))
    key = agent.get_state(run_of("ana", "t1")).values["agentmem"]["MemoryMiddleware"]["turn"]["key"]
    agent.invoke({"messages": [HumanMessage("What is her salary?", id="q")]}, run_of("mallory", "t2"))
    theirs = forged("mallory")
    theirs["agentmem"]["MemoryMiddleware"]["turn"]["key"] = key
    agent.invoke(Command(resume=APPROVED.resume, update=theirs), run_of("mallory", "t2"))
    assert told(model, 0) == ["Ana's salary is 4200"]
    assert told(model, 2) == []


def test_a_new_turn_after_a_forged_one_puts_nothing_into_anybodys_memory(mem: AgentMemory) -> None:
    model = ScriptedChatModel(script=["One.", "Two."])
    agent = agent_of(model, MemoryMiddleware(mem), checkpointer=InMemorySaver())
    agent.invoke({"messages": [HumanMessage("Ana owes me a fortune", id="q")]}, run_of("mallory"))
    agent.update_state(run_of("mallory"), forged("ana"))
    agent.invoke(says("Hello"), run_of("mallory"))
    assert texts(mem, "ana") == []


# Threads of several people


def test_of_a_turn_that_was_given_up_everyone_keeps_his_own_words(mem: AgentMemory) -> None:
    mem.add("Ana's salary is 4200", user_id="ana", kind="core")
    calls = AIMessage("I need an approval.", tool_calls=calling("pay", amount=5).tool_calls)
    model = ScriptedChatModel(script=[calls, "Never mind."])
    agent = office(model, MemoryMiddleware(mem), InMemorySaver())
    agent.invoke(says("Pay my bill, I am ill"), run_of("ana"))
    agent.invoke(says("What is going on here?"), run_of("manager"))
    assert texts(mem, "ana") == ["Ana's salary is 4200", "Pay my bill, I am ill", "I need an approval."]
    assert texts(mem, "manager") == ["What is going on here?", "Never mind."]
    assert told(model, 1) == []


def test_the_next_turn_in_a_thread_is_of_whoever_begins_it(mem: AgentMemory) -> None:
    model = ScriptedChatModel(script=["Hello Ana.", "Hello Ben."])
    agent = agent_of(model, MemoryMiddleware(mem), checkpointer=InMemorySaver())
    agent.invoke(says("I am Ana"), run_of("ana"))
    agent.invoke(says("I am Ben"), run_of("ben"))
    assert texts(mem, "ana") == ["I am Ana", "Hello Ana."]
    assert texts(mem, "ben") == ["I am Ben", "Hello Ben."]


class Guard(AgentMiddleware):
    """Answers itself before any other middleware has begun."""

    @hook_config(can_jump_to=["end", "model"])
    def before_agent(self, state: Any, runtime: Any) -> dict[str, Any] | None:
        words = state["messages"][-1].text
        if "bomb" in words:
            return {"messages": [AIMessage("I do not talk about that.")], "jump_to": "end"}
        return {"jump_to": "model"} if "quick" in words else None


def test_a_turn_whose_beginning_was_jumped_over_is_of_whoever_runs_it(mem: AgentMemory) -> None:
    mem.add("Ana's salary is 4200", user_id="ana", kind="core")
    model = ScriptedChatModel(script=[RuntimeError("down"), "Quick.", "Yes."])
    agent = create_agent(model, middleware=[Guard(), MemoryMiddleware(mem)], checkpointer=InMemorySaver())
    with pytest.raises(RuntimeError, match="down"):
        agent.invoke(says("What do I earn?"), run_of("ana"))
    agent.invoke(says("Be quick"), run_of("ben"))
    assert told(model, 1) == []
    agent.invoke(says("A bomb"), run_of("ben"))
    agent.invoke(says("Hello"), run_of("ben"))
    assert texts(mem, "ana") == ["Ana's salary is 4200", "What do I earn?"]
    assert texts(mem, "ben") == ["Be quick", "Quick.", "A bomb", "I do not talk about that.", "Hello", "Yes."]


# Messages that come again


def test_other_words_under_the_same_id_are_stored(mem: AgentMemory) -> None:
    agent = agent_of(["Nice.", "Nicer."], MemoryMiddleware(mem), checkpointer=InMemorySaver())
    agent.invoke({"messages": [HumanMessage("I live in Porto", id="h1")]}, run_of())
    agent.invoke({"messages": [HumanMessage("I live in Lisbon", id="h1")]}, run_of())
    assert texts(mem) == ["I live in Porto", "Nice.", "I live in Lisbon", "Nicer."]


@pytest.mark.parametrize("restarted", [False, True])
def test_words_that_were_edited_after_a_failure_are_stored(mem: AgentMemory, restarted: bool) -> None:
    saver, model = InMemorySaver(), ScriptedChatModel(script=[RuntimeError("down"), "Nice."])
    middleware = MemoryMiddleware(mem)
    with pytest.raises(RuntimeError, match="down"):
        agent_of(model, middleware, checkpointer=saver).invoke({"messages": [HumanMessage("I live in Porto", id="h1")]}, run_of())
    again = MemoryMiddleware(mem) if restarted else middleware
    agent_of(model, again, checkpointer=saver).invoke({"messages": [HumanMessage("I live in Lisbon", id="h1")]}, run_of())
    assert texts(mem) == ["I live in Porto", "I live in Lisbon", "Nice."]


def test_words_that_were_edited_after_a_failure_are_stored_with_those_that_follow(mem: AgentMemory) -> None:
    agent = agent_of([RuntimeError("down"), "Nice."], MemoryMiddleware(mem), checkpointer=InMemorySaver())
    with pytest.raises(RuntimeError, match="down"):
        agent.invoke({"messages": [HumanMessage("I live in Porto", id="h1")]}, run_of())
    agent.invoke({"messages": [HumanMessage("I live in Lisbon", id="h1"), HumanMessage("Hello?", id="h2")]}, run_of())
    assert texts(mem) == ["I live in Porto", "I live in Lisbon", "Hello?", "Nice."]


@pytest.mark.parametrize("thread", ["t1", None])
def test_ids_that_begin_again_with_each_run_cost_no_words(mem: AgentMemory, thread: str | None) -> None:
    agent = agent_of([RuntimeError("down"), "Noted."], MemoryMiddleware(mem))
    with pytest.raises(RuntimeError, match="down"):
        agent.invoke({"messages": [HumanMessage("I live in Porto", id="0")]}, run_of(thread=thread))
    agent.invoke({"messages": [HumanMessage("I am allergic to nuts", id="0")]}, run_of(thread=thread))
    assert texts(mem) == ["I live in Porto", "I am allergic to nuts", "Noted."]


@pytest.mark.parametrize("saver", [InMemorySaver(), None])
def test_the_same_message_tried_again_is_stored_once(mem: AgentMemory, saver: InMemorySaver | None) -> None:
    agent = agent_of([RuntimeError("down"), RuntimeError("down"), "Noted."], MemoryMiddleware(mem), checkpointer=saver)
    for _ in range(2):
        with pytest.raises(RuntimeError, match="down"):
            agent.invoke({"messages": [HumanMessage("I live in Porto", id="h1")]}, run_of())
    agent.invoke({"messages": [HumanMessage("I live in Porto", id="h1")]}, run_of())
    assert texts(mem) == ["I live in Porto", "Noted."]


def test_a_failed_run_that_goes_on_is_stored_once(mem: AgentMemory) -> None:
    agent = agent_of([RuntimeError("down"), "Noted."], MemoryMiddleware(mem), checkpointer=InMemorySaver())
    with pytest.raises(RuntimeError, match="down"):
        agent.invoke(says("I live in Porto"), run_of())
    agent.invoke(None, run_of())
    assert texts(mem) == ["I live in Porto", "Noted."]


def test_memories_are_recalled_for_a_message_that_is_sent_again_unchanged(mem: AgentMemory) -> None:
    mem.add("Ana likes tea", user_id="ana")
    model = ScriptedChatModel(script=["Tea.", "Tea, still."])
    agent = agent_of(model, MemoryMiddleware(mem), checkpointer=InMemorySaver())
    for _ in range(2):
        agent.invoke({"messages": [HumanMessage("What do I like?", id="h1")]}, run_of())
    assert told(model, 0) == told(model, 1) == ["Ana likes tea"]
    assert texts(mem) == ["Ana likes tea", "What do I like?", "Tea.", "Tea, still."]
