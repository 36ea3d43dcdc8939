"""A LangChain vector store whose documents lie in one file, found by meaning, by words, or by both."""

import asyncio
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, ClassVar, Final, Self

from langchain_core.callbacks import AsyncCallbackManagerForRetrieverRun, CallbackManagerForRetrieverRun
from langchain_core.documents import Document
from langchain_core.embeddings import Embeddings
from langchain_core.vectorstores import VectorStore, VectorStoreRetriever

from ..config import MEMORY_URL
from ..documents import CHUNK, PAGE, blank, checked_ids, chunks, document, documents_of, ids_of, open_documents, text_of
from ..errors import AgentMemError, InvalidInputError, shown
from ..filters import Condition
from ..memory import AgentMemory, UserMemory
from ..models import Hit, Memory, UserId
from ..open_memory import Closing, MemoryOrPath
from .models import StaticEmbeddings, langchain_embedder

SEARCH_TYPES: Final = ("similarity", "similarity_score_threshold", "mmr", "hybrid", "text")
Filter = dict[str, Any] | Condition | None
Scored = list[tuple[Document, float]]


class AgentMemVectorStoreRetriever(VectorStoreRetriever):
    """The retriever of an `AgentMemVectorStore`: also `search_type="hybrid"` and `"text"`. Made by `as_retriever`."""

    allowed_search_types: ClassVar[Sequence[str]] = SEARCH_TYPES

    def _get_relevant_documents(self, query: str, *, run_manager: CallbackManagerForRetrieverRun, **kwargs: Any) -> list[Document]:
        return self.vectorstore.search(query, self.search_type, **{**self.search_kwargs, **kwargs})

    async def _aget_relevant_documents(
        self, query: str, *, run_manager: AsyncCallbackManagerForRetrieverRun, **kwargs: Any
    ) -> list[Document]:
        return await self.vectorstore.asearch(query, self.search_type, **{**self.search_kwargs, **kwargs})


