"""`create_agent(store=...)`, `graph.compile(store=...)` and langmem's tools work on our store."""

import warnings
from collections.abc import Callable
from typing import Any, TypedDict

import pytest
from langchain.agents import create_agent
from langchain.tools import ToolRuntime, tool
from langchain_core.language_models import GenericFakeChatModel
from langchain_core.messages import AIMessage, ToolCall
from langgraph.config import get_store
from langgraph.graph import END, START, StateGraph

from agentmem_integrations.langchain import AgentMemStore, escape_label

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # of what langmem imports
    from langmem import create_manage_memory_tool, create_search_memory_tool


class Scripted(GenericFakeChatModel):
    """A chat model that says what it is told to, tools or not."""

    def bind_tools(self, tools: Any, **options: Any) -> "Scripted":
        return self


def says(*calls: ToolCall | str) -> Scripted:
    said = [AIMessage(call) if isinstance(call, str) else AIMessage("", tool_calls=[call]) for call in calls]
    return Scripted(messages=iter(said))


def call(name: str, **args: Any) -> ToolCall:
    return ToolCall(name=name, args=args, id=f"call-{name}")


@tool
def remember(key: str, fact: str, runtime: ToolRuntime) -> str:
    """Remember a fact."""
    assert runtime.store is not None
    runtime.store.put(("users", escape_label(runtime.config["configurable"]["user_id"])), key, {"fact": fact})
    return "noted"


@tool
def recall(question: str, runtime: ToolRuntime) -> str:
    """Find facts."""
    assert runtime.store is not None
    found = runtime.store.search(("users", escape_label(runtime.config["configurable"]["user_id"])), query=question)
    return "; ".join(item.value["fact"] for item in found) or "nothing"


@tool
async def arecall(question: str, runtime: ToolRuntime) -> str:
    """Find facts."""
    assert runtime.store is not None
    found = await runtime.store.asearch(("users", escape_label(runtime.config["configurable"]["user_id"])), query=question)
    return "; ".join(item.value["fact"] for item in found) or "nothing"


def config(user: str) -> Any:
    return {"configurable": {"user_id": user}}


def asked(text: str) -> Any:
    return {"messages": [{"role": "user", "content": text}]}


def test_an_agent_remembers_across_runs_and_users_stay_apart(path: str) -> None:
    with AgentMemStore(path) as store:
        script = says(call("remember", key="home", fact="lives in Lisbon"), call("remember", key="drink", fact="drinks green tea"), "done")
        create_agent(script, [remember, recall], store=store).invoke(asked("I live in Lisbon"), config("ana@example.org"))
    with AgentMemStore(path) as store:  # another day
        for user, told in (("ana@example.org", "lives in Lisbon; drinks green tea"), ("ben@example.org", "nothing")):
            agent = create_agent(says(call("recall", question="In which city does she live?"), "Lisbon"), [recall], store=store)
            messages = agent.invoke(asked("Where do I live?"), config(user))["messages"]
            assert [m.content for m in messages if m.type == "tool"] == [told]


async def test_an_agent_awaits_the_store(path: str) -> None:
    async with AgentMemStore(path) as store:
        await store.aput(("users", "ana"), "home", {"fact": "lives in Lisbon"})
        agent = create_agent(says(call("arecall", question="Where?"), "Lisbon"), [arecall], store=store)
        messages = (await agent.ainvoke(asked("Where do I live?"), config("ana")))["messages"]
        assert [m.content for m in messages if m.type == "tool"] == ["lives in Lisbon"]
        steps = [step async for step in agent_again(store).astream(asked("Where?"), config("ana"), stream_mode="updates")]
        assert [list(step) for step in steps] == [["model"], ["tools"], ["model"]]


def agent_again(store: AgentMemStore) -> Any:
    return create_agent(says(call("arecall", question="Where?"), "Lisbon"), [arecall], store=store)


class State(TypedDict):
    said: str
    known: list[str]


@pytest.mark.parametrize("asynchronous", [False, True])
async def test_a_compiled_graph_has_the_store_in_its_nodes(path: str, asynchronous: bool) -> None:
    def node(state: State) -> Any:
        store = get_store()
        known = [item.value["text"] for item in store.search(("notes",), query=state["said"])]
        store.put(("notes",), state["said"], {"text": state["said"]})
        return {"known": known}

    graph = StateGraph(State)
    graph.add_node("node", node)
    graph.add_edge(START, "node")
    graph.add_edge("node", END)
    with AgentMemStore(path) as store:
        compiled = graph.compile(store=store)
        for said, known in (("tea", []), ("milk", ["tea"]), ("tea", ["tea", "milk"])):
            state: State = {"said": said, "known": []}
            result = await compiled.ainvoke(state) if asynchronous else compiled.invoke(state)
            assert result["known"] == known


async def test_the_tools_of_langmem_write_find_change_and_delete(url: str) -> None:
    store = AgentMemStore(url)
    manage = create_manage_memory_tool(("memories", "{user}"), store=store)
    search = create_search_memory_tool(("memories", "{user}"), store=store, response_format="content_and_artifact")
    ana, ben = {"configurable": {"user": "ana"}}, {"configurable": {"user": "ben"}}

    def found(question: str, who: Any) -> Any:
        message = search.invoke(ToolCall(name=search.name, args={"query": question}, id="1", type="tool_call"), who)
        return message.artifact

    assert manage.invoke({"content": "Ana drinks green tea"}, ana).startswith("created memory")
    await manage.ainvoke({"content": "Ana repairs bicycles"}, ana)
    first = found("What does she drink?", ana)
    assert [item.value["content"] for item in first] == ["Ana drinks green tea", "Ana repairs bicycles"]
    assert found("What does she drink?", ben) == []
    manage.invoke({"action": "update", "id": first[0].key, "content": "Ana drinks coffee"}, ana)
    manage.invoke({"action": "delete", "id": first[1].key}, ana)
    (left,) = found("drink", ana)
    assert (left.value, left.created_at) == ({"content": "Ana drinks coffee"}, first[0].created_at)
    assert "coffee" in str(await search.ainvoke({"query": "drink"}, ana))
    store.close()


def test_an_agent_uses_langmems_tools_with_the_store_of_its_graph(path: str) -> None:
    with AgentMemStore(path) as store:
        tools: list[Callable[..., Any]] = [
            create_manage_memory_tool(("memories", "{user_id}")),
            create_search_memory_tool(("memories", "{user_id}")),
        ]
        script = says(call("manage_memory", content="Ana drinks green tea"), call("search_memory", query="tea"), "done")
        messages = create_agent(script, tools, store=store).invoke(asked("I drink green tea"), config("ana"))["messages"]
        assert "Ana drinks green tea" in [m.content for m in messages if m.type == "tool"][1]
        assert [item.namespace for item in store.search(("memories",))] == [("memories", "ana")]
