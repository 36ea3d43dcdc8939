"""The vector store of LlamaIndex: nodes, queries in every mode, deleting, files."""

import asyncio
import inspect
import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from llama_index.core.schema import (
    BaseNode,
    Document,
    ImageNode,
    IndexNode,
    MediaResource,
    Node,
    NodeRelationship,
    RelatedNodeInfo,
    TextNode,
)
from llama_index.core.vector_stores.types import (
    BasePydanticVectorStore,
    ExactMatchFilter,
    FilterOperator,
    MetadataFilter,
    MetadataFilters,
    VectorStoreQuery,
    VectorStoreQueryMode,
    VectorStoreQueryResult,
)

from agentmem_integrations import (
    AgentMemory,
    ClosedError,
    ConflictError,
    EmbedderMismatchError,
    FilterError,
    GivenVectors,
    InvalidInputError,
    TextError,
    VectorError,
)
from agentmem_integrations.llamaindex import AgentMemVectorStore

EAST, NORTH, NORTH_EAST, WEST = [1.0, 0.0], [0.0, 1.0], [1.0, 1.0], [-1.0, 0.0]
MODE = VectorStoreQueryMode


def node(id: str, text: str, embedding: list[float] | None, source: str | None = None, **metadata: Any) -> TextNode:
    relations = {NodeRelationship.SOURCE: RelatedNodeInfo(node_id=source)} if source else {}
    return TextNode(id_=id, text=text, embedding=embedding, metadata=metadata, relationships=relations)


NODES = [
    node("east", "the sun rises", EAST, "compass", weight=1.0, rank="a", quality=["high"], identifier="6FTR78Yun"),
    node("north", "the bears live", NORTH, "compass", weight=2.0, rank="c", quality=["medium", "cold"], identifier="6FTR78Ygl"),
    node("north-east", "the wind blows", NORTH_EAST, "winds", weight=3.0, rank="b", quality=["low"], identifier="6FTR78Ztl"),
]


@pytest.fixture
def store(url: str) -> Iterator[AgentMemVectorStore]:
    with AgentMemVectorStore(url) as store:
        store.add(NODES)
        yield store


def query(embedding: list[float] | None = None, k: int = 10, **fields: Any) -> VectorStoreQuery:
    return VectorStoreQuery(query_embedding=embedding, similarity_top_k=k, **fields)


def where(key: str, operator: FilterOperator, value: Any) -> MetadataFilters:
    return MetadataFilters(filters=[MetadataFilter(key=key, operator=operator, value=value)])


def test_it_is_what_llama_index_calls_a_vector_store() -> None:
    assert BasePydanticVectorStore.__name__ in [base.__name__ for base in AgentMemVectorStore.__mro__]
    assert AgentMemVectorStore.class_name() == "AgentMemVectorStore"
    store = AgentMemVectorStore("memory://")
    assert (store.stores_text, store.is_embedding_query) == (True, True)
    store.close()


# Adding


def test_adding_answers_with_the_ids(store: AgentMemVectorStore) -> None:
    assert store.add([node("a", "a", EAST), node("b", "b", EAST)]) == ["a", "b"]
    assert store.add([]) == []


def test_nothing_is_found_in_an_empty_store() -> None:
    with AgentMemVectorStore("memory://") as store:
        for options in ({}, {"mode": MODE.MMR}, {"mode": MODE.HYBRID, "query_str": "sun"}, {"mode": MODE.TEXT_SEARCH, "query_str": "sun"}):
            result = store.query(query(EAST, **options))
            assert (result.nodes, result.similarities, result.ids) == ([], [], [])
        assert store.get_nodes() == []
        store.clear()
        store.delete("nothing")


def test_adding_an_id_that_is_there_replaces_the_node(store: AgentMemVectorStore) -> None:
    store.add([node("east", "the moon sets", WEST, "other", weight=9)])
    (found,) = store.get_nodes(["east"])
    assert (found.get_content(), found.metadata, found.ref_doc_id) == ("the moon sets", {"weight": 9}, "other")
    assert store.query(query(WEST, 1)).ids == ["east"]
    assert len(store.get_nodes()) == 3
    store.delete("compass")
    assert {n.node_id for n in store.get_nodes()} == {"east", "north-east"}