class AgentMemVectorStore(Closing, VectorStore):
    """Documents in a collection of a memory file.

    Ids are strings; adding one that is there replaces the document. Filters are dicts in MongoDB's style (docs/concepts.md), or
    condition trees. `similarity_search` and its kin rank by cosine similarity alone; `search_type="hybrid"` counts words as well.

    Args:
        memory: An open `AgentMemory`, or a path that is opened for this store alone (then `close` it).
        collection: The collection's name: a file holds many.
        embedding: Any LangChain `Embeddings`; its class, model name and dimension are recorded in the file, and the collection
            takes no other's vectors. None: the bundled static embedder, which needs no download.
        user_id: Whose documents these are: nobody else's are ever found, replaced or deleted. None: nobody's in particular.

    Raises:
        EmbedderMismatchError: the collection was written with another embedding.
        ConflictError: the collection is one of memories, not of documents.
    """

    def __init__(
        self, memory: MemoryOrPath, *, collection: str = "docs", embedding: Embeddings | None = None, user_id: UserId | None = None
    ) -> None:
        self._memory, opened, self._owned = open_documents(
            memory, collection, "static" if embedding is None else langchain_embedder(embedding)
        )
        self._embedding = StaticEmbeddings() if embedding is None else embedding
        self._documents = documents_of(opened, user_id)

    @property
    def embeddings(self) -> Embeddings:
        """What makes the vectors."""
        return self._embedding

    @property
    def documents(self) -> UserMemory:
        """The same documents as the memory sees them: for `list`, `history`, `purge` and whatever else a vector store has no name for."""
        return self._documents

    # Storing

    def add_texts(
        self,
        texts: Iterable[str],
        metadatas: list[dict[str, Any]] | None = None,
        *,
        ids: list[str] | None = None,
        batch_size: int = CHUNK,
        **kwargs: Any,
    ) -> list[str]:
        """Store texts; return their ids.

        Args:
            texts: The texts, any iterable.
            metadatas: One JSON object each.
            ids: One each; one that is there is replaced, and None is given a new one.
            batch_size: Texts in one transaction; each batch is stored whole or not at all.
            kwargs: None are known.

        Raises:
            InvalidInputError: a document that cannot be stored; of its batch nothing is.
            EmbeddingError: the embedding failed; of that batch nothing is stored, and what an id stood for before is still there.
        """
        _none_left(kwargs)
        items = _items(texts, metadatas, ids)
        stored: list[str] = []
        for part in chunks(items, batch_size):
            with _telling(stored):
                stored += ids_of(self._documents.add_batch(part, on_error="raise", owe=False))
        return stored

    async def aadd_texts(
        self,
        texts: Iterable[str],
        metadatas: list[dict[str, Any]] | None = None,
        *,
        ids: list[str] | None = None,
        batch_size: int = CHUNK,
        **kwargs: Any,
    ) -> list[str]:
        """Async twin of `add_texts`."""
        _none_left(kwargs)
        items = _items(texts, metadatas, ids)
        stored: list[str] = []
        for part in chunks(items, batch_size):
            with _telling(stored):
                stored += ids_of(await self._documents.aadd_batch(part, on_error="raise", owe=False))
        return stored

    def delete(self, ids: list[str] | None = None, *, filter: Filter = None, purge: bool = False, **kwargs: Any) -> bool:
        """Delete documents.

        Args:
            ids: Which. None: all that the filter selects, and without a filter all there are, as LangChain has it.
            filter: Only those that meet it.
            purge: Erase every byte of them; else they are invisible, and in `documents.history`.
            kwargs: None are known.
        """
        _none_left(kwargs)
        erase = self._documents.purge if purge else self._documents.delete
        erase(None if ids is None else checked_ids(ids, "ids"), filter=filter)
        return True

    async def adelete(self, ids: list[str] | None = None, *, filter: Filter = None, purge: bool = False, **kwargs: Any) -> bool:
        """Async twin of `delete`."""
        _none_left(kwargs)
        erase = self._documents.apurge if purge else self._documents.adelete
        await erase(None if ids is None else checked_ids(ids, "ids"), filter=filter)
        return True

    def get_by_ids(self, ids: Sequence[str], /) -> list[Document]:
        """Return the documents that are there, in the order of the ids, each once."""
        found = [m for part in chunks(checked_ids(ids, "ids"), PAGE) for m in self._documents.list(id=part, limit=PAGE)]
        return _in_order(ids, found)

    async def aget_by_ids(self, ids: Sequence[str], /) -> list[Document]:
        """Async twin of `get_by_ids`."""
        found = [m for part in chunks(checked_ids(ids, "ids"), PAGE) for m in await self._documents.alist(id=part, limit=PAGE)]
        return _in_order(ids, found)

    def flush(self) -> int:
        """Make the vectors that the memory owes, now; return how many it still owes: see `AgentMemory.flush`.

        What this store adds owes none. It is for documents whose text was changed through `documents`, or that were imported or
        repaired, while the embedding failed; they are not found by similarity before.
        """
        return self._memory.flush()

    async def aflush(self) -> int:
        """Async twin of `flush`."""
        return await self._memory.aflush()

    # Similarity

    def similarity_search(self, query: str, k: int = 4, *, filter: Filter = None, **kwargs: Any) -> list[Document]:
        """Return the `k` documents most similar to a question, 1 to 1,000, nearest first."""
        return _plain(self.similarity_search_with_score(query, k, filter=filter, **kwargs))

    async def asimilarity_search(self, query: str, k: int = 4, *, filter: Filter = None, **kwargs: Any) -> list[Document]:
        """Async twin of `similarity_search`."""
        return _plain(await self.asimilarity_search_with_score(query, k, filter=filter, **kwargs))

    def similarity_search_with_score(self, query: str, k: int = 4, *, filter: Filter = None, **kwargs: Any) -> Scored:
        """Return the most similar documents with their cosine similarity, -1 to 1."""
        _none_left(kwargs)
        return _cosines(self._found(query, k=k, filter=filter, using="vector"))

    async def asimilarity_search_with_score(self, query: str, k: int = 4, *, filter: Filter = None, **kwargs: Any) -> Scored:
        """Async twin of `similarity_search_with_score`."""
        _none_left(kwargs)
        return _cosines(await self._afound(query, k=k, filter=filter, using="vector"))

    def similarity_search_by_vector(self, embedding: list[float], k: int = 4, *, filter: Filter = None, **kwargs: Any) -> list[Document]:
        """Return the documents most similar to a vector."""
        return _plain(self.similarity_search_with_score_by_vector(embedding, k, filter=filter, **kwargs))

    async def asimilarity_search_by_vector(
        self, embedding: list[float], k: int = 4, *, filter: Filter = None, **kwargs: Any
    ) -> list[Document]:
        """Async twin of `similarity_search_by_vector`."""
        return _plain(await self.asimilarity_search_with_score_by_vector(embedding, k, filter=filter, **kwargs))

    def similarity_search_with_score_by_vector(self, embedding: list[float], k: int = 4, *, filter: Filter = None, **kwargs: Any) -> Scored:
        """Return the documents most similar to a vector with their cosine similarity, -1 to 1."""
        _none_left(kwargs)
        return _cosines(self._documents.search(vector=embedding, k=k, filter=filter))

    async def asimilarity_search_with_score_by_vector(
        self, embedding: list[float], k: int = 4, *, filter: Filter = None, **kwargs: Any
    ) -> Scored:
        """Async twin of `similarity_search_with_score_by_vector`."""
        _none_left(kwargs)
        return _cosines(await self._documents.asearch(vector=embedding, k=k, filter=filter))

    def _select_relevance_score_fn(self) -> Any:
        return _relevance

    def _found(self, query: str, **options: Any) -> list[Hit]:
        return [] if blank(query) else self._documents.search(query, **options)

    async def _afound(self, query: str, **options: Any) -> list[Hit]:
        return [] if blank(query) else await self._documents.asearch(query, **options)

    # Words and meaning

    def hybrid_search_with_score(
        self, query: str, k: int = 4, *, filter: Filter = None, alpha: float | None = None, **kwargs: Any
    ) -> Scored:
        """Return the best documents by meaning and words with their score, 0 to 1.

        Args:
            query: The question.
            k: How many, 1 to 1,000.
            filter: Only those that meet it.
            alpha: How much meaning weighs against words, 0 to 1; None for the memory's own ranking.
            kwargs: None are known.
        """
        _none_left(kwargs)
        return _scores(self._found(query, k=k, filter=filter, alpha=alpha))

    async def ahybrid_search_with_score(
        self, query: str, k: int = 4, *, filter: Filter = None, alpha: float | None = None, **kwargs: Any
    ) -> Scored:
        """Async twin of `hybrid_search_with_score`."""
        _none_left(kwargs)
        return _scores(await self._afound(query, k=k, filter=filter, alpha=alpha))

    def text_search_with_score(self, query: str, k: int = 4, *, filter: Filter = None, **kwargs: Any) -> Scored:
        """Return the best documents by words alone (BM25) with their score, 0 to 1; only those that share one."""
        _none_left(kwargs)
        return _scores(self._found(query, k=k, filter=filter, using="text"))

    async def atext_search_with_score(self, query: str, k: int = 4, *, filter: Filter = None, **kwargs: Any) -> Scored:
        """Async twin of `text_search_with_score`."""
        _none_left(kwargs)
        return _scores(await self._afound(query, k=k, filter=filter, using="text"))

    def search(self, query: str, search_type: str, **kwargs: Any) -> list[Document]:
        """Return documents by one of `similarity`, `similarity_score_threshold`, `mmr`, `hybrid` and `text`.

        Args:
            query: The question.
            search_type: How to search.
            kwargs: Arguments of that search.

        Raises:
            InvalidInputError: another type.
        """
        match _search_type(search_type):
            case "hybrid":
                return _plain(self.hybrid_search_with_score(query, **kwargs))
            case "text":
                return _plain(self.text_search_with_score(query, **kwargs))
        return super().search(query, search_type, **kwargs)

    async def asearch(self, query: str, search_type: str, **kwargs: Any) -> list[Document]:
        """Async twin of `search`."""
        match _search_type(search_type):
            case "hybrid":
                return _plain(await self.ahybrid_search_with_score(query, **kwargs))
            case "text":
                return _plain(await self.atext_search_with_score(query, **kwargs))
        return await super().asearch(query, search_type, **kwargs)

    # Difference

    def max_marginal_relevance_search(
        self, query: str, k: int = 4, fetch_k: int = 20, lambda_mult: float = 0.5, *, filter: Filter = None, **kwargs: Any
    ) -> list[Document]:
        """Return documents that are similar to a question and differ from one another.

        Args:
            query: The question.
            k: How many, 1 to 1,000.
            fetch_k: From how many of the most similar they are chosen.
            lambda_mult: 1 cares for similarity alone, 0 for difference alone.
            filter: Only those that meet it.
            kwargs: None are known.
        """
        _none_left(kwargs)
        found = self._found(query, k=k, filter=filter, using="vector", mmr=lambda_mult, fetch_k=fetch_k)
        return _plain(_cosines(found))

    async def amax_marginal_relevance_search(
        self, query: str, k: int = 4, fetch_k: int = 20, lambda_mult: float = 0.5, *, filter: Filter = None, **kwargs: Any
    ) -> list[Document]:
        """Async twin of `max_marginal_relevance_search`."""
        _none_left(kwargs)
        found = await self._afound(query, k=k, filter=filter, using="vector", mmr=lambda_mult, fetch_k=fetch_k)
        return _plain(_cosines(found))

    def max_marginal_relevance_search_by_vector(
        self, embedding: list[float], k: int = 4, fetch_k: int = 20, lambda_mult: float = 0.5, *, filter: Filter = None, **kwargs: Any
    ) -> list[Document]:
        """Return documents that are similar to a vector and differ from one another, as `max_marginal_relevance_search`."""
        _none_left(kwargs)
        return _plain(_cosines(self._documents.search(vector=embedding, k=k, filter=filter, mmr=lambda_mult, fetch_k=fetch_k)))

    async def amax_marginal_relevance_search_by_vector(
        self, embedding: list[float], k: int = 4, fetch_k: int = 20, lambda_mult: float = 0.5, *, filter: Filter = None, **kwargs: Any
    ) -> list[Document]:
        """Async twin of `max_marginal_relevance_search_by_vector`."""
        _none_left(kwargs)
        return _plain(_cosines(await self._documents.asearch(vector=embedding, k=k, filter=filter, mmr=lambda_mult, fetch_k=fetch_k)))

    # Making one

    @classmethod
    def from_texts(
        cls,
        texts: list[str],
        embedding: Embeddings | None = None,
        metadatas: list[dict[str, Any]] | None = None,
        *,
        ids: list[str] | None = None,
        memory: MemoryOrPath = MEMORY_URL,
        collection: str = "docs",
        user_id: UserId | None = None,
        **kwargs: Any,
    ) -> Self:
        """Return a vector store with these texts in it; the other arguments are those of the class and of `add_texts`."""
        _made_with(kwargs)
        store = cls(memory, collection=collection, embedding=embedding, user_id=user_id)
        try:
            store.add_texts(texts, metadatas, ids=ids, **kwargs)
        except BaseException:
            store.close()
            raise
        return store

    @classmethod
    async def afrom_texts(
        cls,
        texts: list[str],
        embedding: Embeddings | None = None,
        metadatas: list[dict[str, Any]] | None = None,
        *,
        ids: list[str] | None = None,
        memory: MemoryOrPath = MEMORY_URL,
        collection: str = "docs",
        user_id: UserId | None = None,
        **kwargs: Any,
    ) -> Self:
        """Async twin of `from_texts`."""
        _made_with(kwargs)
        store = await asyncio.to_thread(cls, memory, collection=collection, embedding=embedding, user_id=user_id)
        try:
            await store.aadd_texts(texts, metadatas, ids=ids, **kwargs)
        except BaseException:
            await store.aclose()
            raise
        return store

    def as_retriever(self, **kwargs: Any) -> AgentMemVectorStoreRetriever:
        """Return a retriever; `search_type` may be any that `search` takes.

        Args:
            kwargs: `search_type` (default `similarity`), `search_kwargs` (arguments of that search) and `tags`.
        """
        tags = kwargs.pop("tags", None) or self._get_retriever_tags()
        return AgentMemVectorStoreRetriever(vectorstore=self, tags=[*tags], **kwargs)

    def _held(self) -> tuple[AgentMemory, bool]:
        return self._memory, self._owned


