"""What other middleware redacts or refuses is not stored, wherever it stands in the list; and what `redact` leaves out is not either."""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from agent_runs import agent_of, memories_in, run_of, says, system_of, texts
from langchain.agents import create_agent
from langchain.agents.middleware import AgentMiddleware, PIIMiddleware
from langchain.agents.middleware.pii import PIIDetectionError
from langchain_core.messages import AIMessage, HumanMessage
from langchain_core.tools import tool
from langgraph.checkpoint.memory import InMemorySaver

from agentmem_integrations import AgentMemory, InvalidInputError
from agentmem_integrations.langchain import MemoryMiddleware, memory_tools
from agentmem_integrations.testing.chat import RuleChat
from agentmem_integrations.testing.langchain_model import ScriptedChatModel, calling

Opened = Callable[..., AgentMemory]
ADDRESS = "ana@example.org"
BOTH_ORDERS = pytest.mark.parametrize("memory_first", [True, False])


@tool
def look_up(name: str) -> str:
    """Look up a person."""
    return f"{name} is at {ADDRESS}"


@pytest.fixture
def mem(opened: Opened) -> AgentMemory:
    return opened("memory://", embedder="static")


def agent_with(mem: AgentMemory, model: ScriptedChatModel, other: AgentMiddleware[Any, Any], memory_first: bool, **options: Any) -> Any:
    mine = MemoryMiddleware(mem)
    return create_agent(model, middleware=[mine, other] if memory_first else [other, mine], **options)


def without_addresses(text: str) -> str:
    return re.sub(r"\S+@\S+", "(address)", text)


class Spy:
    """An embedder that remembers what it was given."""

    name, dim = "spy", 2

    def __init__(self) -> None:
        self.asked: list[str] = []

    def embed_documents(self, texts: list[str]) -> list[list[float]]:
        self.asked += texts
        return [[1.0, 0.5] for _ in texts]

    def embed_query(self, text: str) -> list[float]:
        return self.embed_documents([text])[0]


# What other middleware does


@BOTH_ORDERS
def test_what_another_middleware_redacts_is_stored_redacted(path: str, opened: Opened, memory_first: bool) -> None:
    mem = opened(path)
    model = ScriptedChatModel(script=lambda messages: "Noted.")
    agent = agent_with(mem, model, PIIMiddleware("email", strategy="redact"), memory_first)
    agent.invoke(says(f"Mail me at {ADDRESS}"), run_of())
    agent.invoke(says("What is my mail address?"), run_of(thread="t2"))
    assert texts(mem)[0] == "Mail me at [REDACTED_EMAIL]"
    assert memories_in(system_of(model.shown[1]))[0]["text"] == "Mail me at [REDACTED_EMAIL]"
    mem.close()
    assert all(ADDRESS.encode() not in file.read_bytes() for file in Path(path).parent.iterdir())


@BOTH_ORDERS
async def test_what_another_middleware_redacts_is_stored_redacted_by_async_runs_too(mem: AgentMemory, memory_first: bool) -> None:
    agent = agent_with(mem, ScriptedChatModel(script=["Noted."]), PIIMiddleware("email", strategy="mask"), memory_first)
    await agent.ainvoke(says(f"Mail me at {ADDRESS}"), run_of())
    assert ADDRESS not in texts(mem)[0]


@BOTH_ORDERS
def test_nothing_is_drawn_from_what_another_middleware_redacts(opened: Opened, memory_first: bool) -> None:
    chat = RuleChat()
    mem = opened("memory://", llm=chat, mode="intelligent")
    agent = agent_with(mem, ScriptedChatModel(script=["Noted."]), PIIMiddleware("email", strategy="redact"), memory_first)
    agent.invoke(says(f"I live in {ADDRESS}"), run_of())
    mem.flush()
    assert ADDRESS not in str(chat.requests) + str(texts(mem))
    assert len(chat.requests) > 0


@BOTH_ORDERS
@pytest.mark.parametrize("mode", ["fast", "intelligent"])
@pytest.mark.parametrize("restarted", [True, False])
def test_what_another_middleware_blocks_is_never_stored(opened: Opened, memory_first: bool, mode: Any, restarted: bool) -> None:
    mem = opened("memory://", llm=RuleChat(), mode=mode)
    model, saver, block = ScriptedChatModel(script=["Hello.", "Bye."]), InMemorySaver(), PIIMiddleware("email", strategy="block")
    agent = agent_with(mem, model, block, memory_first, checkpointer=saver)
    with pytest.raises(PIIDetectionError):
        agent.invoke(says(f"Mail me at {ADDRESS}"), run_of())
    assert texts(mem) == []
    if restarted:
        agent = agent_with(mem, model, block, memory_first, checkpointer=saver)
    agent.invoke(says("Good morning"), run_of())
    agent.invoke(says("Good night"), run_of())
    mem.flush()
    assert texts(mem) == ["Good morning", "Hello.", "Good night", "Bye."], "neither then nor with the turns that follow"


@BOTH_ORDERS
def test_what_another_middleware_blocks_is_never_searched_with(opened: Opened, memory_first: bool) -> None:
    spy = Spy()
    mem = opened("memory://", embedder=spy)
    mem.add("Ana likes tea", user_id="ana")
    block = PIIMiddleware("email", strategy="block")
    agent = agent_with(mem, ScriptedChatModel(script=["Tea."]), block, memory_first, checkpointer=InMemorySaver())
    with pytest.raises(PIIDetectionError):
        agent.invoke(says(f"Mail me at {ADDRESS}"), run_of())
    agent.invoke(says("What do I like?"), run_of())
    assert "What do I like?" in spy.asked
    assert ADDRESS not in str(spy.asked)


