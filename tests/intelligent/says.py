"""A language model that follows a script made of messages and facts."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

from agentmem_integrations import AgentMemory
from agentmem_integrations.models import AddResult, UserId
from agentmem_integrations.ports import ChatRequest
from agentmem_integrations.testing.chat import ScriptedChat

Row = Mapping[str, Any]


def rows_of(request: ChatRequest) -> list[Row]:
    """Return the lines of data of a prompt."""
    return [json.loads(line) for line in request.messages[-1].content.splitlines() if line.startswith("{")]


def fact(message: int, text: str, **more: Any) -> dict[str, Any]:
    return {"messages": [message], "text": text, "kind": "semantic", "importance": 0.5, "confidence": 1, "entities": [], **more}


class Says(ScriptedChat):
    """Draws from each message the facts that `facts` names for it, and decides what `decisions` says; ADD where it is silent.

    Args:
        facts: By message text, the facts in it: texts, or rows of a reply.
        decisions: By the text of a fact, what to do: action, and the text of the memory it is about, and new words.
    """

    def __init__(
        self, facts: Mapping[str, Sequence[str | Row]] | None = None, decisions: Mapping[str, Sequence[str]] | None = None, **options: Any
    ) -> None:
        super().__init__(self._say, **options)
        self.facts = dict(facts or {})
        self.decisions = dict(decisions or {})

    @property
    def asked(self) -> list[str]:
        return [request.schema_name for request in self.requests]

    def _say(self, request: ChatRequest) -> Any:
        rows = rows_of(request)
        if request.schema_name == "facts":
            return {"facts": [self._row(row["message"], told) for row in rows for told in self.facts.get(row["text"], ())]}
        memories = {row["text"]: row["memory"] for row in rows if "memory" in row}
        return {"decisions": [self._decision(row, memories) for row in rows if "fact" in row]}

    def _row(self, message: int, told: str | Row) -> Row:
        return fact(message, told) if isinstance(told, str) else {**fact(message, ""), **told}

    def _decision(self, row: Row, memories: Mapping[str, int]) -> Row:
        action, about, *words = [*self.decisions.get(row["text"], ("ADD", ""))]
        return {
            "fact": row["fact"],
            "memories": [memories[about]] if about else [],
            "action": action,
            "text": words[0] if words else None,
        }


def facts_of(mem: AgentMemory, user: UserId = "ana", **narrow: Any) -> list[str]:
    """Return the texts of a user's facts that hold now."""
    return [memory.text for memory in mem.list(user_id=user, limit=1_000, **narrow) if memory.kind != "episode"]


def told(result: AddResult) -> list[tuple[str, str]]:
    """Return what became of the facts of one add."""
    return [(event.event, event.memory.text) for event in result.events if event.memory.kind != "episode"]
