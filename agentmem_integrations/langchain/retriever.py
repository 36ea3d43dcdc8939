"""A retriever over memories, for chains that want `Document`s."""

import inspect
from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any, Final, Self

from langchain_core.callbacks import AsyncCallbackManagerForRetrieverRun, CallbackManagerForRetrieverRun
from langchain_core.documents import Document
from langchain_core.retrievers import BaseRetriever
from pydantic import ConfigDict, field_validator, model_validator

from ..config import Using
from ..documents import blank
from ..errors import shown
from ..filters import parse
from ..models import SHARED, Hit
from ..open_memory import open_memory
from ..pipeline.arguments import read_count, read_fraction, read_kinds, read_name
from ..verbs import MemoryVerbs

TAKEN: Final = "agentmem_"
"""Stands before `score` and `memory` in a document whose memory has metadata of that name itself."""


class AgentMemRetriever(BaseRetriever):
    """Finds memories as `Document`s: text, id, and the memory's metadata with `score` and, under `memory`, what else is known of it.

    Metadata of your own are never overwritten: where a memory has a `score` or a `memory` itself, that stays, and ours is at
    `agentmem_score` or `agentmem_memory`.

    Whatever it is asked with in `invoke` wins over what it was made with: `retriever.invoke(question, k=1, filter={...})`. Any argument
    of `AgentMemory.search` will do there. A blank question finds nothing.

    Attributes:
        memory: An open `AgentMemory`, one of its collections, a view of one user, or the path of a memory, which then stays open.
        user_id: Whose memories; needed unless the memory is a collection of documents or a view of one user.
        agent_id: Only this agent's.
        session_id: Only this session's.
        k: How many documents, 1 to 1,000.
        using: `hybrid` (meaning and words), `vector` or `text`.
        kind: Only this kind, or these.
        filter: Condition on the metadata, see `filters`.
        min_score: Only hits at least as good, 0 to 1.

    Raises:
        ValidationError: an argument that it does not know, or that makes no sense.
    """

    model_config = ConfigDict(arbitrary_types_allowed=True, extra="forbid")

    memory: Any
    user_id: Any = None
    agent_id: str | None = None
    session_id: str | None = None
    k: int = 4
    using: Using = "hybrid"
    kind: str | Sequence[str] | None = None
    filter: Mapping[str, Any] | None = None
    min_score: float = 0.0

    @field_validator("memory")
    @classmethod
    def _open(cls, memory: Any) -> Any:
        return memory if isinstance(memory, MemoryVerbs) else open_memory(memory)[0]

    @model_validator(mode="after")
    def _check(self) -> Self:
        read_count(self.k, "k")
        read_fraction(self.min_score, "min_score")
        read_kinds(self.kind)
        parse(self.filter)
        for what, name in (("user_id", self.user_id), ("agent_id", self.agent_id), ("session_id", self.session_id)):
            if name is not SHARED:
                read_name(name, what)
        return self

    def _get_relevant_documents(
        self, query: str, *, run_manager: CallbackManagerForRetrieverRun, k: int | None = None, **options: Any
    ) -> list[Document]:
        asked = self._options(k, options)
        return [] if blank(query) else [document_of(hit) for hit in self.memory.search(query, **asked)]

    async def _aget_relevant_documents(
        self, query: str, *, run_manager: AsyncCallbackManagerForRetrieverRun, k: int | None = None, **options: Any
    ) -> list[Document]:
        asked = self._options(k, options)
        return [] if blank(query) else [document_of(hit) for hit in await self.memory.asearch(query, **asked)]

    def _options(self, k: int | None, options: Mapping[str, Any]) -> dict[str, Any]:
        if unknown := options.keys() - _searched_with():
            raise TypeError(f"the retriever was asked with {shown(min(unknown))}: it takes {', '.join(sorted(_searched_with()))}")
        mine = {
            "user_id": self.user_id, "agent_id": self.agent_id, "session_id": self.session_id, "using": self.using, "kind": self.kind,
            "filter": self.filter, "min_score": self.min_score,
        }  # fmt: skip
        return {**mine, "k": self.k if k is None else k, **options}


@cache
def _searched_with() -> frozenset[str]:
    """Return the arguments of a search beside its question."""
    return frozenset(inspect.signature(MemoryVerbs.search).parameters) - {"self", "query"}


def document_of(hit: Hit) -> Document:
    """Return a hit as a document; what its memory has under `score` or `memory` stays, see `AgentMemRetriever`."""
    memory = hit.memory
    known = {
        "kind": memory.kind, "role": memory.role, "name": memory.name, "agent_id": memory.agent_id, "session_id": memory.session_id,
        "occurred_at": memory.occurred_at.isoformat() if memory.occurred_at else None, "importance": memory.importance,
    }  # fmt: skip
    told = {key: value for key, value in known.items() if value is not None}
    metadata = dict(memory.metadata)
    for key, value in (("score", hit.score), ("memory", told)):
        metadata[f"{TAKEN}{key}" if key in memory.metadata else key] = value
    return Document(page_content=memory.text, id=memory.id, metadata=metadata)
