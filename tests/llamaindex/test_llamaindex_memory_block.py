"""AgentMemMemoryBlock in LlamaIndex's built-in `Memory`."""

import asyncio
import copy
from collections.abc import Callable
from typing import Any

import pytest
from llama_index.core.base.llms.types import ChatMessage, TextBlock
from llama_index.core.memory import BaseMemoryBlock, InsertMethod, Memory, StaticMemoryBlock

from agentmem_integrations import AgentMemory, InvalidInputError, ScopeError, StoreFullError
from agentmem_integrations.llamaindex import AgentMemChatStore, AgentMemMemoryBlock
from agentmem_integrations.testing.chat import RuleChat, ScriptedChat
from agentmem_integrations.testing.embedders import FailingEmbedder

Open = Callable[..., AgentMemory]
Make = Callable[..., AgentMemMemoryBlock]


def user(text: str) -> ChatMessage:
    return ChatMessage(role="user", content=text)


def assistant(text: str) -> ChatMessage:
    return ChatMessage(role="assistant", content=text)


@pytest.fixture
def make(mem: AgentMemory) -> Make:
    def made(**options: Any) -> AgentMemMemoryBlock:
        return AgentMemMemoryBlock(mem, **{"user_id": "ana", "tokenizer_fn": str.split, **options})

    return made


def memory_with(mem: AgentMemory, *blocks: BaseMemoryBlock[Any], session_id: str = "s1", **options: Any) -> Memory:
    store = AgentMemChatStore(mem, user_id="ana")
    return Memory.from_defaults(session_id=session_id, chat_store=store, memory_blocks=list(blocks), tokenizer_fn=str.split, **options)


def texts(mem: AgentMemory, user_id: str = "ana") -> list[str]:
    return [memory.text for memory in mem.list(user_id=user_id)]


def told(messages: list[ChatMessage]) -> str:
    return "\n".join(message.content or "" for message in messages)


def test_it_is_a_block(make: Make) -> None:
    assert issubclass(AgentMemMemoryBlock, BaseMemoryBlock)
    assert not AgentMemMemoryBlock.__abstractmethods__
    block = make(name="facts", description="d", priority=0)
    assert (block.name, block.description, block.priority, block.accept_short_term_memory) == ("facts", "d", 0, True)


async def test_a_short_chat_is_remembered_too(mem: AgentMemory, make: Make) -> None:
    memory = memory_with(mem, make())
    await memory.aput(user("I moved to Lisbon in May"))
    await memory.aget()
    await memory.aput(assistant("How nice"))
    await memory.aget()
    assert texts(mem) == ["I moved to Lisbon in May", "How nice"]
    assert {m.session_id for m in mem.list(user_id="ana")} == {"s1"}


async def test_it_recalls_in_another_session(mem: AgentMemory, make: Make) -> None:
    await make().aput([user("I moved to Lisbon in May")], session_id="s1")
    for method in InsertMethod:
        memory = memory_with(mem, make(), session_id=f"s-{method.value}", insert_method=method)
        await memory.aput(user("Where did I move in May?"))
        shown = await memory.aget()
        assert "I moved to Lisbon in May</memory>" in told(shown)
        assert [m.role.value for m in shown] == (["user"] if method is InsertMethod.USER else ["system", "user"])


async def test_what_overflows_is_remembered_and_the_history_is_archived(mem: AgentMemory, make: Make) -> None:
    memory = memory_with(mem, make(write_through=False, token_limit=20), token_limit=60, token_flush_size=20)
    for n in range(6):
        await memory.aput_messages([user(f"question {n} " + "word " * 8), assistant(f"answer {n} " + "word " * 8)])
    kept = [m.content for m in await memory.aget_all(status=None)]
    active = [m.content for m in await memory.sql_store.get_messages("s1")]
    assert texts(mem) == [text.strip() for text in kept[: len(kept) - len(active)] if text]
    assert texts(mem)


async def test_without_write_through_only_what_overflows_is_remembered(mem: AgentMemory, make: Make) -> None:
    memory = memory_with(mem, make(write_through=False))
    await memory.aput(user("I moved to Lisbon in May"))
    await memory.aget()
    assert texts(mem) == []


async def test_short_term_memory_can_be_refused(mem: AgentMemory, make: Make) -> None:
    block = make(accept_short_term_memory=False)
    await block.aput([user("one")], from_short_term_memory=True, session_id="s")
    assert texts(mem) == []
    await block.aput([user("two")])
    assert texts(mem) == ["two"]


async def test_nothing_is_nothing(mem: AgentMemory, make: Make) -> None:
    block = make()
    await block.aput([])
    assert await block.aget() == ""
    assert await block.aget([]) == ""
    assert await block.aget([user(" ")]) == ""
    assert texts(mem) == []


async def test_messages_shared_with_other_blocks_are_not_written_into(make: Make) -> None:
    messages = [user("I moved to Lisbon"), assistant("Nice")]
    before = copy.deepcopy(messages)
    block = make()
    await block.aput(messages, from_short_term_memory=True, session_id="s1")
    await block.aget(messages, session_id="s1")
    assert messages == before


async def test_a_session_that_another_block_noted_in_the_message_counts(mem: AgentMemory, make: Make) -> None:
    await make(session_id="own").aput([ChatMessage(role="user", content="a", additional_kwargs={"session_id": "noted"}), user("b")])
    assert [m.session_id for m in mem.list(user_id="ana")] == ["noted", "own"]


