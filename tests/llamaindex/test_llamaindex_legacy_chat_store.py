"""Chat histories behind LlamaIndex's older interface."""

import pytest
from llama_index.core.base.llms.types import ChatMessage
from llama_index.core.memory import ChatMemoryBuffer
from llama_index.core.storage.chat_store.base import BaseChatStore

from agentmem_integrations import AgentMemory
from agentmem_integrations.llamaindex import AgentMemChatStore, AgentMemLegacyChatStore


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


def test_the_older_memory_works_on_it(store: AgentMemLegacyChatStore) -> None:
    memory = ChatMemoryBuffer.from_defaults(chat_store=store, chat_store_key="k", token_limit=1_000)
    memory.put(said("a")[0])
    assert memory.get() == store.get_messages("k") == said("a")
