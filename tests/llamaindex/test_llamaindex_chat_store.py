"""Chat histories: what `AsyncDBChatStore` promises, and what ours promises beyond."""

import asyncio
import base64
import contextlib
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import pytest
from llama_index.core.base.llms.types import (
    CacheControl,
    CachePoint,
    ChatMessage,
    DocumentBlock,
    ImageBlock,
    TextBlock,
    ThinkingBlock,
    ToolCallBlock,
)
from llama_index.core.memory import Memory
from llama_index.core.storage.chat_store.base_db import AsyncDBChatStore, MessageStatus

from agentmem_integrations import AgentMemory, ClosedError, InvalidInputError, ScopeError
from agentmem_integrations.llamaindex import AgentMemChatStore
from agentmem_integrations.llamaindex.chat_store import COLLECTION
from agentmem_integrations.testing.embedders import FailingEmbedder

Run = Callable[..., str]
PIXEL = base64.b64decode("iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==")


@pytest.fixture
def store(mem: AgentMemory) -> AgentMemChatStore:
    return AgentMemChatStore(mem, user_id="ana")


def said(*texts: str) -> list[ChatMessage]:
    return [ChatMessage(role="user" if n % 2 == 0 else "assistant", content=text) for n, text in enumerate(texts)]


async def texts(store: AgentMemChatStore, key: str, **options: object) -> list[str | None]:
    return [message.content for message in await store.get_messages(key, **options)]  # type: ignore[arg-type]  # options of the call


def test_it_is_what_memory_takes_as_a_chat_store() -> None:
    assert issubclass(AgentMemChatStore, AsyncDBChatStore)
    assert AgentMemChatStore.class_name() == "AgentMemChatStore"
    assert not AgentMemChatStore.__abstractmethods__


async def test_messages_come_back_in_order_and_an_unknown_key_has_none(store: AgentMemChatStore) -> None:
    await store.add_message("k", ChatMessage(role="user", content="hello"))
    await store.add_message("k", ChatMessage(role="assistant", content="world"))
    assert [(m.role.value, m.content) for m in await store.get_messages("k")] == [("user", "hello"), ("assistant", "world")]
    assert await store.get_messages("nobody") == []
    assert await store.count_messages("nobody") == 0


async def test_a_batch_keeps_its_order_and_the_same_words_twice(store: AgentMemChatStore) -> None:
    await store.add_messages("k", said("yes", "no", "yes", "no"))
    assert await texts(store, "k") == ["yes", "no", "yes", "no"]
    assert await store.count_messages("k") == 4


async def test_an_empty_batch_stores_nothing(store: AgentMemChatStore) -> None:
    await store.add_messages("k", [])
    assert await store.get_keys() == []


async def test_setting_replaces_everything_archived_messages_too(store: AgentMemChatStore) -> None:
    await store.add_messages("k", said("a", "b", "c"))
    await store.archive_oldest_messages("k", 1)
    await store.set_messages("k", said("x", "y"))
    assert await texts(store, "k", status=None) == ["x", "y"]
    await store.set_messages("k", [])
    assert await store.get_keys() == []


async def test_setting_what_is_there_already_writes_nothing(store: AgentMemChatStore, mem: AgentMemory) -> None:
    await store.set_messages("k", said("a", "b"))
    before = [row.id for row in mem.collection(COLLECTION, embedder=None).list(user_id="ana")]
    await store.set_messages("k", said("a", "b"))
    assert [row.id for row in mem.collection(COLLECTION, embedder=None).list(user_id="ana")] == before


async def test_setting_never_shows_half_a_history(store: AgentMemChatStore) -> None:
    first, second = said("a1", "a2", "a3"), said("b1", "b2")
    await store.set_messages("k", first)
    seen: set[tuple[str | None, ...]] = set()

    async def write() -> None:
        for _ in range(15):
            await store.set_messages("k", second)
            await store.set_messages("k", first)

    async def read() -> None:
        for _ in range(60):
            seen.add(tuple(await texts(store, "k")))

    await asyncio.gather(write(), read(), read())
    assert seen <= {("a1", "a2", "a3"), ("b1", "b2")}