@pytest.mark.parametrize("embedding", [[0.0, 0.0], [1.0], [1.0, float("nan")], None])
def test_an_embedding_that_cannot_be_compared_is_refused_with_all_of_its_batch(store: AgentMemVectorStore, embedding: Any) -> None:
    with pytest.raises(VectorError, match="item 1"):
        store.add([node("fine", "fine", EAST), node("bad", "bad", embedding)])
    assert len(store.get_nodes()) == 3


async def test_a_node_that_cannot_be_stored_is_named_by_its_place_in_the_call(store: AgentMemVectorStore) -> None:
    many = [node(f"{n}", "x", EAST) for n in range(2_500)]
    for bad, error in ((node("bad", "x", [1.0]), VectorError), (node("bad", "x", EAST, odd=object()), InvalidInputError)):
        given = [*many[:2_004], bad, *many[2_004:]]
        for call in (asyncio.to_thread(store.add, given), store.async_add(given)):
            with pytest.raises(error, match=r"^item 2004: .*first 2,000 items were stored"):
                await call
            assert len(store.get_nodes()) == 2_003
        with pytest.raises(error, match=r"^item 3: (?!.*stored before)"):
            store.add([*many[:3], bad])


def test_the_first_node_must_have_an_embedding() -> None:
    with AgentMemVectorStore("memory://") as store, pytest.raises(VectorError, match="embed_model"):
        store.add([node("a", "a", None)])


# What a node is


@pytest.mark.parametrize(
    "kept",
    [
        TextNode(
            id_="t", text="text", metadata={"a": 1, "b": [1, {"d": 2, "c": None}], "when": "2026"}, excluded_embed_metadata_keys=["a"],
            excluded_llm_metadata_keys=["b"], start_char_idx=3, end_char_idx=7, text_template="{content} | {metadata_str}",
            metadata_template="{key}={value}", metadata_separator=";", mimetype="text/markdown",
            relationships={
                NodeRelationship.SOURCE: RelatedNodeInfo(node_id="source", metadata={"x": 1}, hash="h"),
                NodeRelationship.NEXT: RelatedNodeInfo(node_id="next"),
                NodeRelationship.CHILD: [RelatedNodeInfo(node_id="c1"), RelatedNodeInfo(node_id="c2")],
            },
        ),
        TextNode(id_="blank", text=" \n"), TextNode(id_="empty"), TextNode(id_="empty with title", metadata={"title": "t"}),
        TextNode(id_="blank with title", text=" \n", metadata={"title": "t"}),
        Document(id_="blanks around", text="\n t \n", metadata={"t": "t"}),
        TextNode(id_="nested", text="x", metadata={"z": 1, "a": {"y": [{"q": 1, "p": {"b": 1, "a": 2}}], "b": 2}, "m": {"a": 1, "b": 2}}),
        TextNode(id_="no words in the template", text="x", metadata={"a": 1}, text_template="{metadata_str}"),
        TextNode(
            id_="braces", text="{x} } {", metadata={"{a}": "}{"}, metadata_template="<{key}|{value}>",
            text_template="{content}~{metadata_str}",
        ),
        TextNode(id_="own keys", text="x", metadata={"ref_doc_id": "mine", "doc_id": 7, "node": 1, "text": 2}),
        TextNode(
            id_="own and theirs", text="x", metadata={"z": 1, "ref_doc_id": [1], "a": 2},
            relationships={NodeRelationship.SOURCE: RelatedNodeInfo(node_id="s")},
        ),
        IndexNode(id_="i", text="index", index_id="other index"),
        ImageNode(id_="p", text="a picture", image="aGVsbG8=", image_mimetype="image/png", image_url="http://localhost/x.png"),
        Node(id_="n", text_resource=MediaResource(text="media"), image_resource=MediaResource(url="http://localhost/x.png")),
        Document(id_="d", text="a document", metadata={"k": "v"}),
        TextNode(id_="unicode ünï/☃", text="绿茶 ☕ \u2060", metadata={"ключ ' \" $": "значение'; --"}),
    ],
    ids=lambda node: node.id_,
)  # fmt: skip
def test_a_node_comes_back_as_it_was(store: AgentMemVectorStore, kept: BaseNode) -> None:
    kept.embedding = EAST
    store.add([kept])
    expected = kept.model_copy(update={"embedding": None})
    for (found,) in (store.get_nodes([kept.node_id]), store.query(query(EAST, node_ids=[kept.node_id])).nodes or ()):
        assert type(found) is type(kept)
        assert found == expected
        assert found.hash == expected.hash


