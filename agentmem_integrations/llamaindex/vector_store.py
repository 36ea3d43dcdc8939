"""A LlamaIndex vector store whose nodes lie in one file, found by meaning, by words, or by both."""

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any, Final

from llama_index.core.base.embeddings.base import BaseEmbedding
from llama_index.core.bridge.pydantic import PrivateAttr
from llama_index.core.schema import BaseNode
from llama_index.core.vector_stores.types import (
    BasePydanticVectorStore,
    MetadataFilters,
    VectorStoreQuery,
    VectorStoreQueryMode,
    VectorStoreQueryResult,
)

from ..config import MAX_PAGE
from ..documents import CHUNK, checked_ids, chunks, documents_of, ids_of, open_documents
from ..embedding.given_vectors import GivenVectors
from ..errors import InvalidInputError, VectorError, shown
from ..filters import All, Compare, Condition
from ..memory import AgentMemory, Collection, UserMemory
from ..models import Hit, Memory, UserId
from ..open_memory import Closing, MemoryOrPath
from .metadata_filters import SOURCE, condition_of
from .models import llamaindex_embedder
from .nodes import item_of, node_of

MODES: Final = tuple(VectorStoreQueryMode(m) for m in ("default", "sparse", "text_search", "hybrid", "semantic_hybrid", "mmr"))
BALANCE: Final = 0.5  # how much relevance weighs in MMR, unless the query says
_BY_WORDS: Final = (VectorStoreQueryMode.SPARSE, VectorStoreQueryMode.TEXT_SEARCH)


