"""An agent that remembers its users from one conversation to the next.

python examples/langchain_agent.py                                  # offline: a stand-in that repeats what it is shown
OPENAI_API_KEY=... python examples/langchain_agent.py --model openai:gpt-5-mini     # a real model, drawing facts as well
"""

import argparse
import json
from typing import Any

from langchain.agents import create_agent
from langchain.chat_models import init_chat_model
from langgraph.checkpoint.memory import InMemorySaver

from agentmem_integrations.langchain import MemoryMiddleware

CONVERSATIONS = (
    ("ana", "monday", "Hi! I am allergic to peanuts, and I live in Porto."),
    ("ben", "monday", "I collect maps of the moon."),
    ("ana", "tuesday", "I moved to Lisbon for a job at the opera."),
    ("ana", "friday", "Is there food I must avoid?"),
    ("ben", "friday", "Where does Ana live, and is she allergic?"),
)


def stand_in(messages: list[Any]) -> str:
    """Say what a model would have to say: the memories it is shown, if it is asked something."""
    asked = messages[-1].text
    shown = messages[0].text.splitlines() if messages[0].type == "system" else []
    memories = [json.loads(line) for line in shown if line.startswith("{")]
    if not asked.endswith("?"):
        return "Noted."
    said = [f"{memory['text']!r}" for memory in memories if memory.get("by") == "user"]
    return f"You told me {', '.join(said)}" if said else "You never told me."


def model_of(args: argparse.Namespace) -> Any:
    if args.model is not None:
        return init_chat_model(args.model)
    from agentmem_integrations.testing.langchain_model import ScriptedChatModel

    return ScriptedChatModel(script=stand_in)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--model")
    args = parser.parse_args()
    mode = "fast" if args.model is None else "intelligent"
    with MemoryMiddleware("agent.db", mode=mode, tools=True) as memory:
        agent = create_agent(model_of(args), system_prompt="You are a helpful waiter.", middleware=[memory], checkpointer=InMemorySaver())
        for user, thread, words in CONVERSATIONS:
            run = {"configurable": {"user_id": user, "thread_id": f"{user}-{thread}"}}
            answer = agent.invoke({"messages": [{"role": "user", "content": words}]}, run)["messages"][-1]
            print(f"{thread:<8} {user}: {words}\n         agent: {answer.text}\n")
        print(f"agent.db holds {memory.memory.stats()['memories']} memories. Run this again: the agent still knows.")


if __name__ == "__main__":
    main()