def test_dates_in_metadata_are_stored_as_llama_index_stores_them_everywhere(store: AgentMemVectorStore) -> None:
    from datetime import date

    store.add([node("dated", "x", EAST, day=date(2026, 5, 2), tags={"b", "a"})])
    assert store.get_nodes(["dated"])[0].metadata == {"day": "2026-05-02", "tags": ["a", "b"]}
    with pytest.raises(InvalidInputError, match="metadata"):
        store.add([node("odd", "x", EAST, odd=object())])


def test_what_was_added_past_llama_index_is_a_text_node(path: str) -> None:
    with AgentMemory(path) as mem:
        mem.collection("docs", embedder=GivenVectors(2), twins="keep").add(
            {"text": "plain", "id": "p", "vector": EAST, "metadata": {"a": 1}}
        )
        assert AgentMemVectorStore(mem).get_nodes() == [TextNode(id_="p", text="plain", metadata={"a": 1})]


def test_words_are_searched_in_what_an_index_embeds(store: AgentMemVectorStore) -> None:
    titled = node("titled", "see the table", WEST, title="volcano eruptions", hidden="xyzzy")
    titled.excluded_embed_metadata_keys = ["hidden"]
    store.add([titled])
    assert store.query(query(None, query_str="eruptions of volcanoes", mode=MODE.TEXT_SEARCH)).ids == ["titled"]
    assert store.query(query(None, query_str="xyzzy", mode=MODE.TEXT_SEARCH)).ids == []
    assert store.get_nodes(["titled"])[0].get_content() == "see the table"


def test_metadata_that_are_too_long_to_be_embedded_are_refused_unless_excluded(store: AgentMemVectorStore) -> None:
    long = node("long", "short", EAST, page="x" * 200_000)
    with pytest.raises(TextError, match=r"^item 0: .*200,0.*excluded_embed_metadata_keys"):
        store.add([long])
    long.excluded_embed_metadata_keys = ["page"]
    store.add([long])
    assert store.get_nodes(["long"])[0].metadata == long.metadata


def test_what_was_changed_past_llama_index_is_seen(path: str) -> None:
    with AgentMemory(path) as mem:
        store = AgentMemVectorStore(mem)
        store.add([node("a", "old words", EAST, title="t")])
        words = mem.collection("docs", embedder=None, twins="keep")
        words.update("a", text="new words", metadata={"z": 1, "b": {"d": 1, "c": 2}})
        (found,) = store.get_nodes(["a"])
        assert (found.get_content(), found.metadata) == ("new words", {"z": 1, "b": {"d": 1, "c": 2}})


# Modes


def test_default_mode_ranks_by_cosine(store: AgentMemVectorStore) -> None:
    store.add([node("west", "the sun sets", WEST)])
    result = store.query(query([2.0, 0.0]))
    assert result.ids == ["east", "north-east", "north", "west"]
    assert [round(s, 4) for s in result.similarities or ()] == [1.0, 0.7071, 0.0, -1.0]
    assert [n.node_id for n in result.nodes or ()] == result.ids
    assert store.query(query(EAST, 2)).ids == ["east", "north-east"]


