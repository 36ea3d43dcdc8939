"""An agent that remembers across threads and restarts: LangGraph's store in one SQLite file. Offline, its model is scripted."""

from typing import Any

from langchain.agents import create_agent
from langchain.tools import ToolRuntime, tool
from langchain_core.language_models import GenericFakeChatModel
from langchain_core.messages import AIMessage, ToolCall

from agentmem_integrations.langchain import AgentMemStore, escape_label


def notes_of(runtime: ToolRuntime) -> tuple[str, ...]:
    """The namespace of whoever is talking: the model never chooses it. A label may hold no period, so the address is escaped."""
    return "notes", escape_label(runtime.config["configurable"]["user_id"])


@tool
def remember(topic: str, note: str, runtime: ToolRuntime) -> str:
    """Keep a note for later conversations."""
    runtime.store.put(notes_of(runtime), topic, {"note": note})
    return "noted"


@tool
def recall(question: str, runtime: ToolRuntime) -> str:
    """Find notes of earlier conversations."""
    found = runtime.store.search(notes_of(runtime), query=question, limit=1)
    return found[0].value["note"] if found else "nothing is known"


class Script(GenericFakeChatModel):
    """Stands in for a model: says and calls what it is told to."""

    def bind_tools(self, tools: Any, **options: Any) -> "Script":
        return self


def talk(store: AgentMemStore, user: str, said: str, tool_name: str, /, **args: str) -> str:
    calls = [ToolCall(name=tool_name, args=args, id="1")]
    model = Script(messages=iter([AIMessage("", tool_calls=calls), AIMessage("(answers)")]))
    agent = create_agent(model, [remember, recall], store=store)
    state = agent.invoke({"messages": [{"role": "user", "content": said}]}, {"configurable": {"user_id": user}})
    return str(state["messages"][-2].content)  # what the tool told the model


def main() -> None:
    ana, ben = "ana@example.org", "ben@example.org"
    with AgentMemStore("langgraph_store.db") as store:
        talk(store, ana, "I moved to Lisbon", "remember", topic="home", note="Ana lives in Lisbon since May")
        talk(store, ana, "I can't eat peanuts", "remember", topic="allergy", note="Ana is allergic to peanuts")
        store.put(("notes", escape_label(ana)), "mood", {"note": "Ana is tired"}, ttl=60)  # minutes

    with AgentMemStore("langgraph_store.db") as store:  # another day, another process
        print("Ana asks:", talk(store, ana, "What may I not eat?", "recall", question="Is there food she must avoid?"))
        print("Ben asks:", talk(store, ben, "What may I not eat?", "recall", question="Is there food he must avoid?"))
        for item in store.search(("notes",), query="Which city?", filter={"note": {"$ne": "Ana is tired"}}):
            print(f"  {item.score:.2f}  {item.namespace[1]}  {item.key}: {item.value['note']}")
        print("forgotten:", store.purge(label=escape_label(ana)), "items;", "left:", store.list_namespaces())


if __name__ == "__main__":
    main()
