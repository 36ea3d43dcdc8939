"""An agent of LlamaIndex that knows in a later conversation what it was told in an earlier one.

python examples/llamaindex_agent.py     # offline: a stand-in for the model, which repeats what it finds in its prompt

With a real model: `pip install llama-index-llms-openai`, and `llm = OpenAI("gpt-5-mini")`. Everything else stays as it is.
"""

import asyncio
import re
import warnings
from collections.abc import Sequence
from typing import Any

from llama_index.core.agent.workflow import FunctionAgent
from llama_index.core.llms import ChatMessage
from llama_index.core.llms.mock import MockFunctionCallingLLM

from agentmem_integrations import AgentMemory
from agentmem_integrations.llamaindex import AgentMemMemory, AgentMemToolSpec

warnings.filterwarnings("ignore", category=DeprecationWarning)  # llama-index-core's agents raise some about themselves


def stand_in(messages: Sequence[ChatMessage], **options: Any) -> ChatMessage:
    seen = "\n".join(message.content or "" for message in messages)
    recalled = re.findall(r"<memory [^>]*>(.*?)</memory>", seen)
    return ChatMessage(role="assistant", content=f"You once told me: {recalled[0]}" if recalled else "I will remember that.")


TALK = (
    ("ana", "monday", "I am allergic to peanuts."),
    ("ben", "monday", "I am allergic to nothing at all."),
    ("ana", "friday", "What am I allergic to?"),
    ("ben", "friday", "What am I allergic to?"),
)


async def main() -> None:
    llm = MockFunctionCallingLLM(response_generator=stand_in)
    with AgentMemory("agent.db") as mem:  # one file for all users
        for user, session, text in TALK:
            memory = AgentMemMemory.from_defaults(mem, user_id=user, session_id=session)
            tools = AgentMemToolSpec(mem, user_id=user, session_id=session).to_tool_list()  # for what the model looks up by itself
            agent = FunctionAgent(llm=llm, tools=tools, system_prompt="You are a helpful cook.")
            print(f"{session} {user:<6}{text}\n       agent {await agent.run(text, memory=memory)}")

        memory = AgentMemMemory.from_defaults(mem, user_id="ana", session_id="friday")
        print("\nThe history of Ana's last conversation:")
        for message in await memory.aget_all():
            print(f"  {message.role.value}: {message.content}")
        for user in ("ana", "ben"):
            print(f"Forgotten of {user}, chats and memories: {mem.purge(user_id=user, collections='all')}")


if __name__ == "__main__":
    asyncio.run(main())