async def test_what_was_shown_before_is_not_stored_again(mem: AgentMemory, make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    added: list[Any] = []
    add = AgentMemory.aadd

    async def counted(self: AgentMemory, items: Any, **options: Any) -> Any:
        added.extend(items)
        return await add(self, items, **options)

    monkeypatch.setattr(AgentMemory, "aadd", counted)
    block = make()
    for _ in range(3):
        await block.aget([user("one"), assistant("two")], session_id="s")
    await block.aput([user("one")], from_short_term_memory=True, session_id="s")
    assert len(added) == 2


async def test_it_is_cut_from_the_end_and_vanishes(make: Make) -> None:
    block = make()
    await block.aput([user(f"Tea number {n} is good") for n in range(4)])
    content = await block.aget([user("Which tea is good?")])
    assert content.count("</memory>") == 4
    first = content.split("\n")[2]
    shorter = await block.atruncate(content, 8)
    assert shorter is not None
    assert 0 < shorter.count("</memory>") < 4
    assert shorter.split("\n")[2] == first
    assert len(content.split()) - len(shorter.split()) >= 8
    assert shorter.startswith("<memories>\n")
    assert shorter.endswith("\n</memories>")
    assert await block.atruncate(content, 10_000) is None
    assert await block.atruncate([], 5) is None


@pytest.mark.parametrize("priority", [0, 1])
async def test_memory_cuts_it_unless_it_must_not(mem: AgentMemory, make: Make, priority: int) -> None:
    await make().aput([user(f"Tea number {n} is good and green") for n in range(6)])
    memory = memory_with(mem, make(priority=priority), session_id="s2", token_limit=60, token_flush_size=10, chat_history_token_ratio=0.9)
    await memory.aput(user("Which tea is good? " + "word " * 30))
    recalled = told(await memory.aget()).count("good and green</memory>")
    assert (recalled == 6) if priority == 0 else (recalled < 6)


async def test_other_blocks_stand_beside_it(mem: AgentMemory, make: Make) -> None:
    await make().aput([user("I moved to Lisbon in May")])
    memory = memory_with(mem, make(), StaticMemoryBlock(name="who", static_content=[TextBlock(text="A carpenter.")]), session_id="s2")
    await memory.aput(user("Where did I move in May?"))
    shown = told(await memory.aget())
    assert "A carpenter." in shown
    assert "Lisbon" in shown


async def test_two_users_keep_apart(mem: AgentMemory, make: Make) -> None:
    await make(user_id="ana").aput([user("My PIN is 1234")])
    assert await make(user_id="ben").aget([user("What is my PIN?")]) == ""
    assert "1234" in await make(user_id="ana").aget([user("What is my PIN?")])


async def test_trouble_never_leaves_it(make: Make, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    async def full(self: AgentMemory, *args: Any, **options: Any) -> Any:
        raise StoreFullError("no space")

    monkeypatch.setattr(AgentMemory, "aadd", full)
    monkeypatch.setattr(AgentMemory, "asearch", full)
    block = make()
    await block.aput([user("The password is swordfish")], from_short_term_memory=True, session_id="s1")
    assert await block.aget([user("What is the password?")]) == ""
    monkeypatch.undo()
    await block.aput([user("Another thing")], session_id="s2")
    assert "swordfish" in await block.aget([user("Tell me the password")], session_id="s3")
    assert "wait to be remembered: StoreFullError" in caplog.text
    assert "nothing was recalled: StoreFullError" in caplog.text
    assert "swordfish" not in caplog.text


async def test_an_archived_message_is_not_lost_with_a_failing_model(opened: Open, path: str) -> None:
    broken = RuntimeError("down")
    mem = opened(path, embedder=FailingEmbedder(), llm=ScriptedChat(lambda request: broken))
    block = AgentMemMemoryBlock(mem, user_id="ana", mode="intelligent", wait=True, tokenizer_fn=str.split)
    await block.aput([user("My favourite tea is oolong.")], from_short_term_memory=True, session_id="s1")
    assert texts(mem) == ["My favourite tea is oolong."]
    assert len(mem.jobs(user_id="ana")) == 1
    assert "oolong" in await block.aget([user("Which tea is my favourite?")], session_id="s2")


async def test_facts_are_drawn_in_intelligent_mode(opened: Open, path: str) -> None:
    mem = opened(path, llm=RuleChat())
    await AgentMemMemoryBlock(mem, user_id="ana", mode="intelligent", wait=True).aput([user("My favourite tea is oolong.")])
    assert "The user's favourite tea is oolong" in texts(mem)


async def test_it_opens_a_path_and_can_be_copied(path: str) -> None:
    block = AgentMemMemoryBlock(path, user_id="ana", embedder=None)
    await block.aput([user("hello")])
    assert copy.deepcopy(block) is block
    assert texts(block.memory) == ["hello"]
    block.memory.close()


def test_wrong_arguments_are_told(mem: AgentMemory, make: Make) -> None:
    with pytest.raises(ScopeError):
        AgentMemMemoryBlock(mem)
    with pytest.raises(InvalidInputError, match="language model"):
        make(mode="intelligent")
    with pytest.raises(ValueError, match="k=0: pass a whole number from 1"):
        make(k=0)
    with pytest.raises(InvalidInputError, match="session_id"):
        make(session_id="")


async def test_what_a_cancelled_caller_said_is_remembered_with_the_next(
    make: Make, mem: AgentMemory, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def never(self: AgentMemory, *args: Any, **options: Any) -> Any:
        await asyncio.Event().wait()

    block = make()
    monkeypatch.setattr(AgentMemory, "aadd", never)
    for session in ("s1", "s2"):
        task = asyncio.create_task(block.remember([user(f"said in {session}")], session_id=session))
        await asyncio.sleep(0.01)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
    assert texts(mem) == []
    monkeypatch.undo()
    await block.remember([user("and then")], session_id="s3")
    assert sorted((m.session_id, m.text) for m in mem.list(user_id="ana")) == [
        ("s1", "said in s1"),
        ("s2", "said in s2"),
        ("s3", "and then"),
    ]
