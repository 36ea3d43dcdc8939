"""Answer at once, and let the facts be drawn in the background; a model that is down delays facts and loses no words.

python examples/background_extraction.py        # offline: a stand-in for a language model, which fails at first
"""

import logging

from agentmem_integrations import AgentMemory
from agentmem_integrations.errors import ModelTimeoutError
from agentmem_integrations.ports import ChatReply, ChatRequest
from agentmem_integrations.testing.chat import RuleChat


class SometimesDown(RuleChat):
    """A stand-in for a model whose service may be down."""

    down = True

    async def reply(self, request: ChatRequest) -> ChatReply:
        if self.down:
            raise ModelTimeoutError("the service is down")
        return await super().reply(request)


def main() -> None:
    logging.basicConfig(filename="agentmem.log")  # where the reasons are told, never with the words
    chat = SometimesDown()
    with AgentMemory("memory://", llm=chat, mode="intelligent") as memory:
        ana = memory.for_user("ana")
        result = ana.add("I live in Porto.", wait=False)  # returns when the words are on disk
        print("answered at once:", result.status)
        print("found meanwhile: ", [hit.memory.text for hit in ana.search("Where does she live?")])

        print("owed:            ", memory.flush(), "job, because the model is down")
        (job,) = memory.jobs()
        print("its reason:      ", job.error)

        chat.down = False  # the service is back; `flush` need not be called, the background tries again by itself
        print("owed:            ", memory.flush())
        print("facts:           ", [fact.text for fact in ana.list() if fact.kind != "episode"])


if __name__ == "__main__":
    main()