@pytest.mark.parametrize("mode", [MODE.SPARSE, MODE.TEXT_SEARCH])
def test_word_modes_rank_by_words_and_need_no_vector(store: AgentMemVectorStore, mode: VectorStoreQueryMode) -> None:
    assert store.query(query(None, query_str="where do bears live?", mode=mode)).ids == ["north"]
    assert store.query(query(WEST, query_str="elephants", mode=mode)).ids == []
    store.add([node(f"{n}", f"bears {n}", EAST) for n in range(9)])
    assert len(store.query(query(None, 2, query_str="bears", mode=mode)).ids or ()) == 2
    assert len(store.query(query(None, 2, query_str="bears", mode=mode, sparse_top_k=5)).ids or ()) == 5


def test_hybrid_mode_weighs_meaning_against_words(store: AgentMemVectorStore) -> None:
    def ids(**options: Any) -> list[str] | None:
        return store.query(query(EAST, 2, query_str="bears live", mode=MODE.HYBRID, **options)).ids

    assert ids(alpha=0.0) == ["north"]  # words alone: the others share none
    assert ids(alpha=1.0) == ["east", "north-east"]
    assert ids(alpha=0.1) == ["north", "east"]
    assert ids(alpha=0.9) == ["east", "north-east"]
    assert set(ids() or ()) <= {"east", "north", "north-east"}
    assert len(ids(hybrid_top_k=1) or ()) == 1
    assert len(ids(hybrid_top_k=3, alpha=0.5) or ()) == 3


def test_a_negative_similarity_counts_as_none_in_a_hybrid_score() -> None:
    with AgentMemVectorStore("memory://") as store:
        store.add([node("opposite", "castle", WEST), node("beside", "wine", [0.1, 1.0]), node("behind", "boat", [-0.5, 1.0])])
        asked: dict[str, Any] = {"query_str": "castle"}
        cosine = dict(zip(*result_of(store.query(query(EAST))), strict=True))
        words = dict(zip(*result_of(store.query(query(None, mode=MODE.TEXT_SEARCH, **asked))), strict=True))
        assert cosine["opposite"] == pytest.approx(-1)
        for alpha in (0.2, 0.8):
            found = dict(zip(*result_of(store.query(query(EAST, mode=MODE.HYBRID, alpha=alpha, **asked))), strict=True))
            assert found == pytest.approx({id: alpha * max(0, cosine[id]) + (1 - alpha) * words.get(id, 0) for id in cosine})


def result_of(result: VectorStoreQueryResult) -> tuple[list[str], list[float]]:
    return list(result.ids or ()), list(result.similarities or ())


def test_a_blank_question_finds_nothing_and_an_empty_one_leaves_it_to_the_embedding(store: AgentMemVectorStore) -> None:
    by_words: list[dict[str, Any]] = [{"mode": MODE.TEXT_SEARCH}, {"mode": MODE.SPARSE}, {"mode": MODE.HYBRID, "alpha": 0.0}]
    by_both: list[dict[str, Any]] = [
        {"mode": MODE.HYBRID}, {"mode": MODE.HYBRID, "alpha": 0.5}, {"mode": MODE.HYBRID, "alpha": 1.0}, {"mode": MODE.SEMANTIC_HYBRID},
        {"mode": MODE.DEFAULT}, {"mode": MODE.MMR, "mmr_threshold": 1.0},
    ]  # fmt: skip
    for options in by_words:
        assert store.query(query(EAST, query_str="", **options)).ids == []
    for options in by_both:  # a picture is looked for without words
        assert store.query(query(EAST, query_str="", **options)) == store.query(query(EAST))
    for options in by_words + by_both:
        assert store.query(query(None, query_str="", **options)).ids == []
        assert store.query(query(EAST, query_str=" \n", **options)).ids == []


