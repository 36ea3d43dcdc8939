"""The vector store inside LlamaIndex: an index over it, retrievers, an ingestion pipeline, an embedding model of its own."""

import math
from collections.abc import Iterator
from typing import Any

import pytest
from llama_index.core import StorageContext, VectorStoreIndex
from llama_index.core.embeddings import BaseEmbedding
from llama_index.core.ingestion import DocstoreStrategy, IngestionPipeline
from llama_index.core.node_parser import SentenceSplitter
from llama_index.core.schema import Document, NodeRelationship, TextNode
from llama_index.core.storage.docstore import SimpleDocumentStore
from llama_index.core.vector_stores.types import ExactMatchFilter, MetadataFilters, VectorStoreQuery

from agentmem_integrations import AgentMemory, EmbedderMismatchError
from agentmem_integrations.llamaindex import AgentMemVectorStore, llamaindex_embedder

WORDS = "tea coffee milk hill river tram sea opera".split()


class WordEmbedding(BaseEmbedding):
    """One dimension for each of a few words."""

    model_name: str = "words"

    def _get_text_embedding(self, text: str) -> list[float]:
        counts = [float(text.lower().count(word)) for word in WORDS] + [0.1]
        length = math.hypot(*counts)
        return [count / length for count in counts]

    def _get_query_embedding(self, query: str) -> list[float]:
        return self._get_text_embedding(query)

    async def _aget_query_embedding(self, query: str) -> list[float]:
        return self._get_text_embedding(query)


DOCUMENTS = [
    Document(id_="lisbon", text="Lisbon has a hill and a tram and a river", metadata={"country": "PT"}),
    Document(id_="oslo", text="Oslo has the sea and an opera", metadata={"country": "NO"}),
    Document(id_="kitchen", text="The kitchen has tea and milk", metadata={"country": "PT"}),
]


@pytest.fixture
def store(path: str) -> Iterator[AgentMemVectorStore]:
    with AgentMemVectorStore(path) as store:
        yield store


@pytest.fixture
def index(store: AgentMemVectorStore) -> VectorStoreIndex:
    context = StorageContext.from_defaults(vector_store=store)
    return VectorStoreIndex.from_documents(
        DOCUMENTS, storage_context=context, embed_model=WordEmbedding(), transformations=[SentenceSplitter()]
    )


def sources(found: list[Any]) -> list[str]:
    return [hit.node.ref_doc_id for hit in found]


def test_an_index_finds_what_was_put_in(index: VectorStoreIndex) -> None:
    (hit,) = index.as_retriever(similarity_top_k=1).retrieve("where is an opera by the sea?")
    assert hit.node.get_content() == DOCUMENTS[1].text
    assert hit.node.metadata == {"country": "NO"}
    assert hit.node.ref_doc_id == "oslo"
    assert hit.score is not None
    assert 0.9 < hit.score <= 1


async def test_an_index_finds_it_when_awaited(index: VectorStoreIndex) -> None:
    assert sources(await index.as_retriever(similarity_top_k=1).aretrieve("tea with milk")) == ["kitchen"]


@pytest.mark.parametrize("mode", ["default", "sparse", "text_search", "hybrid", "semantic_hybrid", "mmr"])
def test_a_retriever_works_in_every_mode(index: VectorStoreIndex, mode: str) -> None:
    retriever = index.as_retriever(similarity_top_k=1, vector_store_query_mode=mode, alpha=0.5)
    assert sources(retriever.retrieve("a tram up the hill")) == ["lisbon"]


def test_a_retriever_takes_filters_and_document_ids(index: VectorStoreIndex) -> None:
    filters = MetadataFilters(filters=[ExactMatchFilter(key="country", value="PT")])
    assert set(sources(index.as_retriever(similarity_top_k=5, filters=filters).retrieve("opera"))) == {"lisbon", "kitchen"}
    assert sources(index.as_retriever(similarity_top_k=5, doc_ids=["lisbon"]).retrieve("opera")) == ["lisbon"]