def _items(texts: Iterable[str], metadatas: list[dict[str, Any]] | None, ids: list[str] | None) -> Iterator[dict[str, Any]]:
    if isinstance(texts, str):
        raise InvalidInputError("texts is one string: pass a list of texts")
    listed = list(texts)
    for what, given in (("metadatas", metadatas), ("ids", ids)):
        if given is not None and len(given) != len(listed):
            raise InvalidInputError(f"there are {len(given)} {what} for {len(listed)} texts: pass one for each")
    objects: Sequence[dict[str, Any] | None] = [None] * len(listed) if metadatas is None else metadatas
    names: Sequence[str | None] = [None] * len(listed) if ids is None else ids
    return (document(id, text, metadata or {}) for id, text, metadata in zip(names, listed, objects, strict=True))


def _document(memory: Memory) -> Document:
    return Document(id=memory.id, page_content=text_of(memory), metadata=memory.metadata)


def _in_order(ids: Iterable[str], found: Iterable[Memory]) -> list[Document]:
    by_id = {memory.id: memory for memory in found}
    return [_document(by_id[id]) for id in dict.fromkeys(ids) if id in by_id]


def _cosines(hits: Iterable[Hit]) -> Scored:
    return [(_document(hit.memory), hit.parts["similarity"]) for hit in hits]