async def test_two_who_set_at_once_leave_one_of_the_histories(store: AgentMemChatStore) -> None:
    for _ in range(10):
        await asyncio.gather(store.set_messages("k", said("a", "b")), store.set_messages("k", said("x", "y", "z")))
        assert await texts(store, "k") in (["a", "b"], ["x", "y", "z"])


async def test_one_message_is_deleted_by_its_position(store: AgentMemChatStore) -> None:
    await store.add_messages("k", said("a", "b", "c"))
    deleted = await store.delete_message("k", 1)
    assert deleted is not None
    assert deleted.content == "b"
    assert await texts(store, "k") == ["a", "c"]
    assert await store.delete_message("k", 2) is None
    assert await store.delete_message("k", -3) is None


async def test_deleting_a_key_leaves_the_others(store: AgentMemChatStore) -> None:
    await store.add_messages("k1", said("a"))
    await store.add_messages("k2", said("b"))
    await store.delete_messages("k1")
    assert await texts(store, "k1") == []
    assert await texts(store, "k2") == ["b"]


async def test_deleting_by_status(store: AgentMemChatStore) -> None:
    await store.add_messages("k", said("a", "b", "c"))
    await store.archive_oldest_messages("k", 2)
    await store.delete_messages("k", MessageStatus.ARCHIVED)
    assert await texts(store, "k", status=None) == ["c"]


async def test_the_oldest_are_deleted_and_returned(store: AgentMemChatStore) -> None:
    await store.add_messages("k", said("a", "b", "c"))
    assert [m.content for m in await store.delete_oldest_messages("k", 2)] == ["a", "b"]
    assert await texts(store, "k") == ["c"]
    assert [m.content for m in await store.delete_oldest_messages("k", 9)] == ["c"]
    assert await store.delete_oldest_messages("k", 1) == []
    assert await store.delete_oldest_messages("k", 0) == []


async def test_the_oldest_are_archived_in_place(store: AgentMemChatStore) -> None:
    await store.add_messages("k", said("a", "b", "c"))
    assert [m.content for m in await store.archive_oldest_messages("k", 1)] == ["a"]
    assert [m.content for m in await store.archive_oldest_messages("k", 1)] == ["b"]
    assert await texts(store, "k") == ["c"]
    assert await texts(store, "k", status=MessageStatus.ARCHIVED) == ["a", "b"]
    assert await texts(store, "k", status=None) == ["a", "b", "c"]
    assert [await store.count_messages("k", status) for status in (*MessageStatus, None)] == [1, 2, 3]
    assert await store.archive_oldest_messages("nobody", 3) == []


async def test_limit_and_offset_count_messages(store: AgentMemChatStore) -> None:
    await store.add_messages("k", said("1", "2", "3", "4", "5"))
    assert await texts(store, "k", limit=2) == ["1", "2"]
    assert await texts(store, "k", offset=2) == ["3", "4", "5"]
    assert await texts(store, "k", limit=2, offset=1) == ["2", "3"]
    assert await texts(store, "k", limit=0) == []
    assert await texts(store, "k", limit=9, offset=4) == ["5"]


async def test_keys_in_the_order_they_came(store: AgentMemChatStore) -> None:
    for key in ("zoe", "a/b", "x@y.org", "zoe"):
        await store.add_messages(key, said("hi"))
    assert await store.get_keys() == ["zoe", "a/b", "x@y.org"]


EVERY_BLOCK = ChatMessage(
    role="assistant",
    blocks=[
        TextBlock(text="two\nlines  "),
        ImageBlock(image=PIXEL),
        ImageBlock(url="http://localhost/a.png"),
        DocumentBlock(data=b"a document", document_mimetype="text/plain", title="t"),
        ThinkingBlock(content="hm", num_tokens=3),
        ToolCallBlock(tool_call_id="c1", tool_name="add", tool_kwargs={"a": 1, "b": [None, True, 1.5, "ü"]}),
        CachePoint(cache_control=CacheControl(type="ephemeral")),
    ],
    additional_kwargs={"tool_calls": [{"id": "1", "function": {"arguments": "{}"}}], "n": None, "deep": {"x": [1, {"y": 2}]}},
)


