"""Agents with a memory: how they are made and run, and what their model was shown."""

import json
from typing import Any, TypedDict

from langchain.agents import create_agent
from langchain_core.messages import BaseMessage, SystemMessage

from agentmem_integrations import AgentMemory
from agentmem_integrations.langchain import MemoryMiddleware
from agentmem_integrations.langchain.memory_prompt import CLOSING, OPENING, OTHERS
from agentmem_integrations.testing.langchain_model import ScriptedChatModel


class Context(TypedDict):
    """What an application passes beside the messages."""

    user_id: str


def agent_of(script: Any, middleware: MemoryMiddleware, **options: Any) -> Any:
    """Make an agent around a script and a middleware."""
    model = script if isinstance(script, ScriptedChatModel) else ScriptedChatModel(script=script)
    return create_agent(model, middleware=[middleware], **options)


def run_of(user: str | None = "ana", thread: str | None = "t1") -> Any:
    """Return the config of a run."""
    named = {"user_id": user, "thread_id": thread}
    return {"configurable": {key: name for key, name in named.items() if name is not None}}


def says(text: Any) -> Any:
    """Return the input of a run in which the user says something."""
    return {"messages": [{"role": "user", "content": text}]}


def system_of(messages: list[BaseMessage]) -> str:
    """Return the system prompt a model was shown."""
    return "\n".join(str(message.text) for message in messages if isinstance(message, SystemMessage))


def texts(mem: AgentMemory, user: str = "ana", **narrow: Any) -> list[str]:
    """Return what is stored of a user, in order."""
    return [memory.text for memory in mem.list(user_id=user, limit=1_000, **narrow)]


def memories_in(prompt: str) -> list[dict[str, Any]]:
    """Return the memories that a prompt tells."""
    if OPENING not in prompt:
        return []
    body = prompt[prompt.index(OPENING) + len(OPENING) : prompt.index(CLOSING)]
    return [json.loads(line) for line in body.removeprefix(OTHERS).splitlines() if line]