def test_an_empty_list_of_documents_is_not_all_of_them(index: VectorStoreIndex) -> None:
    assert index.as_retriever(similarity_top_k=5)._node_ids == []  # what "no nodes in particular" looks like
    assert sources(index.as_retriever(similarity_top_k=5, doc_ids=[]).retrieve("opera")) == []


@pytest.mark.parametrize("mode", ["sparse", "text_search", "hybrid", "semantic_hybrid", "default", "mmr"])
def test_a_blank_question_finds_nothing_in_any_mode(index: VectorStoreIndex, mode: str) -> None:
    for blank in ("", " ", "\n\t"):
        for alpha in (None, 0.0, 0.5, 1.0):
            assert index.as_retriever(vector_store_query_mode=mode, alpha=alpha).retrieve(blank) == []


def test_an_index_is_opened_again_from_the_file_alone(path: str, index: VectorStoreIndex) -> None:
    with AgentMemVectorStore(path) as store:
        again = VectorStoreIndex.from_vector_store(store, embed_model=WordEmbedding())
        assert sources(again.as_retriever(similarity_top_k=1).retrieve("coffee or tea")) == ["kitchen"]


def test_a_document_is_updated_and_deleted_with_all_its_nodes(store: AgentMemVectorStore, index: VectorStoreIndex) -> None:
    index.insert(Document(id_="long", text=". ".join(f"Sentence {n} about coffee" for n in range(400))))
    assert len([n for n in store.get_nodes() if n.ref_doc_id == "long"]) > 2
    index.update_ref_doc(Document(id_="oslo", text="Oslo has coffee and a tram"))
    assert sources(index.as_retriever(similarity_top_k=3).retrieve("opera by the sea")).count("oslo") <= 1
    index.delete_ref_doc("long")
    assert {n.ref_doc_id for n in store.get_nodes()} == {"lisbon", "oslo", "kitchen"}
    index.delete_nodes([n.node_id for n in store.get_nodes() if n.ref_doc_id == "oslo"])
    assert {n.ref_doc_id for n in store.get_nodes()} == {"lisbon", "kitchen"}


async def test_a_document_is_inserted_and_deleted_while_awaiting(store: AgentMemVectorStore, index: VectorStoreIndex) -> None:
    await index.ainsert(Document(id_="new", text="Coffee"))
    assert sources(await index.as_retriever(similarity_top_k=1).aretrieve("coffee")) == ["new"]
    await index.adelete_ref_doc("new")
    assert {n.ref_doc_id for n in store.get_nodes()} == {"lisbon", "oslo", "kitchen"}


def test_chunks_keep_their_relationships(store: AgentMemVectorStore, index: VectorStoreIndex) -> None:
    text = ". ".join(f"Sentence {n} about a river" for n in range(300))
    context = StorageContext.from_defaults(vector_store=store)
    parser = SentenceSplitter(chunk_size=128, chunk_overlap=0)
    VectorStoreIndex.from_documents(
        [Document(id_="r", text=text)], storage_context=context, embed_model=WordEmbedding(), transformations=[parser]
    )
    chunks = {n.node_id: n for n in store.get_nodes() if n.ref_doc_id == "r"}
    first = next(n for n in chunks.values() if NodeRelationship.PREVIOUS not in n.relationships)
    walked, at = [first], first
    while at.next_node is not None:
        at = chunks[at.next_node.node_id]
        walked.append(at)
    assert len(walked) == len(chunks) > 5
    assert walked[1].prev_node is not None
    assert walked[1].prev_node.node_id == first.node_id


