"""A retriever over memories, for chains that want `Document`s."""

from collections.abc import Mapping, Sequence
from typing import Any

from langchain_core.callbacks import AsyncCallbackManagerForRetrieverRun, CallbackManagerForRetrieverRun
from langchain_core.documents import Document
from langchain_core.retrievers import BaseRetriever
from pydantic import ConfigDict, field_validator

from ..config import Using
from ..models import Hit
from ..open_memory import open_memory
from ..verbs import MemoryVerbs


class AgentMemRetriever(BaseRetriever):
    """Finds memories as `Document`s: text, id, and the memory's metadata with `score` and, under `memory`, what else is known of it.

    Whatever it is asked with in `invoke` wins over what it was made with: `retriever.invoke(question, k=1, filter={...})`.

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
    """

    model_config = ConfigDict(arbitrary_types_allowed=True)

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

    def _get_relevant_documents(
        self, query: str, *, run_manager: CallbackManagerForRetrieverRun, k: int | None = None, **options: Any
    ) -> list[Document]:
        return [document_of(hit) for hit in self.memory.search(query, **self._options(k, options))]

    async def _aget_relevant_documents(
        self, query: str, *, run_manager: AsyncCallbackManagerForRetrieverRun, k: int | None = None, **options: Any
    ) -> list[Document]:
        return [document_of(hit) for hit in await self.memory.asearch(query, **self._options(k, options))]

    def _options(self, k: int | None, options: Mapping[str, Any]) -> dict[str, Any]:
        mine = {
            "user_id": self.user_id, "agent_id": self.agent_id, "session_id": self.session_id, "using": self.using, "kind": self.kind,
            "filter": self.filter, "min_score": self.min_score,
        }  # fmt: skip
        return {**mine, "k": self.k if k is None else k, **options}


def document_of(hit: Hit) -> Document:
    """Return a hit as a document."""
    memory = hit.memory
    known = {
        "kind": memory.kind, "role": memory.role, "name": memory.name, "agent_id": memory.agent_id, "session_id": memory.session_id,
        "occurred_at": memory.occurred_at.isoformat() if memory.occurred_at else None, "importance": memory.importance,
    }  # fmt: skip
    told = {key: value for key, value in known.items() if value is not None}
    return Document(page_content=memory.text, id=memory.id, metadata={**memory.metadata, "score": hit.score, "memory": told})
