"""The vector store of LangChain: what its standard tests do not ask."""

import asyncio
import inspect
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from langchain_core.documents import Document
from langchain_core.embeddings import DeterministicFakeEmbedding, Embeddings
from langchain_core.vectorstores import InMemoryVectorStore, VectorStore

from agentmem_integrations import (
    AgentMemory,
    ClosedError,
    ConflictError,
    EmbedderMismatchError,
    EmbeddingError,
    FilterError,
    InvalidInputError,
    VectorError,
)
from agentmem_integrations.langchain import AgentMemVectorStore, StaticEmbeddings

PLACES = [
    ("lisbon", "Lisbon has seven hills and yellow trams", {"country": "PT", "people": 545_000, "tags": ["sea", "hills"]}),
    ("porto", "Porto lies on the Douro and makes port wine", {"country": "PT", "people": 231_000, "tags": ["river"]}),
    ("oslo", "Oslo has fjords and an opera house", {"country": "NO", "people": 709_000, "tags": ["sea"]}),
    ("rome", "Rome was not built in a day", {"country": "IT", "people": 2_748_000, "tags": []}),
]


class PointEmbeddings(Embeddings):
    """Texts are points, such as "1 0.5"."""

    model = "points"

    def embed_documents(self, texts: list[str]) -> list[list[float]]:
        return [[*map(float, text.split()[:2]), 0.0] for text in texts]

    def embed_query(self, text: str) -> list[float]:
        return self.embed_documents([text])[0] if text[0].isdigit() or text[0] == "-" else [1.0, 0.0, 0.0]


class BrokenEmbeddings(Embeddings):
    def embed_documents(self, texts: list[str]) -> list[list[float]]:
        raise ConnectionError("no route")

    def embed_query(self, text: str) -> list[float]:
        if text == "dimension":
            return [1.0, 0.0]
        raise ConnectionError("no route")


@pytest.fixture
def store(url: str) -> Iterator[AgentMemVectorStore]:
    documents = [Document(id=id, page_content=text, metadata=metadata) for id, text, metadata in PLACES]
    with AgentMemVectorStore.from_documents(documents, None, memory=url) as store:
        yield store


@pytest.fixture
def points() -> Iterator[AgentMemVectorStore]:
    with AgentMemVectorStore("memory://", embedding=PointEmbeddings()) as store:
        store.add_texts(["1 0", "1 0.1", "1 0.12", "1 -0.9", "-1 0"], ids=["east", "a", "b", "south", "west"])
        yield store


def ids(documents: list[Document]) -> list[str | None]:
    return [document.id for document in documents]


def test_a_document_comes_back_as_it_was(store: AgentMemVectorStore) -> None:
    (document,) = store.similarity_search("yellow trams", k=1)
    assert document == Document(id="lisbon", page_content=PLACES[0][1], metadata=PLACES[0][2])


@pytest.mark.parametrize("text", ["", "   ", "\n\t"])
def test_a_blank_text_comes_back_as_it_was(store: AgentMemVectorStore, text: str) -> None:
    store.add_texts([text], [{"page": 1}], ids=["blank"])
    assert store.get_by_ids(["blank"]) == [Document(id="blank", page_content=text, metadata={"page": 1})]


def test_documents_outlive_the_program(path: str) -> None:
    with AgentMemVectorStore(path, collection="a") as store:
        store.add_texts(["tea"], ids=["1"])
    with AgentMemVectorStore(path, collection="a") as again:
        assert ids(again.similarity_search("tea")) == ["1"]


def test_collections_of_one_file_are_apart(path: str) -> None:
    with AgentMemory(path) as mem:
        one, two = AgentMemVectorStore(mem, collection="one"), AgentMemVectorStore(mem, collection="two", embedding=PointEmbeddings())
        one.add_texts(["1 1"], ids=["x"])
        assert two.similarity_search("1 1") == []
        two.add_texts(["0 1"], ids=["x"])
        two.delete(["x"])
        assert ids(one.similarity_search("1 1")) == ["x"]
        mem.add("I like tea", user_id="ana")
        assert one.similarity_search("tea", k=10)[0].page_content == "1 1"
        one.close()  # the memory is not its own
        mem.add("I like coffee", user_id="ana")


def test_identical_texts_stay_apart(store: AgentMemVectorStore) -> None:
    first, second = store.add_texts(["the same", "the same"])
    assert first != second
    assert len(store.get_by_ids([first, second])) == 2