@BOTH_ORDERS
def test_an_answer_that_another_middleware_redacts_is_stored_redacted(mem: AgentMemory, memory_first: bool) -> None:
    said = AIMessage(f"I try {ADDRESS}.", tool_calls=calling("look_up", name="Ana").tool_calls)
    model = ScriptedChatModel(script=[said, f"It is {ADDRESS}."])
    redacts = PIIMiddleware("email", strategy="redact", apply_to_output=True)
    agent_with(mem, model, redacts, memory_first, tools=[look_up]).invoke(says("Find Ana"), run_of())
    assert len(texts(mem)) == 3
    assert ADDRESS not in str(texts(mem))


class Refuses(AgentMiddleware):
    """Refuses addresses at the beginning of a run."""

    def before_agent(self, state: Any, runtime: Any) -> None:
        if "@" in state["messages"][-1].text:
            raise ValueError("refused")


def test_what_is_refused_behind_this_middleware_is_not_stored_with_the_next_turn(mem: AgentMemory) -> None:
    agent = agent_with(mem, ScriptedChatModel(script=["Hello."]), Refuses(), True, checkpointer=InMemorySaver())
    with pytest.raises(ValueError, match="refused"):
        agent.invoke(says(f"Mail me at {ADDRESS}"), run_of())
    agent.invoke(says("Good morning"), run_of())
    assert texts(mem) == ["Good morning", "Hello."]


class NeverReached(AgentMiddleware):
    """Fails where a summary is written, before the model is called."""

    def __init__(self) -> None:
        super().__init__()
        self.down = True

    def before_model(self, state: Any, runtime: Any) -> None:
        if self.down:
            raise RuntimeError("no quota")


@pytest.mark.parametrize("again", [None, {"messages": [HumanMessage("I live in Porto", id="h1")]}])
def test_words_that_never_reached_the_model_are_stored_when_they_do(mem: AgentMemory, again: Any) -> None:
    other = NeverReached()
    agent = agent_with(mem, ScriptedChatModel(script=["Noted."]), other, True, checkpointer=InMemorySaver())
    with pytest.raises(RuntimeError, match="no quota"):
        agent.invoke({"messages": [HumanMessage("I live in Porto", id="h1")]}, run_of())
    assert texts(mem) == []
    other.down = False
    agent.invoke(again, run_of())
    assert texts(mem) == ["I live in Porto", "Noted."]


# redact


def test_every_text_goes_through_redact_before_it_is_stored(mem: AgentMemory) -> None:
    said = AIMessage(f"I try {ADDRESS}.", tool_calls=calling("look_up", name="Ana").tool_calls)
    model = ScriptedChatModel(script=[said, calling("remember", text=f"Ana is at {ADDRESS}"), "Done."])
    middleware = MemoryMiddleware(mem, redact=without_addresses, roles=["user", "assistant", "tool"], tools=True)
    agent_of(model, middleware, tools=[look_up]).invoke(says(f"Who is {ADDRESS}?"), run_of())
    assert [text for text in texts(mem) if "Remembered" not in text] == [
        "Who is (address)", "I try (address)", "Ana is at (address)", "Ana is at (address)", "Done.",
    ]  # fmt: skip
    assert any(ADDRESS in message.text for message in model.shown[-1]), "the model is shown what was said"


def test_the_question_goes_through_redact_before_it_is_searched_with(opened: Opened) -> None:
    spy = Spy()
    mem = opened("memory://", embedder=spy)
    mem.add("Ana likes tea", user_id="ana")
    agent_of(["Noted."], MemoryMiddleware(mem, redact=without_addresses)).invoke(says(f"Mail {ADDRESS}"), run_of())
    assert "Mail (address)" in spy.asked
    assert ADDRESS not in str(spy.asked)


def test_what_redact_returns_nothing_for_is_not_stored(mem: AgentMemory) -> None:
    middleware = MemoryMiddleware(mem, redact=lambda text: None if "secret" in text else text, tools=True)
    model = ScriptedChatModel(script=[calling("remember", text="A secret"), "Fine."])
    result = agent_of(model, middleware).invoke(says("My secret is a boat"), run_of())
    assert texts(mem) == ["Fine."]
    assert "Nothing of that may be remembered." in [message.text for message in result["messages"]]


def test_what_was_redacted_is_not_recalled_in_its_own_conversation(mem: AgentMemory) -> None:
    model = ScriptedChatModel(script=lambda messages: "Noted.")
    agent = agent_of(model, MemoryMiddleware(mem, redact=without_addresses), checkpointer=InMemorySaver())
    agent.invoke(says(f"Mail me at {ADDRESS} at night"), run_of())
    agent.invoke(says("When do you mail me at night?"), run_of())
    assert memories_in(system_of(model.shown[1])) == []


def test_what_redact_raises_ends_the_run_and_nothing_is_stored(mem: AgentMemory) -> None:
    def broken(text: str) -> str:
        raise LookupError("no rules")

    with pytest.raises(LookupError, match="no rules"):
        agent_of(["Never."], MemoryMiddleware(mem, redact=broken)).invoke(says("I like tea"), run_of())
    assert texts(mem) == []


def test_a_redact_that_makes_no_sense_is_refused(mem: AgentMemory) -> None:
    for made in (MemoryMiddleware, memory_tools):
        with pytest.raises(InvalidInputError, match="redact='email'"):
            made(mem, redact="email")  # type: ignore[arg-type]
    with pytest.raises(InvalidInputError, match="redact returned a bool: return the text to store"):
        agent_of(["Never."], MemoryMiddleware(mem, redact=lambda text: True)).invoke(says("I like tea"), run_of())  # type: ignore[arg-type,return-value]