def test_alpha_zero_is_the_same_as_text_search(store: AgentMemVectorStore) -> None:
    asked = {"query_str": "the wind or the bears"}
    by_words = store.query(query(EAST, mode=MODE.TEXT_SEARCH, **asked))
    assert store.query(query(EAST, mode=MODE.HYBRID, alpha=0.0, **asked)) == by_words
    assert store.query(query(None, mode=MODE.HYBRID, alpha=0.0, **asked)) == by_words


def test_semantic_hybrid_is_the_memorys_own_ranking(store: AgentMemVectorStore) -> None:
    found = store.query(query(EAST, query_str="bears", mode=MODE.SEMANTIC_HYBRID, alpha=0.0))
    assert found.ids == [h.memory.id for h in store.client.search("bears", vector=EAST)]
    assert len(found.ids or ()) == 3


def test_mmr_mode_prefers_different_nodes() -> None:
    with AgentMemVectorStore("memory://") as store:
        store.add([node(id, id, v) for id, v in {"a": [1.0, 0.1], "b": [1.0, 0.12], "c": [1.0, -0.9], "far": WEST}.items()])

        def ids(field: float | None = None, **kwargs: Any) -> list[str] | None:
            return store.query(query(EAST, 2, mode=MODE.MMR, mmr_threshold=field), **kwargs).ids

        assert ids(mmr_threshold=1.0) == ids(1.0) == ["a", "b"]
        assert ids(mmr_threshold=0.0) == ids(0.0) == ids(1.0, mmr_threshold=0.0) == ["a", "far"]
        assert ids(0.5, mmr_prefetch_k=3) == ids(0.5, mmr_prefetch_factor=1.5) == ["a", "c"]
        assert ids(mmr_prefetch_k=3) == ["a", "c"]  # a half, unless it is said


@pytest.mark.parametrize("mode", [MODE.SVM, MODE.LOGISTIC_REGRESSION, MODE.LINEAR_REGRESSION])
def test_a_mode_that_there_is_not_is_named(store: AgentMemVectorStore, mode: VectorStoreQueryMode) -> None:
    with pytest.raises(InvalidInputError, match=f"{mode.value}.*semantic_hybrid"):
        store.query(query(EAST, mode=mode))


def test_a_query_that_lacks_what_its_mode_needs_is_refused(store: AgentMemVectorStore) -> None:
    for mode in (MODE.DEFAULT, MODE.MMR, MODE.HYBRID, MODE.SEMANTIC_HYBRID):
        with pytest.raises(InvalidInputError, match="query_embedding"):
            store.query(query(None, query_str="bears", mode=mode))
    for mode in (MODE.TEXT_SEARCH, MODE.SPARSE, MODE.HYBRID, MODE.SEMANTIC_HYBRID):
        with pytest.raises(InvalidInputError, match="query_str"):
            store.query(query(EAST, mode=mode))
    for k in (0, 1_001):
        with pytest.raises(InvalidInputError, match="k="):
            store.query(query(EAST, k))
    with pytest.raises(VectorError, match="3 numbers"):
        store.query(query([1.0, 0.0, 0.0]))


# Narrowing


@pytest.mark.parametrize("mode", [MODE.DEFAULT, MODE.HYBRID, MODE.SEMANTIC_HYBRID, MODE.TEXT_SEARCH, MODE.SPARSE, MODE.MMR])
def test_every_mode_is_narrowed_before_it_ranks(store: AgentMemVectorStore, mode: VectorStoreQueryMode) -> None:
    store.add([node(f"{n}", "the sun", EAST, "many", rank="z") for n in range(50)])

    def ids(**options: Any) -> set[str]:
        return set(
            store.query(query(EAST, 3, query_str="the sun rises where bears live and the wind blows", mode=mode, **options)).ids or ()
        )

    assert ids(filters=where("rank", FilterOperator.IN, ["a", "c"])) == {"east", "north"}
    assert ids(node_ids=["north", "north-east", "nobody"]) == {"north", "north-east"}
    assert ids(doc_ids=["winds"]) == {"north-east"}
    assert ids(doc_ids=["compass"], node_ids=["north", "north-east"]) == {"north"}
    assert ids(doc_ids=["compass"], filters=where("weight", FilterOperator.GT, 1.5)) == {"north"}