def test_scores_are_cosines_and_relevance_is_between_0_and_1(points: AgentMemVectorStore) -> None:
    scored = points.similarity_search_with_score("east", k=5)
    assert [(d.id, round(s, 3)) for d, s in scored] == [("east", 1.0), ("a", 0.995), ("b", 0.993), ("south", 0.743), ("west", -1.0)]
    relevant = points.similarity_search_with_relevance_scores("east", k=5)
    assert [round(s, 3) for _, s in relevant] == [1.0, 0.995, 0.993, 0.743, 0.0]
    assert ids([d for d, _ in points.similarity_search_with_relevance_scores("east", score_threshold=0.9)]) == ["east", "a", "b"]


def test_a_vector_is_searched_with(points: AgentMemVectorStore) -> None:
    assert ids(points.similarity_search_by_vector([-5.0, 0.0, 0.0], k=1)) == ["west"]
    assert round(points.similarity_search_with_score_by_vector([-5.0, 0.0, 0.0], k=1)[0][1], 3) == 1.0
    with pytest.raises(VectorError, match="3"):
        points.similarity_search_by_vector([1.0], k=1)


def test_similarity_is_pure_however_well_the_words_match(points: AgentMemVectorStore) -> None:
    points.add_texts(["-1 0.2 the very words"], ids=["words"])
    assert "words" not in ids(points.similarity_search("the very words", k=4))
    assert ids(points.search("the very words", "text", k=4)) == ["words"]
    assert ids(points.search("the very words", "hybrid", k=1, alpha=0.0)) == ["words"]
    assert ids(points.search("the very words", "hybrid", k=1, alpha=1.0)) == ["east"]
    assert set(ids(points.search("the very words", "hybrid", k=6))) == {"east", "a", "b", "south", "west", "words"}


def test_different_documents_are_preferred(points: AgentMemVectorStore) -> None:
    assert ids(points.max_marginal_relevance_search("east", k=2, lambda_mult=1.0)) == ["east", "a"]
    assert ids(points.max_marginal_relevance_search("east", k=2, fetch_k=4, lambda_mult=0.4)) == ["east", "south"]
    assert ids(points.max_marginal_relevance_search("east", k=2, fetch_k=3, lambda_mult=0.0)) == ["east", "b"]
    assert ids(points.max_marginal_relevance_search_by_vector([1.0, 0, 0], k=2, lambda_mult=0.4)) == ["east", "west"]
    assert ids(points.search("east", "mmr", k=2, lambda_mult=0.4, filter={"no": 1})) == []


@pytest.mark.parametrize("search_type", ["similarity", "mmr", "hybrid", "text", "similarity_score_threshold"])
def test_every_search_type_is_filtered_before_it_ranks(store: AgentMemVectorStore, search_type: str) -> None:
    store.add_texts([f"Lisbon {n}" for n in range(200)], [{"country": "XX"}] * 200)
    more = {"score_threshold": 0.0} if search_type == "similarity_score_threshold" else {}
    found = store.search("Lisbon and the Douro", search_type, k=2, filter={"country": "PT"}, **more)
    assert set(ids(found)) == {"lisbon", "porto"}


@pytest.mark.parametrize(
    ("filter", "expected"),
    [
        ({"country": "PT"}, {"lisbon", "porto"}),
        ({"people": {"$gte": 600_000}}, {"oslo", "rome"}),
        ({"country": {"$in": ["NO", "IT"]}}, {"oslo", "rome"}),
        ({"tags": {"$contains": "sea"}}, {"lisbon", "oslo"}),
        ({"$or": [{"country": "NO"}, {"people": {"$lt": 300_000}}]}, {"oslo", "porto"}),
        ({"$not": {"country": "PT"}}, {"oslo", "rome"}),
        ({"nothing": {"$exists": False}}, {"lisbon", "porto", "oslo", "rome"}),
        ({"nothing": 1}, set()),
        ({"country'; DROP TABLE memories; --": "PT"}, set()),
        ({"country": "PT' OR '1'='1"}, set()),
    ],
)
def test_filters_mean_what_the_memory_means(store: AgentMemVectorStore, filter: dict[str, Any], expected: set[str]) -> None:
    assert set(ids(store.similarity_search("city", k=10, filter=filter))) == expected


