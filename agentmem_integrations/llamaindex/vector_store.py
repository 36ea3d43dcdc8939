"""A LlamaIndex vector store whose nodes lie in one file, found by meaning, by words, or by both."""

import asyncio
import contextlib
from collections.abc import Mapping, Sequence
from typing import Any, Self

from llama_index.core.base.embeddings.base import BaseEmbedding
from llama_index.core.bridge.pydantic import Field, PrivateAttr
from llama_index.core.schema import BaseNode
from llama_index.core.vector_stores.types import BasePydanticVectorStore, MetadataFilters, VectorStoreQuery, VectorStoreQueryResult

from ..config import MAX_PAGE, MEMORY_URL
from ..documents import CHUNK, chunks, counted_from, documents_of, ids_of
from ..embedding.given_vectors import NAME, GivenVectors
from ..errors import EmbedderMismatchError, InvalidInputError, VectorError
from ..memory import AgentMemory, Collection, UserMemory
from ..models import SHARED, Hit, Identity, Memory, UserId
from ..open_memory import Closing, MemoryOrPath
from ..pipeline.arguments import read_name
from .nodes import items_of, node_of
from .vector_query import chosen, search_options, wanted
from .vector_store_opening import as_json, check_holds_nodes, open_nodes, read_settings, settings_of


