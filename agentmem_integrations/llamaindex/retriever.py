"""Memories as the context of a query engine or a retrieval tool."""

from typing import Any, Final, get_args

from llama_index.core.callbacks.base import CallbackManager
from llama_index.core.retrievers import BaseRetriever
from llama_index.core.schema import NodeWithScore, QueryBundle, TextNode

from ..config import Using
from ..filters import parse
from ..models import Hit, UserId
from ..open_memory import MemoryOrPath
from ..pipeline.arguments import read_choice, read_count, read_fraction, read_kinds, read_name
from ..verbs.scope import Filter, Kinds
from .connection import Connected, Connection, arguments_of, owner, read_owner

# For a program, not for a model: it is told when and by whom something was said
UNTOLD: Final = ["kind", "agent_id", "session_id"]


class AgentMemRetriever(Connected, BaseRetriever):
    """Finds what a user's memories say about a question.

    A node's id and text are the memory's, its score is the hit's (0 to 1), and its metadata are the memory's own together with
    `occurred_at role name kind agent_id session_id`, as far as there are any.

    Args:
        memory: An open `AgentMemory`, or a path.
        user_id: Whose memories; `SHARED` for nobody's.
        agent_id: Only this agent's.
        session_id: Only this session's.
        k: How many, 1 to 1,000.
        using: `hybrid`, `vector` or `text`.
        kind: Only this kind, or these.
        filter: Condition on the metadata, see `filters`.
        min_score: Only hits at least as good, 0 to 1.
        callback_manager: LlamaIndex's.
        verbose: LlamaIndex's.
        settings: How a path is opened, as for `AgentMemory`.

    Raises:
        InvalidInputError: an argument that makes no sense.
        StorageError: the path cannot be a memory file.
    """

    def __init__(
        self,
        memory: MemoryOrPath,
        *,
        user_id: UserId | None = None,
        agent_id: str | None = None,
        session_id: str | None = None,
        k: int = 4,
        using: Using = "hybrid",
        kind: Kinds | None = None,
        filter: Filter | None = None,
        min_score: float = 0.0,
        callback_manager: CallbackManager | None = None,
        verbose: bool = False,
        **settings: Any,
    ) -> None:
        self._owner = read_owner(user_id)
        read_count(k, "k"), read_choice(using, "using", get_args(Using)), read_fraction(min_score, "min_score")
        read_name(agent_id, "agent_id"), read_name(session_id, "session_id"), read_kinds(kind), parse(filter)
        self._connection = Connection(memory, settings, arguments_of(type(self).__init__))
        self._question: dict[str, Any] = {
            "user_id": owner(self._owner), "agent_id": agent_id, "session_id": session_id, "k": k, "using": using, "kind": kind,
            "filter": filter, "min_score": min_score,
        }  # fmt: skip
        super().__init__(callback_manager=callback_manager, verbose=verbose)

    def _retrieve(self, query_bundle: QueryBundle) -> list[NodeWithScore]:
        query = query_bundle.query_str
        return [node_of(hit) for hit in self.memory.search(query, **self._question)] if query.strip() else []

    async def _aretrieve(self, query_bundle: QueryBundle) -> list[NodeWithScore]:
        query = query_bundle.query_str
        return [node_of(hit) for hit in await self.memory.asearch(query, **self._question)] if query.strip() else []


def node_of(hit: Hit) -> NodeWithScore:
    """Return a hit as LlamaIndex has it."""
    memory = hit.memory
    told = {
        "occurred_at": memory.occurred_at and memory.occurred_at.isoformat(), "role": memory.role, "name": memory.name,
        "kind": memory.kind, "agent_id": memory.agent_id, "session_id": memory.session_id,
    }  # fmt: skip
    ours = {name: value for name, value in told.items() if value is not None and name not in memory.metadata}
    node = TextNode(
        id_=memory.id, text=memory.text, metadata={**memory.metadata, **ours},
        excluded_llm_metadata_keys=[name for name in UNTOLD if name in ours], excluded_embed_metadata_keys=list(ours),
    )  # fmt: skip
    return NodeWithScore(node=node, score=hit.score)