async def test_every_block_tool_call_and_additional_kwarg_comes_back(store: AgentMemChatStore) -> None:
    messages = [
        EVERY_BLOCK,
        ChatMessage(role="tool", blocks=[], additional_kwargs={"tool_call_id": "1"}),
        ChatMessage(role="system", content=""),
        ChatMessage(role="user", content="NUL \x00, half \ud800, 日本語, <b> \" ' \\"),
    ]
    await store.add_messages("k", messages)
    assert await store.get_messages("k") == messages


async def test_a_picture_of_megabytes_comes_back_and_counts_as_one(store: AgentMemChatStore) -> None:
    picture = ChatMessage(role="user", blocks=[TextBlock(text="look"), ImageBlock(image=PIXEL + bytes(range(256)) * 8_000)])
    long = ChatMessage(role="tool", content="word " * 100_000)
    await store.add_messages("k", [picture, *said("nice"), long])
    assert await store.count_messages("k") == 3
    assert await store.get_messages("k", limit=1) == [picture]
    assert await texts(store, "k", limit=1, offset=1) == ["nice"]
    assert await store.archive_oldest_messages("k", 1) == [picture]
    assert await store.get_messages("k", status=MessageStatus.ARCHIVED) == [picture]
    assert await store.delete_oldest_messages("k", 2) == [*said("nice"), long]
    assert await store.delete_message("k", 0) == picture
    assert await store.get_messages("k", status=None) == []


async def test_what_is_no_json_is_stored_as_its_text(store: AgentMemChatStore, tmp_path: Path) -> None:
    await store.add_message("k", ChatMessage(role="user", content="hi", additional_kwargs={"where": tmp_path, "what": object}))
    (message,) = await store.get_messages("k")
    assert message.additional_kwargs == {"where": str(tmp_path), "what": str(object)}


async def test_every_read_returns_new_messages(store: AgentMemChatStore) -> None:
    await store.add_messages("k", said("hi"))
    (first,) = await store.get_messages("k")
    first.blocks.append(TextBlock(text="written into it"))
    first.additional_kwargs["session_id"] = "s"
    assert await store.get_messages("k") == said("hi")


async def test_what_is_stored_does_not_change_with_the_object(store: AgentMemChatStore) -> None:
    (message,) = said("hi")
    await store.add_message("k", message)
    message.blocks = [TextBlock(text="changed")]
    assert await texts(store, "k") == ["hi"]


async def test_users_with_the_same_key_see_only_their_own(store: AgentMemChatStore, mem: AgentMemory) -> None:
    other, nobodys = AgentMemChatStore(mem, user_id="ben"), AgentMemChatStore(mem)
    await store.add_messages("k", said("hers"))
    await other.add_messages("k", said("his"))
    assert await texts(store, "k") == ["hers"]
    assert await texts(other, "k") == ["his"]
    assert await nobodys.get_messages("k") == []
    assert await nobodys.get_keys() == []
    await other.delete_messages("k")
    assert await texts(store, "k") == ["hers"]


async def test_forgetting_a_person_erases_their_chats_alone(store: AgentMemChatStore, mem: AgentMemory) -> None:
    other = AgentMemChatStore(mem, user_id="ben")
    await store.add_messages("k", said("hers"))
    await other.add_messages("k", said("his"))
    assert mem.purge(user_id="ana", collections="all") == 1
    assert await store.get_messages("k") == []
    assert await texts(other, "k") == ["his"]


async def test_after_forgetting_no_word_of_a_chat_is_in_the_file(path: str) -> None:
    with AgentMemory(path) as mem:
        store = AgentMemChatStore(mem, user_id="ana")
        await store.add_message("k", ChatMessage(role="user", content="xylophone", additional_kwargs={"secret": "quetzalcoatl"}))
        await store.set_messages("k", said("marzipan"))
        mem.purge(user_id="ana", collections="all")
    everything = b"".join(file.read_bytes() for file in Path(path).parent.iterdir())
    assert not [word for word in (b"xylophone", b"quetzalcoatl", b"marzipan") if word in everything]


async def test_histories_are_searched_by_no_embedder(path: str, opened: Callable[..., AgentMemory]) -> None:
    mem = opened(path, embedder=FailingEmbedder())
    store = AgentMemChatStore(mem, user_id="ana")
    await store.add_messages("k", said("hi"))
    assert mem.flush() == 0
    assert await texts(store, "k") == ["hi"]


