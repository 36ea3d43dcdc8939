"""What a query of LlamaIndex asks of the memory: the arguments of `search`, and of `list` and `delete`."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from llama_index.core.vector_stores.types import MetadataFilters, VectorStoreQuery, VectorStoreQueryMode

from ..documents import checked_ids
from ..errors import InvalidInputError, shown
from ..filters import All, Compare
from .metadata_filters import SOURCE, condition_of

MODES: Final = tuple(VectorStoreQueryMode(m) for m in ("default", "sparse", "text_search", "hybrid", "semantic_hybrid", "mmr"))
BALANCE: Final = 0.5  # how much relevance weighs in MMR, unless the query says
_BY_WORDS: Final = (VectorStoreQueryMode.SPARSE, VectorStoreQueryMode.TEXT_SEARCH)

Options = dict[str, Any]


def search_options(query: VectorStoreQuery, kwargs: Mapping[str, Any], *, embeds: bool) -> Options | None:
    """Return the arguments of `search` that a query means; None if it can find nothing.

    A blank question finds nothing. An empty one beside an embedding is the embedding's alone: so LlamaIndex asks with a picture.

    Args:
        query: What LlamaIndex asks.
        kwargs: What it was called with beside that.
        embeds: The store embeds questions that come without an embedding.

    Raises:
        InvalidInputError: a mode that this store does not have, or one that lacks what it needs.
    """
    if query.mode not in MODES:
        names = ", ".join(mode.value for mode in MODES)
        raise InvalidInputError(f"this store has no query mode {shown(getattr(query.mode, 'value', query.mode))}: use one of {names}")
    asked = _asked(query, kwargs, embeds)
    blank = bool(query.query_str) and not str(query.query_str).strip()
    if asked is None or blank or (query.doc_ids is not None and not query.doc_ids):
        return None
    return {**_narrowed(query), **asked}


def _asked(query: VectorStoreQuery, kwargs: Mapping[str, Any], embeds: bool) -> Options | None:
    k = query.similarity_top_k
    if query.mode in _BY_WORDS:
        return _text(query, query.sparse_top_k or k)
    if query.mode is VectorStoreQueryMode.DEFAULT:
        return _vector(query, k, embeds)
    if query.mode is VectorStoreQueryMode.MMR:
        asked = _vector(query, k, embeds)
        return None if asked is None else {**asked, **_diverse(query, kwargs)}
    k = query.hybrid_top_k or k
    alpha = query.alpha if query.mode is VectorStoreQueryMode.HYBRID else None
    if alpha == 0:  # words alone: what shares none of them is no hit
        return _text(query, k)
    meant = _vector(query, k, embeds)
    if alpha == 1 or meant is None:
        return meant
    words = _words(query)
    return {**meant, "query": words, "using": "hybrid", "alpha": alpha} if words else meant


def _text(query: VectorStoreQuery, k: int) -> Options | None:
    words = _words(query)
    return {"query": words, "using": "text", "k": k} if words else None


def _vector(query: VectorStoreQuery, k: int, embeds: bool) -> Options | None:
    if query.query_embedding is not None:
        return {"vector": query.query_embedding, "using": "vector", "k": k}
    if query.query_str == "":  # LlamaIndex embeds no empty question
        return None
    if embeds:
        return {"query": _words(query), "using": "vector", "k": k}
    raise InvalidInputError(f"mode {query.mode.value} needs query_embedding: embed the question, or open the store with embed_model=...")


def _words(query: VectorStoreQuery) -> str:
    if query.query_str is None:
        raise InvalidInputError(f"mode {query.mode.value} needs query_str: pass the question")
    return query.query_str


def _diverse(query: VectorStoreQuery, kwargs: Mapping[str, Any]) -> Options:
    given = (kwargs.get("mmr_threshold"), query.mmr_threshold, BALANCE)  # the call's wins; 0 is a threshold like any other
    factor, pool = kwargs.get("mmr_prefetch_factor"), kwargs.get("mmr_prefetch_k")
    if pool is None and factor is not None:
        pool = int(factor * query.similarity_top_k)
    return {"mmr": next(threshold for threshold in given if threshold is not None), "fetch_k": pool}


def _narrowed(query: VectorStoreQuery) -> Options:
    conditions = [c for c in (condition_of(query.filters),) if c is not None]
    if query.doc_ids:
        conditions.append(Compare(SOURCE, "$in", checked_ids(query.doc_ids, "doc_ids")))
    return {
        "filter": All(tuple(conditions)) if conditions else None,
        # Empty: no filter. A retriever passes the ids of its index, and an index over a store that keeps the text has none
        "id": checked_ids(query.node_ids, "node_ids") if query.node_ids else None,
    }


def wanted(node_ids: Sequence[str] | None, filters: MetadataFilters | None) -> Options:
    """Return which nodes are to be read: None means all, an empty list of ids none."""
    return {"id": None if node_ids is None else checked_ids(node_ids, "node_ids"), "filter": condition_of(filters)}


def chosen(node_ids: Sequence[str] | None, filters: MetadataFilters | None) -> Options:
    """Return which nodes are to be deleted.

    Raises:
        InvalidInputError: nothing narrows them down.
    """
    which = wanted(node_ids, filters)
    if which["id"] is None and which["filter"] is None:
        raise InvalidInputError("delete_nodes was given neither node_ids nor filters: clear() deletes all nodes")
    return which
