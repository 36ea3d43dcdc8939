"""Agents whose memory draws facts: in the background, once for each turn, and whatever the language model does."""

from collections.abc import Callable
from typing import Any

import pytest
from agent_runs import agent_of, run_of, says, system_of, texts
from langchain.agents import create_agent
from langchain.agents.middleware import HumanInTheLoopMiddleware
from langchain_core.messages import AIMessage, BaseMessage
from langchain_core.tools import tool
from langgraph.checkpoint.memory import InMemorySaver

from agentmem_integrations import AgentMemory, ModelTimeoutError
from agentmem_integrations.langchain import MemoryMiddleware, langchain_llm, pending_messages
from agentmem_integrations.ports import ChatMessage, ChatRequest
from agentmem_integrations.testing.chat import RuleChat, ScriptedChat
from agentmem_integrations.testing.langchain_model import ScriptedChatModel, calling

Opened = Callable[..., AgentMemory]
DOWN = ModelTimeoutError("no answer within 30 s")


@tool
def order(dish: str) -> str:
    """Order a dish."""
    return f"{dish} is on its way"


def facts(mem: AgentMemory, user: str = "ana") -> list[str]:
    assert mem.flush() == 0
    return [memory.text for memory in mem.list(user_id=user) if memory.kind != "episode"]


@pytest.fixture
def chat() -> RuleChat:
    return RuleChat()


@pytest.fixture
def mem(opened: Opened, chat: RuleChat) -> AgentMemory:
    return opened("memory://", embedder="static", llm=chat, mode="intelligent")


def by_rule(messages: list[BaseMessage]) -> Any:
    """Answer what is asked about facts as `RuleChat` does, and say "Well." to users."""
    asked = [ChatMessage("user", str(message.text)) for message in messages]
    name = next((name for name in ("facts", "decisions") if f'"{name}"' in messages[0].text), None)
    if name is None:
        return "Well."
    answer = RuleChat()._answer(ChatRequest(tuple(asked), {}, name), 1)
    return AIMessage("", tool_calls=[{"name": name, "args": answer, "id": "1"}])


def test_facts_of_one_session_are_known_in_the_next(mem: AgentMemory) -> None:
    model = ScriptedChatModel(script=["Noted.", "Lisbon."])
    agent = agent_of(model, MemoryMiddleware(mem))
    agent.invoke(says("I moved to Lisbon"), run_of(thread="monday"))
    assert facts(mem) == ["The user moved to Lisbon"]
    agent.invoke(says("Where do I live?"), run_of(thread="friday"))
    prompt = system_of(model.shown[1])
    assert '"text": "The user moved to Lisbon"' in prompt
    assert "I moved to Lisbon" not in prompt, "the fact stands for the words it was drawn from"


def test_a_turn_costs_one_reading_of_all_its_words(mem: AgentMemory, chat: RuleChat) -> None:
    agent = agent_of(["I recommend the fish market."], MemoryMiddleware(mem))
    agent.invoke(says("I moved to Lisbon"), run_of())
    assert facts(mem) == ["The user moved to Lisbon", "The assistant recommended the fish market"]
    readings = [request for request in chat.requests if request.schema_name == "facts"]
    assert len(readings) == 1


def test_the_answer_does_not_wait_for_facts(opened: Opened) -> None:
    chat = RuleChat(latency=0.3)
    mem = opened("memory://", llm=chat, mode="intelligent")
    agent_of(["Noted."], MemoryMiddleware(mem)).invoke(says("I moved to Lisbon"), run_of())
    assert [memory.kind for memory in mem.list(user_id="ana")] == ["episode", "episode"]
    assert facts(mem) == ["The user moved to Lisbon"]


async def test_async_agents_draw_facts_too(mem: AgentMemory) -> None:
    await agent_of(["Noted."], MemoryMiddleware(mem)).ainvoke(says("I moved to Lisbon"), run_of())
    await mem.aflush()
    assert facts(mem) == ["The user moved to Lisbon"]


def test_a_failing_model_delays_facts_and_breaks_no_agent(opened: Opened) -> None:
    rules = RuleChat()
    down = True
    mem = opened("memory://", llm=ScriptedChat(lambda request: DOWN if down else rules._answer(request, 1)), mode="intelligent")
    agent = agent_of(["Noted.", "Hm."], MemoryMiddleware(mem))
    assert agent.invoke(says("I moved to Lisbon"), run_of())["messages"][-1].text == "Noted."
    assert mem.flush() == 1
    assert texts(mem) == ["I moved to Lisbon", "Noted."]
    assert "ModelTimeoutError" in str(mem.jobs(user_id="ana")[0].error)
    down = False
    assert facts(mem) == ["The user moved to Lisbon"]


def test_of_the_users_words_alone_facts_are_drawn_too(mem: AgentMemory) -> None:
    agent_of(["I recommend the fish market."], MemoryMiddleware(mem, roles=["user"])).invoke(says("I moved to Lisbon"), run_of())
    assert facts(mem) == ["The user moved to Lisbon"]