async def test_they_are_apart_from_the_memories_of_the_file(store: AgentMemChatStore, mem: AgentMemory) -> None:
    await store.add_messages("k", said("hi"))
    assert mem.list(user_id="ana") == []
    assert mem.search("hi", user_id="ana") == []


def test_they_outlive_the_process(path: str, run_python: Run) -> None:
    program = """
import asyncio, sys
from llama_index.core.llms import ChatMessage
from agentmem_integrations.llamaindex import AgentMemChatStore
store = AgentMemChatStore(sys.argv[1], user_id="ana")
asyncio.run(store.add_message("k", ChatMessage(role="user", content=sys.argv[2])))
print([m.content for m in asyncio.run(store.get_messages("k"))])
"""
    assert run_python(program, path, "one").strip() == "['one']"
    assert run_python(program, path, "two").strip() == "['one', 'two']"


async def test_many_sessions_at_once(store: AgentMemChatStore) -> None:
    async def talk(key: str) -> None:
        for n in range(10):
            await store.add_messages(key, said(f"{key} asks {n}", f"{key} hears {n}"))

    await asyncio.gather(*(talk(f"s{n}") for n in range(8)))
    for n in range(8):
        expected = [f"s{n} {verb} {i}" for i in range(10) for verb in ("asks", "hears")]
        assert await texts(store, f"s{n}") == expected


async def test_the_built_in_memory_works_on_it(store: AgentMemChatStore) -> None:
    memory = Memory.from_defaults(session_id="s", chat_store=store, token_limit=60, token_flush_size=20, tokenizer_fn=str.split)
    for n in range(12):
        await memory.aput(ChatMessage(role="user", content=f"question {n} " + "word " * 5))
        await memory.aput(ChatMessage(role="assistant", content=f"answer {n} " + "word " * 5))
    active = await memory.aget()
    assert 0 < len(active) < 12
    assert active[0].role == "user"
    assert len(await memory.aget_all()) == 24
    assert len(await memory.aget_all(MessageStatus.ARCHIVED)) == 24 - len(active)


def test_wrong_arguments_are_told(mem: AgentMemory) -> None:
    with pytest.raises(ScopeError):
        AgentMemChatStore(mem, user_id=None)  # type: ignore[arg-type]  # what is tested
    with pytest.raises(InvalidInputError, match="neither an open AgentMemory nor a path"):
        AgentMemChatStore(7)  # type: ignore[arg-type]  # what is tested
    with pytest.raises(InvalidInputError, match="open already"):
        AgentMemChatStore(mem, durability="normal")


async def test_a_closed_memory_says_so(path: str) -> None:
    mem = AgentMemory(path)
    store = AgentMemChatStore(mem, user_id="ana")
    mem.close()
    with pytest.raises(ClosedError):
        await store.get_messages("k")


# Several at once


def taken(results: Iterable[Any]) -> list[str | None]:
    """The words of all that several calls returned."""
    found = [m for result in results for m in (result if isinstance(result, list) else [result])]
    return [message.content for message in found if message is not None]


@pytest.mark.parametrize("verb", ["archive_oldest_messages", "delete_oldest_messages", "delete_active_message", "delete_message"])
@pytest.mark.parametrize("argument", [3, 0, -1, -2])
async def test_no_two_callers_get_the_same_message(path: str, verb: str, argument: int) -> None:
    texts_of_all = [str(n) for n in range(40)]
    with AgentMemory(path, embedder=None) as one, AgentMemory(path, embedder=None) as other:
        stores = [AgentMemChatStore(mem, user_id="ana") for mem in (one, other, one, other)]
        await stores[0].add_messages("k", said(*texts_of_all))
        gone = taken(await asyncio.gather(*(getattr(store, verb)("k", argument) for store in stores for _ in range(2))))
        assert len(set(gone)) == len(gone)
        assert len(gone) == (8 if verb.endswith("_message") else 8 * max(0, argument))
        assert sorted([*gone, *await texts(stores[0], "k")]) == sorted(texts_of_all)