@pytest.mark.parametrize("mode", [MODE.DEFAULT, MODE.HYBRID, MODE.SEMANTIC_HYBRID, MODE.TEXT_SEARCH, MODE.SPARSE, MODE.MMR])
def test_an_empty_list_of_documents_finds_nothing(store: AgentMemVectorStore, mode: VectorStoreQueryMode) -> None:
    asked = query(EAST, query_str="the sun", mode=mode, doc_ids=[])
    assert store.query(asked).ids == asyncio.run(store.aquery(asked)).ids == []


def test_an_empty_list_of_nodes_is_no_filter_as_retrievers_pass_one(store: AgentMemVectorStore) -> None:
    assert len(store.query(query(EAST, node_ids=[])).ids or ()) == 3
    assert len(store.query(query(EAST, filters=MetadataFilters(filters=[]))).ids or ()) == 3


def test_the_source_document_can_be_filtered_by_every_name_it_has(store: AgentMemVectorStore) -> None:
    for key in ("ref_doc_id", "doc_id", "document_id"):
        assert store.query(query(EAST, filters=where(key, FilterOperator.EQ, "winds"))).ids == ["north-east"]


def test_an_exact_match_filter_is_a_filter(store: AgentMemVectorStore) -> None:
    filters = MetadataFilters(filters=[ExactMatchFilter(key="rank", value="c"), ExactMatchFilter(key="weight", value=2.0)])
    assert store.query(query(EAST, filters=filters)).ids == ["north"]


# Reading and deleting


def test_nodes_are_read_by_id_and_by_filter(store: AgentMemVectorStore) -> None:
    assert [n.node_id for n in store.get_nodes()] == ["east", "north", "north-east"]
    assert [n.node_id for n in store.get_nodes(["north", "nobody"])] == ["north"]
    assert store.get_nodes([]) == []
    assert [n.node_id for n in store.get_nodes(filters=where("weight", FilterOperator.GTE, 2))] == ["north", "north-east"]
    assert [n.node_id for n in store.get_nodes(["east", "north"], where("rank", FilterOperator.NE, "a"))] == ["north"]


def test_all_pages_of_nodes_are_read(monkeypatch: pytest.MonkeyPatch, store: AgentMemVectorStore) -> None:
    monkeypatch.setattr("agentmem_integrations.llamaindex.vector_store.MAX_PAGE", 2)
    assert [n.node_id for n in store.get_nodes()] == ["east", "north", "north-east"]
    store.add([node("4", "four", EAST)])
    assert len(store.get_nodes()) == len(asyncio.run(store.aget_nodes())) == 4


def test_nodes_are_deleted_by_source_by_id_by_filter_or_all(store: AgentMemVectorStore) -> None:
    store.delete("nobody")
    store.delete_nodes([])
    store.delete_nodes(["nobody"])
    store.delete_nodes(["east"], where("rank", FilterOperator.EQ, "b"))
    assert len(store.get_nodes()) == 3
    store.delete("compass")
    assert [n.node_id for n in store.get_nodes()] == ["north-east"]
    store.add(NODES)
    store.delete_nodes(["east"])
    store.delete_nodes(filters=where("weight", FilterOperator.GT, 2.5))
    assert [n.node_id for n in store.get_nodes()] == ["north"]
    assert store.query(query(EAST)).ids == ["north"]
    store.clear()
    assert store.get_nodes() == []
    assert store.query(query(EAST)).ids == []
    assert len(store.add(NODES)) == 3


def test_deleting_nothing_in_particular_is_refused(store: AgentMemVectorStore) -> None:
    for filters in (None, MetadataFilters(filters=[])):
        with pytest.raises(InvalidInputError, match="clear"):
            store.delete_nodes(filters=filters)
    with pytest.raises(InvalidInputError, match="one string"):
        store.delete_nodes("east")  # type: ignore[arg-type]
    assert len(store.get_nodes()) == 3