def test_a_filter_that_means_nothing_is_refused(store: AgentMemVectorStore) -> None:
    with pytest.raises(FilterError):
        store.similarity_search("city", filter={"people": {"$near": 1}})
    with pytest.raises(FilterError):
        store.similarity_search("city", filter=lambda document: True)  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="filters"):
        store.similarity_search("city", filters={"country": "PT"})


def test_adding_an_id_that_is_there_replaces_the_document(store: AgentMemVectorStore) -> None:
    assert store.add_texts(["Oslo moved to the sea"], [{"country": "SE"}], ids=["oslo"]) == ["oslo"]
    assert store.get_by_ids(["oslo"]) == [Document(id="oslo", page_content="Oslo moved to the sea", metadata={"country": "SE"})]
    assert ids(store.search("fjords opera", "text")) == []
    assert len(store.documents.list()) == 4


def test_an_id_may_be_missing_for_some(store: AgentMemVectorStore) -> None:
    first, second = store.add_documents([Document(page_content="one", id="mine"), Document(page_content="two")])
    assert first == "mine"
    assert [d.page_content for d in store.get_by_ids([second, first])] == ["two", "one"]


def test_documents_are_returned_in_the_order_of_the_ids_each_once(store: AgentMemVectorStore) -> None:
    assert ids(store.get_by_ids(["rome", "nobody", "lisbon", "rome"])) == ["rome", "lisbon"]
    assert store.get_by_ids([]) == []
    with pytest.raises(InvalidInputError, match="one string"):
        store.get_by_ids("rome")


def test_documents_are_deleted_by_ids_by_filter_or_all(store: AgentMemVectorStore) -> None:
    assert store.delete([]) is True
    assert store.delete(["rome"], filter={"country": "PT"}) is True
    assert len(store.documents.list()) == 4
    store.delete(["rome", "nobody"])
    store.delete(filter={"country": "PT"})
    assert [m.id for m in store.documents.list()] == ["oslo"]
    store.delete()
    assert store.documents.list() == []


def test_purged_documents_leave_no_byte(path: str) -> None:
    with AgentMemVectorStore(path) as store:
        store.add_texts(["a secret zyxwvut", "another"], ids=["1", "2"])
        store.delete(["1"])
        assert store.documents.history("1")[-1].event == "DELETE"
        store.delete(["1"], purge=True)
        assert store.documents.history("1") == []
    assert all(b"zyxwvut" not in file.read_bytes() for file in Path(path).parent.iterdir())


def test_a_bad_document_leaves_nothing_of_its_batch(store: AgentMemVectorStore) -> None:
    for texts, metadatas in ((["fine", "nul \0"], None), (["fine", "fine"], [{}, {"when": object()}])):
        with pytest.raises(InvalidInputError, match="item 1"):
            store.add_texts(texts, metadatas)
    assert len(store.documents.list()) == 4
    for options in ({"metadatas": [{}]}, {"ids": ["1"]}, {"batch_size": 0}):
        with pytest.raises(InvalidInputError):
            store.add_texts(["a", "b"], **options)
    with pytest.raises(InvalidInputError, match="one string"):
        store.add_texts("ab")
    with pytest.raises(InvalidInputError, match="search_type"):
        store.search("a", "best")


def test_any_iterable_of_texts_will_do(store: AgentMemVectorStore) -> None:
    assert len(store.add_texts((f"text {n}" for n in range(25)), batch_size=10)) == 25
    assert store.add_texts([]) == []


def test_two_users_of_one_collection_never_meet(path: str) -> None:
    with AgentMemory(path) as mem:
        ana, ben, nobody = (AgentMemVectorStore(mem, user_id=user) for user in ("ana", "ben", None))
        ana.add_texts(["Ana's diary"], ids=["diary"])
        ben.add_texts(["Ben's diary"], ids=["diary"])
        assert [d.page_content for d in ana.similarity_search("diary", k=9)] == ["Ana's diary"]
        assert nobody.similarity_search("diary") == []
        ben.delete()
        nobody.delete()
        assert [d.page_content for d in ana.get_by_ids(["diary"])] == ["Ana's diary"]