async def test_archiving_and_adding_at_once_lose_nothing_and_keep_the_order(store: AgentMemChatStore) -> None:
    await store.add_messages("k", said(*(f"a{n}" for n in range(20))))
    archived: list[str | None] = []

    async def archive() -> None:
        for _ in range(5):
            archived.extend(message.content for message in await store.archive_oldest_messages("k", 2))

    async def add() -> None:
        for n in range(10):
            await store.add_message("k", *said(f"b{n}"))

    await asyncio.gather(archive(), add(), archive())
    everything = [*(f"a{n}" for n in range(20)), *(f"b{n}" for n in range(10))]
    assert await texts(store, "k", status=None) == everything
    assert await texts(store, "k") == everything[20:]
    assert sorted(archived, key=str) == sorted(everything[:20])


async def test_a_reader_finds_a_call_done_or_not_done(path: str) -> None:
    with AgentMemory(path, embedder=None) as mem, AgentMemory(path, embedder=None) as elsewhere:
        store, reader = AgentMemChatStore(mem), AgentMemChatStore(elsewhere)
        for verb in ("archive_oldest_messages", "delete_oldest_messages"):
            await store.set_messages("k", said(*(str(n) for n in range(300))))
            call = asyncio.create_task(getattr(store, verb)("k", 200))
            seen = set()
            while not call.done():
                seen.add(await reader.count_messages("k"))
            assert seen <= {300, 100}
            assert await reader.count_messages("k") == 100


async def test_a_cancelled_call_has_done_all_or_nothing(store: AgentMemChatStore) -> None:
    for pauses in range(6):
        await store.set_messages("k", said(*(str(n) for n in range(100))))
        call = asyncio.create_task(store.archive_oldest_messages("k", 70))
        for _ in range(pauses):
            await asyncio.sleep(0.001)
        call.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await call
        await store.add_message("other", *said("behind it"))  # what was under way is done before
        assert await store.count_messages("k") in (100, 30)


async def test_a_limit_counts_messages_of_many_rows_as_one(store: AgentMemChatStore) -> None:
    large = ChatMessage(role="user", content="x" * 900_000)
    await store.add_messages("k", [large, large, *said("a", "b")])
    first = await store.get_messages("k", limit=3)
    assert [len(message.content or "") for message in first] == [900_000, 900_000, 1]
    assert len(await store.get_messages("k", limit=9)) == 4


async def test_a_message_is_put_between_others(store: AgentMemChatStore) -> None:
    await store.add_messages("k", said("old", "a", "b", "c"))
    await store.archive_oldest_messages("k", 1)
    for idx in (0, 2, -1, 99, -99):
        expected = await texts(store, "k")
        expected.insert(idx, str(idx))
        await store.insert_active_message("k", said(str(idx))[0], idx)
        assert await texts(store, "k") == expected
    assert await texts(store, "k", status=MessageStatus.ARCHIVED) == ["old"]
    await store.insert_active_message("new", said("only")[0], 0)
    assert await texts(store, "new") == ["only"]


async def test_messages_put_between_others_at_once_are_all_there(store: AgentMemChatStore) -> None:
    await store.add_messages("k", said("a", "b"))
    calls = [store.insert_active_message("k", said(f"i{n}")[0], 1) for n in range(6)]
    await asyncio.gather(*calls, *(store.add_message("k", said(f"e{n}")[0]) for n in range(6)))
    found = await texts(store, "k")
    assert sorted(found, key=str) == sorted(["a", "b", *(f"{kind}{n}" for kind in "ie" for n in range(6))])
    assert found[0] == "a"


@pytest.mark.parametrize("key", ["", "x" * 1_001, "a\x00", None, 7])
async def test_a_key_that_is_none_is_refused_by_every_call(store: AgentMemChatStore, key: Any) -> None:
    await store.add_messages("k", said("kept"))
    calls = (
        store.get_messages(key), store.count_messages(key), store.add_messages(key, said("x")), store.set_messages(key, said("x")),
        store.delete_messages(key), store.delete_message(key, 0), store.delete_oldest_messages(key, 1),
        store.archive_oldest_messages(key, 1),
    )  # fmt: skip
    for call in calls:
        with pytest.raises(InvalidInputError, match=r"^key"):
            await call
    assert await texts(store, "k") == ["kept"]