def test_a_pipeline_writes_what_changed_and_deletes_what_is_gone(store: AgentMemVectorStore) -> None:
    pipeline = IngestionPipeline(
        transformations=[SentenceSplitter(), WordEmbedding()], vector_store=store, docstore=SimpleDocumentStore(),
        docstore_strategy=DocstoreStrategy.UPSERTS_AND_DELETE,
    )  # fmt: skip
    assert len(pipeline.run(documents=DOCUMENTS)) == 3
    assert pipeline.run(documents=DOCUMENTS) == []
    changed = [DOCUMENTS[0], Document(id_="oslo", text="Oslo has coffee")]
    assert [n.ref_doc_id for n in pipeline.run(documents=changed)] == ["oslo"]
    assert {n.ref_doc_id: n.get_content() for n in store.get_nodes()} == {"lisbon": DOCUMENTS[0].text, "oslo": "Oslo has coffee"}


async def test_a_pipeline_may_be_awaited(store: AgentMemVectorStore) -> None:
    pipeline = IngestionPipeline(transformations=[SentenceSplitter(), WordEmbedding()], vector_store=store)
    await pipeline.arun(documents=DOCUMENTS)
    assert len(store.get_nodes()) == 3


def test_a_store_with_an_embedding_model_embeds_what_comes_without(path: str) -> None:
    with AgentMemVectorStore(path, embed_model=WordEmbedding()) as store:
        store.add([TextNode(id_="t", text="tea"), TextNode(id_="s", text="sea", embedding=WordEmbedding().get_text_embedding("sea"))])
        assert store.query(VectorStoreQuery(query_str="a cup of tea", similarity_top_k=1)).ids == ["t"]
        assert store.query(VectorStoreQuery(query_embedding=WordEmbedding().get_query_embedding("sea"), similarity_top_k=1)).ids == ["s"]


def test_the_store_embeds_what_an_index_embeds(path: str) -> None:
    def titled() -> list[TextNode]:
        nodes = [TextNode(id_=word, text="see the table", metadata={"title": word, "unseen": "opera"}) for word in WORDS]
        for node in nodes:
            node.excluded_embed_metadata_keys = ["unseen"]
        return nodes

    with AgentMemory(path) as mem:
        ours = AgentMemVectorStore(mem, collection="ours", embed_model=WordEmbedding())
        ours.add(titled())
        theirs = AgentMemVectorStore(mem, collection="theirs")
        VectorStoreIndex(titled(), storage_context=StorageContext.from_defaults(vector_store=theirs), embed_model=WordEmbedding())
        for collection in (ours, theirs):
            for word, vector in collection.client.vectors(WORDS).items():
                assert vector.tolist() == pytest.approx(WordEmbedding().get_text_embedding(f"title: {word}"), abs=1e-6)
        for store in (ours, theirs):
            retriever = VectorStoreIndex.from_vector_store(store, embed_model=WordEmbedding()).as_retriever(similarity_top_k=1)
            assert [hit.node.node_id for hit in retriever.retrieve("milk")] == ["milk"]


def test_the_embedding_model_is_recorded_by_its_name(path: str) -> None:
    with AgentMemVectorStore(path, embed_model=WordEmbedding()) as store:
        store.add([TextNode(id_="t", text="tea")])
    with pytest.raises(EmbedderMismatchError, match="WordEmbedding:words"):
        AgentMemVectorStore(path, embed_model=WordEmbedding(model_name="other words"))
    with AgentMemVectorStore(path) as believed:  # whoever does not say which model is believed
        assert believed.query(VectorStoreQuery(query_embedding=[1.0] * 9, similarity_top_k=1)).ids == ["t"]


def test_an_embedding_model_of_llama_index_is_an_embedder_of_a_memory(path: str) -> None:
    with AgentMemory(path, embedder=llamaindex_embedder(WordEmbedding())) as mem:
        mem.add_batch(["green tea", "the sea"], user_id="ana")
        assert [h.memory.text for h in mem.search("tea", user_id="ana", using="vector", k=1)] == ["green tea"]
        assert mem.identity is not None
        assert mem.identity.name.endswith("WordEmbedding:words")
        assert mem.identity.dim == 9