def test_the_embedding_is_recorded_and_no_other_is_taken(path: str) -> None:
    with AgentMemVectorStore(path, embedding=PointEmbeddings()) as store:
        store.add_texts(["1 0"])
        assert isinstance(store.embeddings, PointEmbeddings)
    for other in (None, DeterministicFakeEmbedding(size=3)):
        with pytest.raises(EmbedderMismatchError, match=r"PointEmbeddings:points"):
            AgentMemVectorStore(path, embedding=other)
    another = PointEmbeddings()
    another.model = "other points"
    with pytest.raises(EmbedderMismatchError, match="other points"):
        AgentMemVectorStore(path, embedding=another)


def test_a_collection_of_memories_is_no_collection_of_documents(path: str) -> None:
    with AgentMemory(path, namespace="docs") as mem:
        mem.add("tea", user_id="ana")
    with pytest.raises(ConflictError, match="twins"):
        AgentMemVectorStore(path)


def test_without_an_embedding_the_bundled_one_is_used(store: AgentMemVectorStore) -> None:
    vector = store.embeddings.embed_query("yellow trams")
    assert isinstance(store.embeddings, StaticEmbeddings)
    assert store.embeddings.embed_documents(["yellow trams"]) == [vector]
    assert store.embeddings.embed_documents([]) == []
    assert ids(store.similarity_search_by_vector(vector, k=1)) == ["lisbon"]


class LengthEmbeddings(Embeddings):
    """Fails while it is down, and for what is poisoned always."""

    model = "lengths-1"
    down = False

    def embed_documents(self, texts: list[str]) -> list[list[float]]:
        if self.down or any("poison" in text for text in texts):
            raise ConnectionError("401: no such key")
        return [[1.0, float(len(text))] for text in texts]

    def embed_query(self, text: str) -> list[float]:
        return [1.0, 1.0]


def texts_of(documents: list[Document]) -> set[str]:
    return {document.page_content for document in documents}


def test_what_cannot_be_embedded_is_an_error_and_nothing_of_it_is_stored(url: str) -> None:
    embedding = LengthEmbeddings()
    with AgentMemVectorStore(url, embedding=embedding) as store:
        store.add_texts(["one"], ids=["1"])
        embedding.down = True
        with pytest.raises(EmbeddingError, match=r"item 0: .* LengthEmbeddings \('lengths-1'\) failed with Conn") as raised:
            store.add_texts(["two", "three"], ids=["1", "3"])
        assert isinstance(raised.value.__cause__, ConnectionError)
        with pytest.raises(EmbeddingError):
            store.add_documents([Document(page_content="two")])
        with pytest.raises(EmbeddingError):
            asyncio.run(store.aadd_texts(["two"]))
        embedding.down = False
        assert texts_of(store.similarity_search("x")) == {"one"}
        assert [memory.text for memory in store.documents.list()] == ["one"]
        assert store.documents.stats() == {"memories": 1, "deleted": 0, "owed_vectors": 0}
        store.add_texts(["two", "three"], ids=["1", "3"])
        assert texts_of(store.similarity_search("x")) == {"two", "three"}


def test_one_text_that_cannot_be_embedded_costs_its_batch_and_no_other(url: str) -> None:
    with AgentMemVectorStore(url, embedding=LengthEmbeddings()) as store:
        with pytest.raises(EmbeddingError, match="item 1") as raised:
            store.add_texts(["one", "two", "three", "poison", "five", "six"], batch_size=2)
        assert raised.value.__notes__ == ["the first 2 documents, in batches before this one, are stored"]
        assert texts_of(store.similarity_search("x")) == {"one", "two"}


def test_from_texts_with_a_failing_embedding_closes_what_it_opened(path: str) -> None:
    with pytest.raises(EmbeddingError):
        AgentMemVectorStore.from_texts(["tea"], BrokenEmbeddings(), memory=path)
    with AgentMemVectorStore(path, embedding=BrokenEmbeddings()) as store:
        assert store.documents.list() == []
        with pytest.raises(EmbeddingError, match="BrokenEmbeddings"):
            store.similarity_search("tea")


def test_what_is_owed_by_a_change_beside_the_store_is_told_and_made_by_flush(url: str) -> None:
    embedding = LengthEmbeddings()
    with AgentMemVectorStore(url, embedding=embedding) as store:
        store.add_texts(["one"], ids=["1"])
        embedding.down = True
        store.documents.update("1", text="changed")
        assert store.similarity_search("x") == []
        assert store.documents.stats()["owed_vectors"] == store.flush() == asyncio.run(store.aflush()) == 1
        embedding.down = False
        assert store.flush() == 0
        assert texts_of(store.similarity_search("x")) == {"changed"}


