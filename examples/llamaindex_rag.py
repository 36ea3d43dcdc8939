"""Retrieval-augmented generation with LlamaIndex: an index whose nodes lie in one file. Runs offline.

pip install "agentmem-integrations[llamaindex]"
"""

from typing import Any

from llama_index.core import Document, StorageContext, VectorStoreIndex
from llama_index.core.llms import CompletionResponse, CompletionResponseGen, CustomLLM, LLMMetadata
from llama_index.core.vector_stores import FilterOperator, MetadataFilter, MetadataFilters

from agentmem_integrations.llamaindex import AgentMemVectorStore, StaticEmbedding

PAGES = [
    Document(id_="trams", text="Trams of line 28 leave Martim Moniz every eleven minutes.", metadata={"year": 2026, "tags": ["rail"]}),
    Document(
        id_="tickets", text="Error code E-417 means that the ticket machine has no coins.", metadata={"year": 2026, "tags": ["money"]}
    ),
    Document(id_="ferry", text="The ferry to Cacilhas takes ten minutes.", metadata={"year": 2024, "tags": ["water", "night"]}),
]


class QuotingLLM(CustomLLM):
    """Stands for a language model: it quotes the first line of what it was given to go by."""

    @property
    def metadata(self) -> LLMMetadata:
        return LLMMetadata(model_name="quoting")

    def complete(self, prompt: str, formatted: bool = False, **kwargs: Any) -> CompletionResponse:
        notes = prompt.split("---------------------")[1].strip().splitlines()
        return CompletionResponse(text=next(line for line in notes if line.endswith(".")))

    def stream_complete(self, prompt: str, formatted: bool = False, **kwargs: Any) -> CompletionResponseGen:
        yield self.complete(prompt)


def ask(index: VectorStoreIndex, question: str, **options: Any) -> str:
    engine = index.as_query_engine(llm=QuotingLLM(), similarity_top_k=2, vector_store_query_mode="hybrid", **options)
    answer = engine.query(question)
    return f"{answer} [{answer.source_nodes[0].node.ref_doc_id}]"


def main() -> None:
    embedding = StaticEmbedding()  # or any other of LlamaIndex
    with AgentMemVectorStore("city.db", collection="city") as store:
        store.clear()  # so that the example can be run again
        context = StorageContext.from_defaults(vector_store=store)
        index = VectorStoreIndex.from_documents(PAGES, storage_context=context, embed_model=embedding)
        print(ask(index, "How often does the tram leave?"))
        print(ask(index, "What is E-417?", alpha=0.3))  # a word that no embedding knows: let words weigh more
        at_night = MetadataFilters(filters=[MetadataFilter(key="tags", operator=FilterOperator.CONTAINS, value="night")])
        print(ask(index, "How do I get across?", filters=at_night))
        index.update_ref_doc(Document(id_="trams", text="Trams of line 28 leave every nine minutes."))

    with AgentMemVectorStore("city.db", collection="city") as store:  # it was on disk all the time
        again = VectorStoreIndex.from_vector_store(store, embed_model=embedding)
        print(len(store.get_nodes()), "nodes;", ask(again, "How often does the tram leave?"))


if __name__ == "__main__":
    main()