class AgentMemVectorStore(Closing, BasePydanticVectorStore):
    """Nodes in a collection of a memory file; everything is on disk when a call returns.

    Takes all fourteen filter operators, nested with and, or and not, and the query modes default, sparse, text_search, hybrid,
    semantic_hybrid and mmr.

    Args:
        memory: An open `AgentMemory`, or a path that is opened for this store alone (then `close` it).
        collection: The collection's name: a file holds many.
        embed_model: Whose vectors these are: its class, `model_name` and dimension are recorded, and the collection takes no
            other's. It also embeds nodes and questions that come without an embedding; of a node what an index would embed,
            `get_content(MetadataMode.EMBED)`. None: nodes bring their embeddings, as those of a `VectorStoreIndex` do, and only
            their dimension is recorded.
        user_id: Whose nodes these are: nobody else's are ever found, replaced or deleted. None: nobody's in particular.
        settings: How a path is opened, as for `AgentMemory`: `durability`, `text_limit`, `reranker` and the rest.

    Raises:
        TypeError: an argument that there is not.
        EmbedderMismatchError: the collection holds another model's vectors.
        ConflictError: the collection is one of memories or of chat histories, not of documents.
    """

    stores_text: bool = True
    is_embedding_query: bool = True
    memory: str
    collection: str
    user_id: str | None = None
    settings: dict[str, Any] = Field(default_factory=dict)
    objects: list[str] = Field(default_factory=list)

    _memory: AgentMemory = PrivateAttr()
    _opened: Collection = PrivateAttr()
    _nodes: UserMemory = PrivateAttr()
    _owned: bool = PrivateAttr()
    _embed_model: BaseEmbedding | None = PrivateAttr()
    _identity: Identity | None = PrivateAttr(default=None)  # whose vectors `_nodes` knows, where the store does not embed

    def __init__(
        self,
        memory: MemoryOrPath,
        *,
        collection: str = "docs",
        embed_model: BaseEmbedding | None = None,
        user_id: UserId | None = None,
        **settings: Any,
    ) -> None:
        given = read_settings(settings, embed_model)
        owner = None if user_id is SHARED else read_name(user_id, "user_id")
        opened, nodes, owned = open_nodes(memory, collection, embed_model, given)
        try:
            super().__init__(**{"collection": collection, "user_id": owner, **as_json(opened, embed_model)})
            self._memory, self._owned, self._embed_model = opened, owned, embed_model
            self._use(nodes)
            check_holds_nodes(self._nodes, collection)
        except BaseException:
            if owned:
                opened.close()
            raise

    @classmethod
    def class_name(cls) -> str:
        """Return the name that LlamaIndex knows the class by."""
        return "AgentMemVectorStore"

    @property
    def client(self) -> UserMemory:
        """The same nodes as the memory sees them: for `history`, `purge` and whatever else a vector store has no name for."""
        return self._nodes

    # Copies

    def __deepcopy__(self, memo: dict[int, Any] | None = None) -> Self:
        """Return the same store: what is open cannot be copied."""
        return self

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickle how the store is opened, its embedding model included: whoever unpickles it opens the file anew.

        Raises:
            InvalidInputError: it is in RAM.
        """
        if self.memory == MEMORY_URL:
            raise InvalidInputError("this store is in RAM and cannot be pickled: open it with a file")
        arguments = {"collection": self.collection, "embed_model": self._embed_model, "user_id": self.user_id}
        return _reopened, (type(self), self.memory, {**arguments, **settings_of(self._memory)})

    # Storing

    def add(self, nodes: Sequence[BaseNode], **kwargs: Any) -> list[str]:
        """Store nodes, 1,000 in a transaction; one whose id is there is replaced. Return their ids.

        Args:
            nodes: The nodes, with their embeddings.
            kwargs: Those of other stores; none is needed here.

        Raises:
            VectorError: an embedding is missing, or of another length than the collection's.
            InvalidInputError: a node that cannot be stored; of its thousand nothing is. It is named by its place among `nodes`.
        """
        if nodes:
            self._know_dimension(nodes[0].embedding)
        ids: list[str] = []
        for part in chunks(nodes, CHUNK):
            with counted_from(len(ids)):
                ids += ids_of(self._nodes.add_batch(items_of(part, self._memory._settings.text_limit), on_error="raise"))
        return ids

    async def async_add(self, nodes: Sequence[BaseNode], **kwargs: Any) -> list[str]:
        """Async twin of `add`."""
        if nodes:
            await asyncio.to_thread(self._know_dimension, nodes[0].embedding)
        ids: list[str] = []
        for part in chunks(nodes, CHUNK):
            with counted_from(len(ids)):
                ids += ids_of(await self._nodes.aadd_batch(items_of(part, self._memory._settings.text_limit), on_error="raise"))
        return ids

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
        self._eraser(delete_kwargs)(**chosen(node_ids, filters))

    async def adelete_nodes(self, node_ids: list[str] | None = None, filters: MetadataFilters | None = None, **delete_kwargs: Any) -> None:
        """Async twin of `delete_nodes`."""
        await self._aeraser(delete_kwargs)(**chosen(node_ids, filters))

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
        which = wanted(node_ids, filters)
        found: list[Memory] = []
        while len(page := self._nodes.list(**which, after=found[-1].id if found else None, limit=MAX_PAGE)) == MAX_PAGE:
            found += page
        return [node_of(memory) for memory in [*found, *page]]

    async def aget_nodes(self, node_ids: list[str] | None = None, filters: MetadataFilters | None = None) -> list[BaseNode]:
        """Async twin of `get_nodes`."""
        which = wanted(node_ids, filters)
        found: list[Memory] = []
        while len(page := await self._nodes.alist(**which, after=found[-1].id if found else None, limit=MAX_PAGE)) == MAX_PAGE:
            found += page
        return [node_of(memory) for memory in [*found, *page]]

    def query(self, query: VectorStoreQuery, **kwargs: Any) -> VectorStoreQueryResult:
        """Return the best nodes with their scores, best first.

        Args:
            query: Mode, embedding, words, filters and how many; at most 1,000 are found. An empty `doc_ids` finds nothing, but an
                empty `node_ids` is no filter: retrievers of an index pass one. `alpha` weighs meaning (1) against words (0) in
                hybrid mode; None is the memory's own ranking.
            kwargs: For mode mmr: `mmr_threshold` (1 is relevance alone, 0 difference alone), `mmr_prefetch_k` or
                `mmr_prefetch_factor` (from how many it chooses).

        Raises:
            InvalidInputError: a mode that this store does not have, or one that lacks what it needs.
        """
        options = search_options(query, kwargs, embeds=self._embed_model is not None)
        if options is None or ("vector" in options and not self._has_vectors()):
            return _result([])
        try:
            return _result(self._nodes.search(**options))
        except (EmbedderMismatchError, VectorError):
            if not self._caught_up():
                raise
        return _result(self._nodes.search(**options))

    async def aquery(self, query: VectorStoreQuery, **kwargs: Any) -> VectorStoreQueryResult:
        """Async twin of `query`."""
        options = search_options(query, kwargs, embeds=self._embed_model is not None)
        if options is None or ("vector" in options and not await asyncio.to_thread(self._has_vectors)):
            return _result([])
        try:
            return _result(await self._nodes.asearch(**options))
        except (EmbedderMismatchError, VectorError):
            if not await asyncio.to_thread(self._caught_up):
                raise
        return _result(await self._nodes.asearch(**options))

    # What they need

    def _held(self) -> tuple[AgentMemory, bool]:
        return self._memory, self._owned

    def _use(self, collection: Collection) -> None:
        self._opened = collection
        self._nodes = documents_of(collection, self.user_id)

    def _know_dimension(self, embedding: Sequence[float] | None) -> None:
        """Record the length of the first vector that comes into a new collection, or into one that was emptied."""
        self._caught_up()
        if self._has_vectors():
            self._begin_anew(embedding)
            return
        if not embedding:
            raise VectorError("a node has no embedding: give it one, or open the store with embed_model=...")
        with contextlib.suppress(EmbedderMismatchError):  # somebody was first, with a vector of another length: this one is refused
            self._memory.collection(self.collection, embedder=GivenVectors(len(embedding)), twins="keep")
        self._caught_up()

    def _begin_anew(self, embedding: Sequence[float] | None) -> None:
        """Take vectors of another length from now on, if no node of anybody's is left that has one."""
        if self._identity is None or not embedding or self._identity.dim == len(embedding):
            return
        if self._opened.stats()["memories"]:
            raise VectorError(
                f"the embedding has {len(embedding)} numbers, those of collection {self.collection!r} have {self._identity.dim}: it takes "
                f"others once every node of every user is deleted; or choose another collection="
            )
        self._opened.reembed(GivenVectors(len(embedding), NAME))
        self._caught_up()

    def _has_vectors(self) -> bool:
        """Say whether there is anything to compare a vector with."""
        return self._embed_model is not None or self._identity is not None or self._caught_up()

    def _caught_up(self) -> bool:
        """Go on with the vectors that the collection has by now; say whether these are others than before.

        Somebody else may be the first to add, or the first after everything was deleted, at any moment.
        """
        identity = self._opened.identity
        if self._embed_model is not None or identity is None or identity == self._identity:
            return False
        self._use(self._memory.collection(self.collection, embedder=GivenVectors(), twins="keep"))
        self._identity = identity
        return True

    def _eraser(self, kwargs: Mapping[str, Any]) -> Any:
        return self._nodes.purge if kwargs.get("purge") else self._nodes.delete

    def _aeraser(self, kwargs: Mapping[str, Any]) -> Any:
        return self._nodes.apurge if kwargs.get("purge") else self._nodes.adelete


def _reopened(kind: type[AgentMemVectorStore], memory: str, arguments: dict[str, Any]) -> AgentMemVectorStore:
    """Unpickle a store."""
    return kind(memory, **arguments)


def _result(hits: Sequence[Hit]) -> VectorStoreQueryResult:
    scores = [hit.parts["similarity"] if hit.parts.keys() == {"similarity"} else hit.score for hit in hits]
    return VectorStoreQueryResult(nodes=[node_of(hit.memory) for hit in hits], similarities=scores, ids=[hit.memory.id for hit in hits])