@pytest.mark.parametrize("question", ["", "  \n"])
def test_a_blank_question_finds_nothing(points: AgentMemVectorStore, question: str) -> None:
    for search_type in ("similarity", "mmr", "hybrid", "text"):
        assert points.search(question, search_type) == asyncio.run(points.asearch(question, search_type)) == []
        assert points.as_retriever(search_type=search_type).invoke(question) == []
    assert points.similarity_search_with_relevance_scores(question) == []


def test_what_is_no_id_is_refused_by_its_place(store: AgentMemVectorStore) -> None:
    with pytest.raises(InvalidInputError, match=r"^ids\[1\] is None: ids are strings$"):
        store.delete(["rome", None])  # type: ignore[list-item]
    with pytest.raises(InvalidInputError, match=r"^ids\[0\] is 5"):
        store.get_by_ids([5])  # type: ignore[list-item]
    assert len(store.documents.list()) == 4


def test_another_stores_argument_for_the_place_is_told_ours(path: str) -> None:
    options: dict[str, Any] = {"persist_directory": path}
    for made in (
        lambda: AgentMemVectorStore.from_texts(["a"], None, **options),
        lambda: asyncio.run(AgentMemVectorStore.afrom_texts(["a"], None, **options)),
    ):
        with pytest.raises(TypeError, match=r"'persist_directory'.*memory='notes.db'.*collection="):
            made()
    with AgentMemVectorStore.from_texts(["a", "b"], None, batch_size=1) as store:
        assert len(store.documents.list()) == 2


@pytest.mark.parametrize("fetch_k", [1, 2, 3])
def test_no_more_differ_than_were_fetched_as_in_langchains_own_store(points: AgentMemVectorStore, fetch_k: int) -> None:
    theirs = InMemoryVectorStore(PointEmbeddings())
    theirs.add_texts(["1 0", "1 0.1", "1 0.12", "1 -0.9", "-1 0"], ids=["east", "a", "b", "south", "west"])
    for k in (1, 2, 3, 4):
        found = [ids(store.max_marginal_relevance_search("east", k, fetch_k, lambda_mult=0.6)) for store in (points, theirs)]
        assert found[0] == found[1]
        assert len(found[0]) == min(k, fetch_k)


def test_a_name_with_a_dot_is_a_key_of_that_name(store: AgentMemVectorStore) -> None:
    store.add_texts(["flat", "nested"], [{"loc.city": "P"}, {"loc": {"city": "P"}}])
    assert texts_of(store.similarity_search("x", filter={"loc.city": "P"})) == {"flat"}


def test_a_closed_store_says_so(path: str) -> None:
    store = AgentMemVectorStore(path)
    store.close()
    with pytest.raises(ClosedError):
        store.similarity_search("tea")


# Retrievers


def test_a_retriever_searches_as_it_was_asked(store: AgentMemVectorStore) -> None:
    options: list[tuple[str, dict[str, Any]]] = [
        ("similarity", {"k": 1}), ("mmr", {"k": 1, "fetch_k": 3, "lambda_mult": 0.9}), ("hybrid", {"k": 1}),
        ("hybrid", {"k": 1, "alpha": 0.3}), ("text", {"k": 1}), ("similarity_score_threshold", {"k": 1, "score_threshold": 0.1}),
    ]  # fmt: skip
    for search_type, kwargs in options:
        retriever = store.as_retriever(search_type=search_type, search_kwargs=kwargs)
        assert ids(retriever.invoke("fjords and opera")) == ["oslo"]
        assert ids(asyncio.run(retriever.ainvoke("fjords and opera"))) == ["oslo"]


def test_what_an_invocation_asks_wins_over_the_retriever(store: AgentMemVectorStore) -> None:
    retriever = store.as_retriever(search_type="hybrid", search_kwargs={"k": 4})
    assert len(retriever.invoke("city")) == 4
    assert ids(retriever.invoke("city", k=1, filter={"country": "IT"})) == ["rome"]


def test_a_retriever_of_an_unknown_type_is_refused(store: AgentMemVectorStore) -> None:
    with pytest.raises(ValueError, match="best"):
        store.as_retriever(search_type="best")


