"""The vector store under LangChain's indexing: every document once, and what is gone from the source is gone from the store."""

import asyncio
from collections.abc import Iterator
from typing import Any, Literal

import pytest
from langchain_core.documents import Document
from langchain_core.embeddings import Embeddings
from langchain_core.indexing import InMemoryRecordManager, aindex, index

from agentmem_integrations import EmbeddingError
from agentmem_integrations.langchain import AgentMemVectorStore

Cleanup = Literal["incremental", "full", "scoped_full"] | None


class Indexed:
    def __init__(self, store: AgentMemVectorStore) -> None:
        self.store = store
        self.records = InMemoryRecordManager("test")
        self.records.create_schema()

    def run(self, documents: list[Document], cleanup: Cleanup, *, waiting: bool, **options: Any) -> tuple[int, int, int, int]:
        common: dict[str, Any] = {"cleanup": cleanup, "source_id_key": "source", "key_encoder": "blake2b", **options}
        if waiting:
            done = asyncio.run(aindex(documents, self.records, self.store, **common))
        else:
            done = index(documents, self.records, self.store, **common)
        return done["num_added"], done["num_updated"], done["num_skipped"], done["num_deleted"]

    def texts(self) -> list[str]:
        return sorted(memory.text for memory in self.store.documents.list())


@pytest.fixture
def indexed() -> Iterator[Indexed]:
    with AgentMemVectorStore("memory://") as store:
        yield Indexed(store)


class Lengths(Embeddings):
    """Texts by their length; fails while it is down."""

    down = False

    def embed_documents(self, texts: list[str]) -> list[list[float]]:
        if self.down:
            raise ConnectionError
        return [[1.0, float(len(text))] for text in texts]

    def embed_query(self, text: str) -> list[float]:
        return [1.0, 1.0]


def page(text: str, source: str) -> Document:
    return Document(page_content=text, metadata={"source": source})


@pytest.mark.parametrize("waiting", [False, True], ids=["sync", "async"])
def test_without_cleanup_what_is_gone_stays(indexed: Indexed, waiting: bool) -> None:
    assert indexed.run([page("a", "1"), page("b", "2"), page("a", "1")], None, waiting=waiting) == (2, 0, 1, 0)
    assert indexed.run([page("a", "1"), page("c", "2")], None, waiting=waiting) == (1, 0, 1, 0)
    assert indexed.texts() == ["a", "b", "c"]


@pytest.mark.parametrize("waiting", [False, True], ids=["sync", "async"])
def test_incremental_cleanup_deletes_what_changed_in_a_source(indexed: Indexed, waiting: bool) -> None:
    indexed.run([page("a", "1"), page("b", "2")], "incremental", waiting=waiting)
    assert indexed.run([page("a, changed", "1")], "incremental", waiting=waiting) == (1, 0, 0, 1)
    assert indexed.texts() == ["a, changed", "b"]


@pytest.mark.parametrize("waiting", [False, True], ids=["sync", "async"])
def test_full_cleanup_deletes_what_is_gone(indexed: Indexed, waiting: bool) -> None:
    indexed.run([page(f"{n}", "1") for n in range(30)], "full", waiting=waiting, batch_size=7)
    assert indexed.run([page("3", "1"), page("new", "2")], "full", waiting=waiting) == (1, 0, 1, 29)
    assert indexed.texts() == ["3", "new"]


@pytest.mark.parametrize("waiting", [False, True], ids=["sync", "async"])
def test_scoped_full_cleanup_deletes_what_is_gone_from_the_sources_seen(indexed: Indexed, waiting: bool) -> None:
    indexed.run([page("a", "1"), page("b", "1"), page("c", "2")], "scoped_full", waiting=waiting)
    assert indexed.run([page("a", "1")], "scoped_full", waiting=waiting) == (0, 0, 1, 1)
    assert indexed.texts() == ["a", "c"]


def test_a_forced_update_replaces_and_what_was_deleted_can_come_back(indexed: Indexed) -> None:
    indexed.run([page("a", "1")], "full", waiting=False)
    assert indexed.run([page("a", "1")], "full", waiting=False, force_update=True) == (0, 1, 0, 0)
    indexed.run([], "full", waiting=False)
    assert indexed.texts() == []
    assert indexed.run([page("a", "1")], "full", waiting=False) == (1, 0, 0, 0)
    assert indexed.texts() == ["a"]


@pytest.mark.parametrize("waiting", [False, True], ids=["sync", "async"])
def test_what_could_not_be_embedded_is_not_taken_for_indexed(waiting: bool) -> None:
    embedding = Lengths()
    with AgentMemVectorStore("memory://", embedding=embedding) as store:
        indexed = Indexed(store)
        pages = [page(f"page {n}", "1") for n in range(3)]
        embedding.down = True
        with pytest.raises(EmbeddingError):
            indexed.run(pages, "incremental", waiting=waiting)
        assert indexed.texts() == []
        embedding.down = False
        assert indexed.run(pages, "incremental", waiting=waiting) == (3, 0, 0, 0)
        assert sorted(found.page_content for found in store.similarity_search("page")) == ["page 0", "page 1", "page 2"]
