"""What type checkers see of the public API. Never run: `make check` reads it, as the users' own checkers would."""

from typing import Any, assert_type

from agentmem_integrations import AddResult, AgentMemory, Event, Hit, Job, Memory, Report, UserMemory


def sync_verbs(mem: AgentMemory, ana: UserMemory) -> None:
    assert_type(mem.add("text", user_id="ana"), AddResult)
    assert_type(mem.add([{"role": "user", "content": "text"}], user_id="ana", mode="intelligent"), AddResult)
    assert_type(mem.add_batch(["a", {"content": "b"}], user_id="ana"), list[AddResult])
    assert_type(mem.search("query", user_id="ana", k=3), list[Hit])
    assert_type(mem.search("query", user_id="ana", rerank=True), list[Hit])
    assert_type(mem.get("id", user_id="ana"), Memory | None)
    assert_type(mem.list(user_id="ana"), list[Memory])
    assert_type(mem.update("id", user_id="ana", text="new"), Memory)
    assert_type(mem.delete("id", user_id="ana"), int)
    assert_type(mem.purge(user_id="ana"), int)
    assert_type(mem.history("id"), list[Event])
    assert_type(mem.stats(), dict[str, Any])
    assert_type(mem.verify(), Report)
    assert_type(mem.jobs(), list[Job])
    assert_type(mem.reembed("static"), int)
    assert_type(mem.flush(), int)
    assert_type(mem.for_user("ana"), UserMemory)
    assert_type(ana.search("query"), list[Hit])


async def async_verbs(mem: AgentMemory, ana: UserMemory) -> None:
    assert_type(await mem.aadd("text", user_id="ana"), AddResult)
    assert_type(await mem.aadd_batch(["a"], user_id="ana"), list[AddResult])
    assert_type(await mem.asearch("query", user_id="ana"), list[Hit])
    assert_type(await mem.aget("id"), Memory | None)
    assert_type(await mem.alist(user_id="ana"), list[Memory])
    assert_type(await mem.aupdate("id", text="new"), Memory)
    assert_type(await mem.adelete("id"), int)
    assert_type(await ana.asearch("query"), list[Hit])


def with_blocks(path: str) -> None:
    with AgentMemory(path) as mem:
        assert_type(mem, AgentMemory)


def wrong_calls(mem: AgentMemory) -> None:
    mem.search("query", limit=3)  # type: ignore[call-arg]
    mem.search(3)  # type: ignore[arg-type]
    mem.add("text", mode="slow")  # type: ignore[arg-type]
    mem.add_batch(5)  # type: ignore[arg-type]