class AgentMemVectorStore(Closing, BasePydanticVectorStore):
    """Nodes in a collection of a memory file; everything is on disk when a call returns.

    Takes all fourteen filter operators, nested with and, or and not, and the query modes default, sparse, text_search, hybrid,
    semantic_hybrid and mmr.

    Args:
        memory: An open `AgentMemory`, or a path that is opened for this store alone (then `close` it).
        collection: The collection's name: a file holds many.
        embed_model: Whose vectors these are: its class, `model_name` and dimension are recorded, and the collection takes no
            other's. It also embeds the text of nodes that come without an embedding, and questions that do. None: nodes bring their
            embeddings, as those of a `VectorStoreIndex` do, and only their dimension is recorded.
        user_id: Whose nodes these are: nobody else's are ever found, replaced or deleted. None: nobody's in particular.

    Raises:
        EmbedderMismatchError: the collection holds another model's vectors.
        ConflictError: the collection is one of memories, not of documents.
    """

    stores_text: bool = True
    is_embedding_query: bool = True
    memory: str
    collection: str

    _memory: AgentMemory = PrivateAttr()
    _opened: Collection = PrivateAttr()
    _nodes: UserMemory = PrivateAttr()
    _owned: bool = PrivateAttr()
    _user_id: UserId | None = PrivateAttr()
    _embeds: bool = PrivateAttr()
    _measured: bool = PrivateAttr()

    def __init__(
        self,
        memory: MemoryOrPath,
        *,
        collection: str = "docs",
        embed_model: BaseEmbedding | None = None,
        user_id: UserId | None = None,
        **fields: Any,
    ) -> None:
        embedder = GivenVectors() if embed_model is None else llamaindex_embedder(embed_model)
        opened, nodes, owned = open_documents(memory, collection, embedder)
        super().__init__(**{"memory": opened.path, "collection": collection, **fields})
        self._memory, self._owned, self._user_id, self._embeds = opened, owned, user_id, embed_model is not None
        self._use(nodes)
        self._measured = nodes.identity is not None

    @classmethod
    def class_name(cls) -> str:
        """Return the name that LlamaIndex knows the class by."""
        return "AgentMemVectorStore"

    @property
    def client(self) -> UserMemory:
        """The same nodes as the memory sees them: for `history`, `purge` and whatever else a vector store has no name for."""
        return self._nodes

    # Storing

    def add(self, nodes: Sequence[BaseNode], **kwargs: Any) -> list[str]:
        """Store nodes, 1,000 in a transaction; one whose id is there is replaced. Return their ids.

        Args:
            nodes: The nodes, with their embeddings.
            kwargs: Those of other stores; none is needed here.

        Raises:
            VectorError: an embedding is missing, or of another length than the collection's.
            InvalidInputError: a node that cannot be stored; of its thousand nothing is.
        """
        if nodes:
            self._know_dimension(nodes[0].embedding)
        return [id for part in chunks(map(item_of, nodes), CHUNK) for id in ids_of(self._nodes.add_batch(part, on_error="raise"))]

    async def async_add(self, nodes: Sequence[BaseNode], **kwargs: Any) -> list[str]:
        """Async twin of `add`."""
        if nodes:
            await asyncio.to_thread(self._know_dimension, nodes[0].embedding)
        return [id for part in chunks(map(item_of, nodes), CHUNK) for id in ids_of(await self._nodes.aadd_batch(part, on_error="raise"))]

    def delete(self, ref_doc_id: str, **delete_kwargs: Any) -> None:
        """Delete the nodes of a source document.

        Args:
            ref_doc_id: The document's id.
            delete_kwargs: `purge=True` erases every byte of them.
        """
        self._eraser(delete_kwargs)(session_id=ref_doc_id)

    async def adelete(self, ref_doc_id: str, **delete_kwargs: Any) -> None:
        """Async twin of `delete`."""
        await self._aeraser(delete_kwargs)(session_id=ref_doc_id)

    def delete_nodes(self, node_ids: list[str] | None = None, filters: MetadataFilters | None = None, **delete_kwargs: Any) -> None:
        """Delete nodes by id, by filter, or those of the ids that meet the filter.

        Args:
            node_ids: Which; an empty list means none.
            filters: Only those that meet them.
            delete_kwargs: `purge=True` erases every byte of them.

        Raises:
            InvalidInputError: neither was given: `clear` deletes all.
        """
        self._eraser(delete_kwargs)(**_chosen(node_ids, filters))

    async def adelete_nodes(self, node_ids: list[str] | None = None, filters: MetadataFilters | None = None, **delete_kwargs: Any) -> None:
        """Async twin of `delete_nodes`."""
        await self._aeraser(delete_kwargs)(**_chosen(node_ids, filters))

    def clear(self) -> None:
        """Delete all nodes of the collection, or of its user."""
        self._nodes.delete()

    async def aclear(self) -> None:
        """Async twin of `clear`."""
        await self._nodes.adelete()

    # Finding

    def get_nodes(self, node_ids: list[str] | None = None, filters: MetadataFilters | None = None) -> list[BaseNode]:
        """Return nodes in the order they were added, without their embeddings.

        Args:
            node_ids: Which; None means all, an empty list none.
            filters: Only those that meet them.
        """
        chosen = _wanted(node_ids, filters)
        found: list[Memory] = []
        while len(page := self._nodes.list(**chosen, after=found[-1].id if found else None, limit=MAX_PAGE)) == MAX_PAGE:
            found += page
        return [node_of(memory) for memory in [*found, *page]]

    async def aget_nodes(self, node_ids: list[str] | None = None, filters: MetadataFilters | None = None) -> list[BaseNode]:
        """Async twin of `get_nodes`."""
        chosen = _wanted(node_ids, filters)
        found: list[Memory] = []
        while len(page := await self._nodes.alist(**chosen, after=found[-1].id if found else None, limit=MAX_PAGE)) == MAX_PAGE:
            found += page
        return [node_of(memory) for memory in [*found, *page]]

    def query(self, query: VectorStoreQuery, **kwargs: Any) -> VectorStoreQueryResult:
        """Return the best nodes with their scores, best first.

        Args:
            query: Mode, embedding, words, filters and how many; at most 1,000 are found. An empty `node_ids` or `doc_ids` is no
                filter. `alpha` weighs meaning (1) against words (0) in hybrid mode; None is the memory's own ranking.
            kwargs: For mode mmr: `mmr_threshold` (1 is relevance alone, 0 difference alone), `mmr_prefetch_k` or
                `mmr_prefetch_factor` (from how many it chooses).

        Raises:
            InvalidInputError: a mode that this store does not have, or one that lacks what it needs.
        """
        options = self._options(query, kwargs)
        if "vector" in options and not self._has_vectors():
            return _result([])
        return _result(self._nodes.search(**options))

    async def aquery(self, query: VectorStoreQuery, **kwargs: Any) -> VectorStoreQueryResult:
        """Async twin of `query`."""
        options = self._options(query, kwargs)
        if "vector" in options and not await asyncio.to_thread(self._has_vectors):
            return _result([])
        return _result(await self._nodes.asearch(**options))

    # What they need

    def _held(self) -> tuple[AgentMemory, bool]:
        return self._memory, self._owned

    def _use(self, collection: Collection) -> None:
        self._opened = collection
        self._nodes = documents_of(collection, self._user_id)

    def _know_dimension(self, embedding: Sequence[float] | None) -> None:
        """Record the length of the first vector that comes into a new collection."""
        if not self._measured:
            if embedding is None:
                raise VectorError("a node has no embedding: give it one, or open the store with embed_model=...")
            self._use(self._memory.collection(self.collection, embedder=GivenVectors(len(embedding)), twins="keep"))
            self._measured = True

    def _has_vectors(self) -> bool:
        """Say whether there is anything to compare a vector with: somebody else may have been the first to add."""
        if not self._measured and self._opened.identity is not None:
            self._use(self._memory.collection(self.collection, embedder=GivenVectors(), twins="keep"))
            self._measured = True
        return self._measured

    def _eraser(self, kwargs: Mapping[str, Any]) -> Any:
        return self._nodes.purge if kwargs.get("purge") else self._nodes.delete

    def _aeraser(self, kwargs: Mapping[str, Any]) -> Any:
        return self._nodes.apurge if kwargs.get("purge") else self._nodes.adelete

    def _options(self, query: VectorStoreQuery, kwargs: Mapping[str, Any]) -> dict[str, Any]:
        """Return the arguments of `search` that a query means."""
        if query.mode not in MODES:
            names = ", ".join(mode.value for mode in MODES)
            raise InvalidInputError(f"this store has no query mode {shown(getattr(query.mode, 'value', query.mode))}: use one of {names}")
        options = {**_narrowed(query), "k": query.similarity_top_k}
        if query.mode in _BY_WORDS:
            return {**options, **_words(query), "using": "text", "k": query.sparse_top_k or query.similarity_top_k}
        if query.mode is VectorStoreQueryMode.MMR:
            return {**options, **self._meaning(query), **_diverse(query, kwargs)}
        if query.mode is VectorStoreQueryMode.DEFAULT:
            return {**options, **self._meaning(query)}
        options["k"] = query.hybrid_top_k or query.similarity_top_k
        alpha = query.alpha if query.mode is VectorStoreQueryMode.HYBRID else None
        if alpha == 0:  # words alone: what shares none of them is no hit
            return {**options, **_words(query), "using": "text"}
        if alpha == 1:
            return {**options, **self._meaning(query)}
        return {**options, **self._meaning(query), **_words(query), "using": "hybrid", "alpha": alpha}

    def _meaning(self, query: VectorStoreQuery) -> dict[str, Any]:
        if query.query_embedding is not None:
            return {"vector": query.query_embedding, "using": "vector"}
        if self._embeds:
            return {**_words(query), "using": "vector"}
        raise InvalidInputError(
            f"mode {query.mode.value} needs query_embedding: embed the question, or open the store with embed_model=..."
        )