def test_a_nodes_source_is_its_alone(store: AgentMemVectorStore) -> None:
    store.add([node("loose", "no source", EAST, ref_doc_id="compass")])  # only says so in its metadata
    store.delete("compass")
    assert {n.node_id for n in store.get_nodes()} == {"north-east", "loose"}


def test_purged_nodes_leave_no_byte(path: str) -> None:
    with AgentMemVectorStore(path) as store:
        store.add([node("s", "a secret zyxwvut", EAST, "d1"), node("t", "qwvutzyx", EAST, "d2", note="mnbvcxz"), node("u", "kept", EAST)])
        store.delete("d1", purge=True)
        store.delete_nodes(["t"], purge=True)
    for word in (b"zyxwvut", b"qwvutzyx", b"mnbvcxz"):
        assert all(word not in file.read_bytes() for file in Path(path).parent.iterdir())


# Files, collections, users


def test_nodes_are_on_disk_at_once(path: str) -> None:
    store = AgentMemVectorStore(path)
    store.add(NODES)
    with AgentMemVectorStore(path) as other:
        assert other.query(query(NORTH, 1)).ids == ["north"]
    store.persist("anything")
    store.close()
    with pytest.raises(ClosedError):
        store.get_nodes()


def test_two_stores_may_open_one_empty_collection(path: str) -> None:
    with AgentMemVectorStore(path) as one, AgentMemVectorStore(path) as two:
        assert two.query(query(EAST)).ids == []
        one.add(NODES[:1])
        assert two.query(query(EAST)).ids == ["east"]
        two.add(NODES[1:])
        assert len(one.get_nodes()) == 3


def test_collections_of_one_file_are_apart_and_may_differ_in_dimension(path: str) -> None:
    with AgentMemory(path) as mem:
        one, two = AgentMemVectorStore(mem, collection="one"), AgentMemVectorStore(mem, collection="two")
        one.add([node("x", "one", EAST)])
        two.add([node("x", "two", [1.0, 2.0, 3.0])])
        two.clear()
        assert [n.get_content() for n in one.get_nodes()] == ["one"]
        one.close()  # the memory is not its own
        mem.add("still open", user_id="ana")
        with pytest.raises(ConflictError, match="twins"):
            AgentMemVectorStore(mem, collection="default")


def test_two_users_of_one_collection_never_meet(path: str) -> None:
    with AgentMemory(path) as mem:
        ana, ben, nobody = (AgentMemVectorStore(mem, user_id=user) for user in ("ana", "ben", None))
        ana.add([node("x", "Ana's", EAST, "d")])
        ben.add([node("x", "Ben's", EAST, "d")])
        assert [n.get_content() for n in ana.query(query(EAST)).nodes or ()] == ["Ana's"]
        assert nobody.query(query(EAST)).ids == []
        ben.delete("d")
        ben.clear()
        nobody.clear()
        assert [n.get_content() for n in ana.get_nodes(["x"])] == ["Ana's"]


def test_another_dimension_is_refused(path: str) -> None:
    with AgentMemVectorStore(path) as store:
        store.add(NODES)
    with AgentMemVectorStore(path) as again, pytest.raises(VectorError, match="2"):
        again.add([node("x", "x", [1.0, 2.0, 3.0])])


# Filters


@pytest.mark.parametrize(
    ("operator", "value"),
    [
        (FilterOperator.GT, None), (FilterOperator.LTE, ["a"]), (FilterOperator.IN, "a"), (FilterOperator.NIN, 1),
        (FilterOperator.ANY, "a"), (FilterOperator.ALL, None), (FilterOperator.TEXT_MATCH, 1), (FilterOperator.TEXT_MATCH_INSENSITIVE, 1.0),
    ],
)  # fmt: skip
def test_a_value_that_an_operator_cannot_be_asked_about_is_refused(
    store: AgentMemVectorStore, operator: FilterOperator, value: Any
) -> None:
    for call in (
        lambda f: store.query(query(EAST, filters=f)),
        lambda f: store.get_nodes(filters=f),
        lambda f: store.delete_nodes(filters=f),
    ):
        with pytest.raises(FilterError, match="weight"):
            call(where("weight", operator, value))
    assert len(store.get_nodes()) == 3