def _scores(hits: Iterable[Hit]) -> Scored:
    return [(_document(hit.memory), hit.score) for hit in hits]


def _plain(scored: Scored) -> list[Document]:
    return [document for document, _ in scored]


def _relevance(cosine: float) -> float:
    """Return the cosine where it says that texts are alike, and 0 where it says that they are not."""
    return min(1.0, max(0.0, cosine))


def _search_type(name: str) -> str:
    if name not in SEARCH_TYPES:
        raise InvalidInputError(f"search_type={shown(name)}: use one of {', '.join(SEARCH_TYPES)}")
    return name


@contextmanager
def _telling(stored: Sequence[str]) -> Iterator[None]:
    """Tell with an error how much was stored before it."""
    try:
        yield
    except AgentMemError as error:
        if stored:
            error.add_note(f"the first {len(stored):,} documents, in batches before this one, are stored")
        raise


def _made_with(kwargs: dict[str, Any]) -> None:
    """Refuse what `from_texts` does not know before anything is opened: other stores name their place otherwise."""
    if unknown := kwargs.keys() - {"batch_size"}:
        raise TypeError(
            f"unknown argument {shown(min(unknown))}: where the documents are is memory='notes.db' (a path, or an open AgentMemory) and "
            f"collection='docs', see docs/langchain-vectorstore.md"
        )


def _none_left(kwargs: dict[str, Any]) -> None:
    if kwargs:
        raise TypeError(f"unknown argument {shown(next(iter(kwargs)))}: a filter is filter={{...}}, see docs/langchain-vectorstore.md")
