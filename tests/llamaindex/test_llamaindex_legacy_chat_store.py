"""Chat histories behind LlamaIndex's older interface."""

import pickle
import threading
from collections.abc import Callable
from typing import Any

import pytest
from llama_index.core.base.llms.types import ChatMessage
from llama_index.core.memory import ChatMemoryBuffer
from llama_index.core.storage.chat_store import SimpleChatStore
from llama_index.core.storage.chat_store.base import BaseChatStore

from agentmem_integrations import AgentMemory, InvalidInputError
from agentmem_integrations.llamaindex import AgentMemChatStore, AgentMemLegacyChatStore
from agentmem_integrations.testing.embedders import HashEmbedder

Open = Callable[..., AgentMemory]


@pytest.fixture
def store(mem: AgentMemory) -> AgentMemLegacyChatStore:
    return AgentMemLegacyChatStore(mem, user_id="ana")


def said(*texts: str) -> list[ChatMessage]:
    return [ChatMessage(role="user", content=text) for text in texts]


def test_it_is_a_chat_store() -> None:
    assert issubclass(AgentMemLegacyChatStore, BaseChatStore)
    assert not AgentMemLegacyChatStore.__abstractmethods__
    assert AgentMemLegacyChatStore.class_name() == "AgentMemLegacyChatStore"


def test_setting_adding_getting(store: AgentMemLegacyChatStore) -> None:
    store.set_messages("k", said("a"))
    store.add_message("k", *said("b"))
    assert store.get_messages("k") == said("a", "b")
    assert store.get_messages("other") == []
    assert store.get_keys() == ["k"]
    store.set_messages("k", said("c"))
    assert store.get_messages("k") == said("c")


def test_deleting_returns_what_was_deleted(store: AgentMemLegacyChatStore) -> None:
    store.set_messages("k", said("a", "b", "c", "d"))
    assert store.delete_message("k", 1) == said("b")[0]
    assert store.delete_message("k", 7) is None
    assert store.delete_message("k", -7) is None
    assert store.delete_last_message("k") == said("d")[0]
    assert store.delete_messages("k") == said("a", "c")
    assert store.delete_messages("k") is None
    assert store.delete_last_message("k") is None


async def test_the_async_methods_do_the_same(store: AgentMemLegacyChatStore) -> None:
    await store.aset_messages("k", said("a", "b", "c"))
    await store.async_add_message("k", *said("d"))
    assert await store.adelete_message("k", 0) == said("a")[0]
    assert await store.adelete_last_message("k") == said("d")[0]
    assert await store.aget_messages("k") == said("b", "c")
    assert await store.aget_keys() == ["k"]
    assert await store.adelete_messages("k") == said("b", "c")


async def test_both_interfaces_share_histories(store: AgentMemLegacyChatStore, mem: AgentMemory) -> None:
    other = AgentMemChatStore(mem, user_id="ana")
    await other.add_messages("k", said("a", "b", "c"))
    await other.archive_oldest_messages("k", 1)
    assert store.get_messages("k") == said("b", "c")
    assert store.delete_message("k", 0) == said("b")[0]
    assert await other.get_messages("k", status=None) == said("a", "c")


async def test_setting_leaves_what_the_other_interface_has_archived(store: AgentMemLegacyChatStore, mem: AgentMemory) -> None:
    other = AgentMemChatStore(mem, user_id="ana")
    await other.add_messages("k", said("a", "b", "c"))
    await other.archive_oldest_messages("k", 1)
    for texts in (("x", "y"), ("x", "y"), (), ("z",)):
        await store.aset_messages("k", said(*texts))
        assert await other.get_messages("k", status=None) == said("a", *texts)
        assert store.get_messages("k") == said(*texts)


def test_the_older_memory_works_on_it(store: AgentMemLegacyChatStore) -> None:
    memory = ChatMemoryBuffer.from_defaults(chat_store=store, chat_store_key="k", token_limit=1_000)
    memory.put(said("a")[0])
    assert memory.get() == store.get_messages("k") == said("a")


async def test_a_message_is_added_at_a_position_as_simple_chat_store_does(store: AgentMemLegacyChatStore) -> None:
    simple = SimpleChatStore()
    for text, idx in (
        ("a", None),
        ("b", None),
        ("first", 0),
        ("second", 1),
        ("before the last", -1),
        ("last", 99),
        ("zero", -99),
        ("end", None),
    ):
        store.add_message("k", *said(text), idx)
        simple.add_message("k", *said(text), idx)
        assert store.get_messages("k") == simple.get_messages("k")
    await store.async_add_message("k", *said("async"), idx=2)
    assert store.get_messages("k")[2] == said("async")[0]
    store.add_message("new", *said("alone"), idx=0)
    assert store.get_messages("new") == said("alone")


def test_a_pickled_store_has_the_same_histories(path: str, opened: Open) -> None:
    mem = opened(path, embedder=None)
    for make in (AgentMemLegacyChatStore, AgentMemChatStore):
        bytes_of = pickle.dumps(make(mem, user_id="ana", collection="chats"))
        again = pickle.loads(bytes_of)  # noqa: S301 - our own bytes
        legacy = AgentMemLegacyChatStore(mem, user_id="ana", collection="chats")
        assert (again.user_id, again.collection, again.memory) == ("ana", "chats", mem)
        legacy.set_messages("k", said("a"))
        if isinstance(again, AgentMemLegacyChatStore):
            again.add_message("k", *said("b"))
            assert legacy.get_messages("k") == said("a", "b")


def test_a_store_that_was_pickled_opens_its_file_again_or_says_what_it_lacks(path: str) -> None:
    with AgentMemory(path, embedder=None) as mem:
        store = AgentMemLegacyChatStore(mem, user_id="ana")
        store.add_message("k", *said("a"))
        plain = pickle.dumps(store)
    again = pickle.loads(plain)  # noqa: S301 - our own bytes
    assert again.get_messages("k") == said("a")
    again.close()
    with AgentMemory(path, embedder=HashEmbedder()) as mem:
        special = pickle.dumps(AgentMemLegacyChatStore(mem, user_id="ana"))
    lacking = pickle.loads(special)  # noqa: S301 - our own bytes
    with pytest.raises(InvalidInputError, match=r"its embedder cannot be saved: call use\(AgentMemory"):
        lacking.get_messages("k")
    with AgentMemory(path, embedder=HashEmbedder()) as mem:
        lacking.use(mem)
        assert lacking.get_messages("k") == said("a")


def test_many_who_delete_everything_at_once_get_each_message_once(store: AgentMemLegacyChatStore) -> None:
    store.set_messages("k", said(*(str(n) for n in range(30))))
    results: list[Any] = []
    threads = [threading.Thread(target=lambda: results.append(store.delete_messages("k"))) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [r for r in results if r is not None] == [said(*(str(n) for n in range(30)))]