def test_a_turn_that_failed_is_read_with_the_next(mem: AgentMemory, chat: RuleChat) -> None:
    agent = agent_of([RuntimeError("no quota"), "Noted."], MemoryMiddleware(mem))
    with pytest.raises(RuntimeError, match="no quota"):
        agent.invoke(says("I moved to Lisbon"), run_of())
    assert texts(mem) == ["I moved to Lisbon"]
    assert facts(mem) == []
    agent.invoke(says("I work as a carpenter"), run_of())
    assert facts(mem) == ["The user moved to Lisbon", "The user works as a carpenter"]
    assert len([request for request in chat.requests if request.schema_name == "facts"]) == 1


def test_after_a_restart_the_checkpoint_tells_which_turn_was_not_read(mem: AgentMemory) -> None:
    saver = InMemorySaver()
    with pytest.raises(RuntimeError, match="no quota"):
        agent_of([RuntimeError("no quota")], MemoryMiddleware(mem), checkpointer=saver).invoke(says("I moved to Lisbon"), run_of())
    agent_of(["Noted."], MemoryMiddleware(mem), checkpointer=saver).invoke(says("I work as a carpenter"), run_of())
    assert facts(mem) == ["The user moved to Lisbon", "The user works as a carpenter"]
    assert [memory.text for memory in mem.list(user_id="ana", kind="episode")] == ["I moved to Lisbon", "I work as a carpenter", "Noted."]


def waiting(mem: AgentMemory) -> MemoryMiddleware:
    """Return a middleware with a turn that waits for a human."""
    middleware = MemoryMiddleware(mem)
    approve = HumanInTheLoopMiddleware(interrupt_on={"order": True})
    model = ScriptedChatModel(script=[calling("order", dish="cake")])
    agent = create_agent(model, tools=[order], middleware=[middleware, approve], checkpointer=InMemorySaver())
    agent.invoke(says("I moved to Lisbon"), run_of())
    assert texts(mem) == ["I moved to Lisbon"]
    return middleware


def test_a_turn_that_never_ends_is_read_when_the_middleware_is_closed(mem: AgentMemory) -> None:
    waiting(mem).close()
    assert facts(mem) == ["The user moved to Lisbon"]


def test_of_too_many_turns_that_never_end_the_oldest_are_read(mem: AgentMemory, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pending_messages, "OPEN_TURNS", 0)
    middleware = waiting(mem)
    agent_of(["Hi."], middleware).invoke(says("Hello"), run_of("ben"))
    assert facts(mem) == ["The user moved to Lisbon"]


@pytest.mark.parametrize("erase", ["purge", "delete"])
def test_what_was_erased_while_a_turn_waits_is_not_told_again(mem: AgentMemory, erase: str) -> None:
    middleware = waiting(mem)
    assert getattr(mem, erase)(user_id="ana") == 1
    assert middleware.flush() == 0
    assert texts(mem) == []
    assert facts(mem) == []


def test_a_path_without_a_model_of_its_own_asks_the_agents(path: str) -> None:
    model = ScriptedChatModel(script=by_rule)
    with MemoryMiddleware(path, mode="intelligent") as middleware:
        agent = agent_of(model, middleware)
        chunks = list(agent.stream(says("I moved to Lisbon"), run_of(), stream_mode="messages"))
        assert facts(middleware.memory) == ["The user moved to Lisbon"]
        assert "".join(chunk.text for chunk, _ in chunks) == "Well.", "what is asked about facts is no part of the stream"
        assert middleware.memory.stats()["llm"]["model"].endswith("ScriptedChatModel:scripted")
        agent.invoke(says("Where do I live?"), run_of(thread="t2"))
        assert "The user moved to Lisbon" in "".join(system_of(messages) for messages in model.shown)


def test_what_is_owed_from_before_waits_until_the_agent_runs(path: str) -> None:
    with AgentMemory(path, llm=ScriptedChat(lambda request: DOWN), mode="intelligent") as before:
        before.add("I moved to Lisbon", user_id="ana")
    with MemoryMiddleware(path, mode="intelligent") as middleware:
        assert middleware.memory.flush() == 1
        assert "not known before it was asked" in str(middleware.memory.jobs()[0].error)
        agent_of(ScriptedChatModel(script=by_rule), middleware).invoke(says("Hello"), run_of("ben"))
        assert facts(middleware.memory) == ["The user moved to Lisbon"]


def test_a_langchain_model_may_draw_the_facts(path: str) -> None:
    thinker = ScriptedChatModel(script=by_rule)
    for llm in (thinker, langchain_llm(thinker)):
        with MemoryMiddleware(path, mode="intelligent", llm=llm) as middleware:
            agent_of(["Noted."], middleware).invoke(says("I moved to Lisbon"), run_of())
            assert facts(middleware.memory) == ["The user moved to Lisbon"]
    assert len(thinker.shown) == 1, "the second time the file had the reply"


def test_a_memory_that_asks_no_model_by_itself_can_be_told_to(opened: Opened, chat: RuleChat) -> None:
    mem = opened("memory://", llm=chat)
    agent_of(["Noted."], MemoryMiddleware(mem)).invoke(says("I moved to Lisbon"), run_of())
    assert facts(mem) == []
    agent_of(["Noted."], MemoryMiddleware(mem, mode="intelligent")).invoke(says("I live in Porto"), run_of(thread="t2"))
    assert facts(mem) == ["The user lives in Porto"]
