"""From what a model drew to what is stored: a fact becomes a memory."""

from datetime import datetime
from typing import Any

from ..models import SHARED, Memory, Scope
from .extracting import Drawn
from .ids import new_id


def memory_of(drawn: Drawn, scope: Scope, model: str, now: datetime) -> Memory:
    """Return the memory that a fact becomes.

    It is the owner's, of the agent and session it was said in. It was learnt when the last of its sources was said, it expires
    with the last of them, and it has the metadata that they all have, so that a filter finds it where it finds them.

    What a model says about time hides a memory only where it must: `valid_from` if it lies in the past, `valid_to` if it lies
    in the future. A plan must be found before it comes true, and what is over ("lived in Rome until 2014") remains true as
    said. The provenance has both as they were stated.
    """
    fact, source = drawn.fact, drawn.sources[-1]
    said_at = source.occurred_at
    provenance: dict[str, Any] = {
        "mode": "intelligent", "model": model, "prompt": drawn.prompt, "episodes": [memory.id for memory in drawn.sources],
    }  # fmt: skip
    if fact.confidence is not None:
        provenance["confidence"] = fact.confidence
    if fact.entities:
        provenance["entities"] = list(fact.entities)
    if fact.valid_from or fact.valid_to:
        provenance["stated"] = [moment.isoformat() if moment else None for moment in (fact.valid_from, fact.valid_to)]
    expiries = [memory.expires_at for memory in drawn.sources]
    return Memory(
        new_id(), fact.text, fact.kind, _common([memory.metadata for memory in drawn.sources]),
        None if scope.user_id is SHARED else scope.user_id, source.agent_id, source.session_id,
        occurred_at=said_at, created_at=now, updated_at=now, importance=fact.importance, provenance=provenance,
        expires_at=None if None in expiries else max(moment for moment in expiries if moment),
        valid_from=fact.valid_from if fact.valid_from and said_at and fact.valid_from <= said_at else None,
        valid_to=fact.valid_to if fact.valid_to and said_at and fact.valid_to > said_at else None,
    )  # fmt: skip


def _common(metadata: list[dict[str, Any]]) -> dict[str, Any]:
    first, *others = metadata
    return {key: value for key, value in first.items() if all(key in other and other[key] == value for other in others)}