def _words(query: VectorStoreQuery) -> dict[str, Any]:
    if query.query_str is None:
        raise InvalidInputError(f"mode {query.mode.value} needs query_str: pass the question")
    return {"query": query.query_str}


def _diverse(query: VectorStoreQuery, kwargs: Mapping[str, Any]) -> dict[str, Any]:
    given = (kwargs.get("mmr_threshold"), query.mmr_threshold, BALANCE)  # the call's wins; 0 is a threshold like any other
    factor, pool = kwargs.get("mmr_prefetch_factor"), kwargs.get("mmr_prefetch_k")
    if pool is None and factor is not None:
        pool = int(factor * query.similarity_top_k)
    return {"mmr": next(threshold for threshold in given if threshold is not None), "fetch_k": pool}


def _narrowed(query: VectorStoreQuery) -> dict[str, Any]:
    conditions = [c for c in (condition_of(query.filters),) if c is not None]
    if query.doc_ids:
        conditions.append(Compare(SOURCE, "$in", checked_ids(query.doc_ids, "doc_ids")))
    return {
        "filter": All(tuple(conditions)) if conditions else None,
        "id": checked_ids(query.node_ids, "node_ids") if query.node_ids else None,
    }


def _wanted(node_ids: Sequence[str] | None, filters: MetadataFilters | None) -> dict[str, Any]:
    condition: Condition | None = condition_of(filters)
    return {"id": None if node_ids is None else checked_ids(node_ids, "node_ids"), "filter": condition}


def _chosen(node_ids: Sequence[str] | None, filters: MetadataFilters | None) -> dict[str, Any]:
    wanted = _wanted(node_ids, filters)
    if wanted["id"] is None and wanted["filter"] is None:
        raise InvalidInputError("delete_nodes was given neither node_ids nor filters: clear() deletes all nodes")
    return wanted


def _result(hits: Sequence[Hit]) -> VectorStoreQueryResult:
    scores = [hit.parts["similarity"] if hit.parts.keys() == {"similarity"} else hit.score for hit in hits]
    return VectorStoreQueryResult(nodes=[node_of(hit.memory) for hit in hits], similarities=scores, ids=[hit.memory.id for hit in hits])