def test_a_retriever_stores_documents_and_carries_tags(store: AgentMemVectorStore) -> None:
    retriever = store.as_retriever(tags=["mine"])
    retriever.add_documents([Document(page_content="Bergen", id="bergen")])
    assert retriever.tags == ["mine"]
    assert store.as_retriever().tags == ["AgentMemVectorStore", "StaticEmbeddings"]
    assert ids(store.get_by_ids(["bergen"])) == ["bergen"]


# The async face


async def test_every_method_has_an_async_twin_that_does_the_same(points: AgentMemVectorStore) -> None:
    vector = [1.0, 0.1, 0.0]
    calls: list[tuple[str, tuple[Any, ...], dict[str, Any]]] = [
        ("similarity_search", ("east", 3), {}),
        ("similarity_search_with_score", ("east", 3), {"filter": {"a": {"$exists": False}}}),
        ("similarity_search_by_vector", (vector, 3), {}),
        ("similarity_search_with_score_by_vector", (vector, 3), {}),
        ("similarity_search_with_relevance_scores", ("east", 3), {}),
        ("max_marginal_relevance_search", ("east", 3), {"lambda_mult": 0.2}),
        ("max_marginal_relevance_search_by_vector", (vector, 3), {"lambda_mult": 0.2}),
        ("hybrid_search_with_score", ("east 1", 3), {"alpha": 0.5}),
        ("text_search_with_score", ("1", 3), {}),
        ("search", ("1", "text"), {}), ("search", ("east", "similarity"), {}), ("search", ("east", "hybrid"), {}),
        ("search", ("east", "mmr"), {}),
        ("get_by_ids", (["west", "a"],), {}),
    ]  # fmt: skip
    for name, arguments, options in calls:
        assert await getattr(points, f"a{name}")(*arguments, **options) == getattr(points, name)(*arguments, **options), name
    assert await points.aadd_texts(["0 1"], [{"n": 1}], ids=["north"]) == ["north"]
    assert await points.aadd_documents([Document(page_content="0 2", id="n2", metadata={"n": 2})]) == ["n2"]
    await points.adelete(["west"])
    await points.adelete(filter={"n": 2})
    assert sorted(m.id for m in points.documents.list()) == ["a", "b", "east", "north", "south"]
    await points.adelete(["north"], purge=True)
    assert points.documents.history("north") == []


async def test_twins_have_the_same_signatures() -> None:
    own = {name for name, _ in inspect.getmembers(AgentMemVectorStore, inspect.isfunction) if not name.startswith("_")}
    for name in own & {f"a{n}" for n in own}:
        twin, verb = (inspect.signature(getattr(AgentMemVectorStore, n)).parameters for n in (name, name[1:]))
        assert twin == verb, name


async def test_a_store_can_be_made_from_texts_and_documents(tmp_path: Path) -> None:
    made = await AgentMemVectorStore.afrom_texts(["1 0", "0 1"], PointEmbeddings(), [{"n": 1}, {"n": 2}], ids=["e", "n"])
    assert ids(await made.asimilarity_search("1 0", k=1)) == ["e"]
    await made.aclose()
    documents = [Document(page_content="tea", id="t")]
    stores: list[Callable[[], VectorStore]] = [
        lambda: AgentMemVectorStore.from_documents(documents, StaticEmbeddings(), memory=tmp_path / "a.db", collection="x"),
        lambda: AgentMemVectorStore.from_texts(["tea"], ids=["t"]),
    ]
    for make in stores:
        store = make()
        assert isinstance(store, AgentMemVectorStore)
        assert ids(store.similarity_search("tea")) == ["t"]
        store.close()
    other = await AgentMemVectorStore.afrom_documents(documents, StaticEmbeddings(), memory=tmp_path / "b.db")
    assert ids(await other.asimilarity_search("tea")) == ["t"]
    await other.aclose()


async def test_many_tasks_add_and_search_at_once(path: str) -> None:
    with AgentMemVectorStore(path) as store:
        await asyncio.gather(*(store.aadd_texts([f"text {n}"], ids=[f"{n}"]) for n in range(60)))
        found = await asyncio.gather(*(store.asimilarity_search(f"text {n}", k=1) for n in range(60)))
        assert len(store.documents.list()) == 60
        assert all(len(documents) == 1 for documents in found)