@pytest.mark.parametrize(
    "nasty", ["' OR '1'='1", '") OR ("1"="1', "1; DROP TABLE memories; --", "$.weight", "weight' --", "%", "_", "\\", "$or", ""]
)
def test_keys_and_values_are_never_sql(store: AgentMemVectorStore, nasty: str) -> None:
    for operator in (FilterOperator.EQ, FilterOperator.CONTAINS, FilterOperator.TEXT_MATCH, FilterOperator.TEXT_MATCH_INSENSITIVE):
        assert store.get_nodes(filters=where(nasty, operator, "a")) == []
        if nasty:
            assert store.get_nodes(filters=where("rank", operator, nasty)) == []
    assert store.get_nodes(filters=where("rank", FilterOperator.IN, [nasty])) == []
    store.delete(nasty or "nothing")
    store.add([node("nasty", nasty, EAST, **{nasty: nasty})])
    assert [n.node_id for n in store.get_nodes(filters=where(nasty, FilterOperator.EQ, nasty))] == ["nasty"]
    assert len(store.get_nodes()) == 4


# The async face


async def test_every_method_has_an_async_twin_that_does_the_same(path: str) -> None:
    with AgentMemVectorStore(path) as store:
        assert (await store.aquery(query(EAST))).ids == []
        assert await store.async_add(NODES) == ["east", "north", "north-east"]
        for options in (
            {},
            {"mode": MODE.MMR},
            {"mode": MODE.HYBRID, "query_str": "bears", "alpha": 0.2},
            {"mode": MODE.SPARSE, "query_str": "sun"},
        ):
            assert await store.aquery(query(EAST, **options)) == store.query(query(EAST, **options))
        chosen = where("rank", FilterOperator.EQ, "c")
        assert await store.aget_nodes(["north", "east"], chosen) == store.get_nodes(["north"])
        await store.adelete_nodes(filters=chosen)
        await store.adelete("winds")
        assert [n.node_id for n in await store.aget_nodes()] == ["east"]
        await store.aclear()
        assert await store.aget_nodes() == []
        await store.aclose()


def test_twins_have_the_same_signatures() -> None:
    pairs = {"add": "async_add", **{name: f"a{name}" for name in ("query", "get_nodes", "delete", "delete_nodes", "clear", "close")}}
    for verb, twin in pairs.items():
        mine = getattr(AgentMemVectorStore, twin)
        assert mine.__module__.startswith("agentmem_integrations."), "the default would block the event loop"
        assert inspect.iscoroutinefunction(mine)
        assert inspect.signature(mine).parameters == inspect.signature(getattr(AgentMemVectorStore, verb)).parameters


def around(n: int) -> list[float]:
    return [math.cos(n / 10), math.sin(n / 10)]


async def test_many_tasks_add_and_query_at_once(path: str) -> None:
    with AgentMemVectorStore(path) as store:
        await asyncio.gather(*(store.async_add([node(f"{n}", f"node {n}", around(n))]) for n in range(60)))
        found = await asyncio.gather(*(store.aquery(query(around(n), 1)) for n in range(60)))
        assert [result.ids for result in found] == [[f"{n}"] for n in range(60)]


def test_another_models_vectors_are_refused(path: str) -> None:
    with AgentMemory(path) as mem:
        mem.collection("docs", embedder=GivenVectors(2, "model a"), twins="keep")
        with pytest.raises(EmbedderMismatchError, match="model a"):
            mem.collection("docs", embedder=GivenVectors(2, "model b"))
        AgentMemVectorStore(mem).add(NODES)  # whoever does not say is believed
