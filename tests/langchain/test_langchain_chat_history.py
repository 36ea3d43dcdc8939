"""Histories of conversations: every kind of message exactly as it was, in order, as often as it was said."""

import asyncio
import warnings
from collections.abc import Callable
from typing import Any

import pytest
from langchain_core._api import LangChainDeprecationWarning
from langchain_core.messages import (
    AIMessage,
    AIMessageChunk,
    BaseMessage,
    ChatMessage,
    FunctionMessage,
    HumanMessage,
    SystemMessage,
    ToolMessage,
)
from langchain_core.prompts import ChatPromptTemplate, MessagesPlaceholder
from langchain_core.runnables.history import RunnableWithMessageHistory

from agentmem_integrations import AgentMemory, InvalidInputError
from agentmem_integrations.langchain import AgentMemChatMessageHistory
from agentmem_integrations.testing.langchain_model import ScriptedChatModel

Opened = Callable[..., AgentMemory]

EVERY_KIND: list[BaseMessage] = [
    SystemMessage("Be kind."),
    HumanMessage("I like tea", name="Ana", id="h1"),
    HumanMessage([{"type": "text", "text": "My dog"}, {"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}}]),
    AIMessage(
        "",
        id="a1",
        tool_calls=[{"name": "order", "args": {"dish": "tea", "n": 1.5, "deep": {"er": [None, True]}}, "id": "call-1"}],
        invalid_tool_calls=[{"name": "order", "args": "{bad", "id": "call-2", "error": "no JSON", "type": "invalid_tool_call"}],
        usage_metadata={"input_tokens": 3, "output_tokens": 2, "total_tokens": 5},
        response_metadata={"finish_reason": "tool_calls"},
    ),
    ToolMessage("tea is on its way", tool_call_id="call-1", name="order", artifact={"price": 3}, status="success"),
    ToolMessage("the kitchen burns", tool_call_id="call-2", status="error"),
    AIMessage([{"type": "text", "text": "Enjoy!"}], additional_kwargs={"mood": "fine"}),
    AIMessageChunk(content="a piece", id="c1"),
    ChatMessage(role="narrator", content="Night falls."),
    FunctionMessage(name="old", content="42"),
    HumanMessage(""),
    HumanMessage("   "),
    HumanMessage("NUL \x00, surrogate \ud800, emoji 🍵, \u2028 and “quotes”"),
]


@pytest.fixture
def mem(opened: Opened) -> AgentMemory:
    return opened("memory://")


def test_every_kind_of_message_comes_back_as_it_was(mem: AgentMemory) -> None:
    history = AgentMemChatMessageHistory(mem, "s1", user_id="ana")
    history.add_messages(EVERY_KIND)
    found = history.messages
    assert found == EVERY_KIND
    assert [type(message) for message in found] == [type(message) for message in EVERY_KIND]
    assert [message.model_dump() for message in found] == [message.model_dump() for message in EVERY_KIND]


async def test_async_too(mem: AgentMemory, monkeypatch: pytest.MonkeyPatch) -> None:
    history = AgentMemChatMessageHistory(mem, "s1", user_id="ana")
    for name in ("add", "list", "delete"):
        monkeypatch.setattr(type(history._collection), name, None)  # nothing sync may be called
    await history.aadd_messages(EVERY_KIND)
    assert await history.aget_messages() == EVERY_KIND
    await history.aclear()
    assert await history.aget_messages() == []


def test_they_outlive_the_program(path: str) -> None:
    with AgentMemory(path) as mem:
        AgentMemChatMessageHistory(mem, "s1", user_id="ana").add_messages(EVERY_KIND)
    with AgentMemory(path) as mem:
        assert AgentMemChatMessageHistory(mem, "s1", user_id="ana").messages == EVERY_KIND


def test_the_same_message_is_kept_as_often_as_it_was_said(mem: AgentMemory) -> None:
    history = AgentMemChatMessageHistory(mem, "s1", user_id="ana")
    said = [HumanMessage("yes"), AIMessage("yes"), HumanMessage("yes"), HumanMessage("yes", id="same"), HumanMessage("yes", id="same")]
    history.add_messages(said[:3])
    history.add_messages(said[3:])
    assert history.messages == said


def test_order_is_kept_over_many_calls_and_pages(mem: AgentMemory, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("agentmem_integrations.langchain.chat_history.MAX_PAGE", 7)
    history = AgentMemChatMessageHistory(mem, "s1", user_id="ana")
    for number in range(0, 28, 2):
        history.add_messages([HumanMessage(str(number)), AIMessage(str(number + 1))])
    assert [message.text for message in history.messages] == [str(number) for number in range(28)]


def test_conversations_and_users_are_kept_apart(mem: AgentMemory) -> None:
    for user in ("ana", "ben", None):
        for session in ("s1", "s2"):
            AgentMemChatMessageHistory(mem, session, user_id=user).add_user_message(f"{user} in {session}")
    for user in ("ana", "ben", None):
        for session in ("s1", "s2"):
            assert [m.text for m in AgentMemChatMessageHistory(mem, session, user_id=user).messages] == [f"{user} in {session}"]
    AgentMemChatMessageHistory(mem, "s1", user_id="ana").clear()
    assert AgentMemChatMessageHistory(mem, "s1", user_id="ana").messages == []
    for user, session in (("ana", "s2"), ("ben", "s1"), (None, "s1")):
        assert len(AgentMemChatMessageHistory(mem, session, user_id=user).messages) == 1


def test_it_is_no_part_of_what_is_recalled(mem: AgentMemory) -> None:
    AgentMemChatMessageHistory(mem, "s1", user_id="ana").add_user_message("I like tea")
    assert mem.list(user_id="ana") == mem.search("tea", user_id="ana") == []


def test_purging_a_person_erases_the_history(path: str) -> None:
    with AgentMemory(path) as mem:
        AgentMemChatMessageHistory(mem, "s1", user_id="ana").add_user_message("my secret is a xylophone")
        AgentMemChatMessageHistory(mem, "s1", user_id="ben").add_user_message("hello")
        assert mem.purge(user_id="ana", collections="all") == 1
        assert AgentMemChatMessageHistory(mem, "s1", user_id="ana").messages == []
        assert len(AgentMemChatMessageHistory(mem, "s1", user_id="ben").messages) == 1
    for suffix in ("", "-wal"):
        try:
            with open(path + suffix, "rb") as file:  # noqa: PTH123 - a suffix, not a path
                assert b"xylophone" not in file.read()
        except FileNotFoundError:
            assert suffix


def test_a_message_larger_than_one_memory_holds(mem: AgentMemory) -> None:
    image = {"type": "image_url", "image_url": {"url": "data:image/png;base64," + "A" * 3_000_000}}
    said = [HumanMessage([image]), HumanMessage("é\n" * 1_000_000), AIMessage("A fine picture.")]
    history = AgentMemChatMessageHistory(mem, "s1", user_id="ana")
    history.add_messages(said)
    assert history.messages == said


def test_what_no_json_can_hold_is_refused_and_nothing_is_stored(mem: AgentMemory) -> None:
    history = AgentMemChatMessageHistory(mem, "s1", user_id="ana")
    with pytest.raises(InvalidInputError, match="type 'ai' holds what no JSON can"):
        history.add_messages([HumanMessage("hi"), AIMessage("x", additional_kwargs={"client": object()})])
    assert history.messages == []


def test_nothing_added_is_nothing(mem: AgentMemory) -> None:
    history = AgentMemChatMessageHistory(mem, "s1", user_id="ana")
    history.add_messages([])
    assert history.messages == []


def test_a_session_must_be_named(mem: AgentMemory) -> None:
    for session in ("", None, 5):
        with pytest.raises(InvalidInputError, match="session_id"):
            AgentMemChatMessageHistory(mem, session, user_id="ana")  # type: ignore[arg-type]


def test_histories_share_one_collection(mem: AgentMemory) -> None:
    before = len(mem._room.engine.rooms)
    for number in range(50):
        AgentMemChatMessageHistory(mem, f"s{number}", user_id="ana")
    assert len(mem._room.engine.rooms) == before + 1


def test_a_collection_or_a_path_will_do(path: str) -> None:
    AgentMemChatMessageHistory(path, "s1", user_id="ana").add_user_message("hi")
    with AgentMemory(path) as mem:
        history = AgentMemChatMessageHistory(mem.collection("chat_history", embedder=None, twins="keep"), "s1", user_id="ana")
        assert [message.text for message in history.messages] == ["hi"]


def test_making_one_warns_of_nothing(mem: AgentMemory) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        AgentMemChatMessageHistory(mem, "s1", user_id="ana").add_user_message("hi")


def with_history(mem: AgentMemory, model: ScriptedChatModel) -> Any:
    prompt = ChatPromptTemplate.from_messages([MessagesPlaceholder("history"), ("human", "{question}")])
    with pytest.warns(LangChainDeprecationWarning, match="RunnableWithMessageHistory is deprecated"):
        return RunnableWithMessageHistory(
            prompt | model,
            lambda session_id: AgentMemChatMessageHistory(mem, session_id, user_id="ana"),
            input_messages_key="question",
            history_messages_key="history",
        )


def test_it_works_in_runnable_with_message_history(mem: AgentMemory) -> None:
    model = ScriptedChatModel(script=["Hi Ana.", "You are Ana.", "Who?"])
    chain = with_history(mem, model)
    chain.invoke({"question": "I am Ana"}, {"configurable": {"session_id": "s1"}})
    chain.invoke({"question": "Who am I?"}, {"configurable": {"session_id": "s1"}})
    chain.invoke({"question": "Who am I?"}, {"configurable": {"session_id": "s2"}})
    assert [[message.text for message in shown] for shown in model.shown] == [
        ["I am Ana"],
        ["I am Ana", "Hi Ana.", "Who am I?"],
        ["Who am I?"],
    ]


async def test_it_works_there_async(mem: AgentMemory) -> None:
    model = ScriptedChatModel(script=["Hi Ana.", "You are Ana."])
    chain = with_history(mem, model)
    await chain.ainvoke({"question": "I am Ana"}, {"configurable": {"session_id": "s1"}})
    await chain.ainvoke({"question": "Who am I?"}, {"configurable": {"session_id": "s1"}})
    assert [message.text for message in model.shown[1]] == ["I am Ana", "Hi Ana.", "Who am I?"]


async def test_concurrent_conversations_do_not_mix(mem: AgentMemory) -> None:
    async def talk(session: str) -> list[str]:
        history = AgentMemChatMessageHistory(mem, session, user_id="ana")
        for number in range(10):
            await history.aadd_messages([HumanMessage(f"{session} {number}"), AIMessage(f"yes {session} {number}")])
        return [message.text for message in await history.aget_messages()]

    for session, said in zip("abcde", await asyncio.gather(*map(talk, "abcde")), strict=True):
        assert said == [line for number in range(10) for line in (f"{session} {number}", f"yes {session} {number}")]
