"""Retrieval-augmented generation with LangChain: documents in one file, found by meaning and by words. Runs offline.

pip install "agentmem-integrations[langchain]"
"""

from typing import Any

from langchain_core.documents import Document
from langchain_core.indexing import InMemoryRecordManager, index
from langchain_core.messages import AIMessage
from langchain_core.output_parsers import StrOutputParser
from langchain_core.prompt_values import PromptValue
from langchain_core.prompts import ChatPromptTemplate
from langchain_core.runnables import RunnableLambda, RunnablePassthrough

from agentmem_integrations.langchain import AgentMemVectorStore

PAGES = [
    Document(page_content="Trams of line 28 leave Martim Moniz every eleven minutes.", metadata={"source": "trams.md", "year": 2026}),
    Document(page_content="A ticket bought on board costs 3.20 euros; error code E-417 means that the machine has no coins.",
             metadata={"source": "tickets.md", "year": 2026}),
    Document(page_content="The ferry to Cacilhas takes ten minutes and runs until two.", metadata={"source": "ferry.md", "year": 2024}),
]  # fmt: skip
PROMPT = ChatPromptTemplate.from_messages([("system", "Answer from these notes only:\n{notes}"), ("human", "{question}")])


def quoting_model(prompt: PromptValue) -> AIMessage:
    """Stands for a chat model, such as ChatOpenAI(...): it quotes the first note."""
    return AIMessage(prompt.to_messages()[0].text.splitlines()[1])


def as_notes(documents: list[Document]) -> str:
    return "\n".join(f"{document.page_content} [{document.metadata['source']}]" for document in documents)


def chain(store: AgentMemVectorStore, **search_kwargs: Any) -> Any:
    retriever = store.as_retriever(search_type="hybrid", search_kwargs={"k": 2, **search_kwargs})
    notes = {"notes": retriever | as_notes, "question": RunnablePassthrough()}
    return notes | PROMPT | RunnableLambda(quoting_model) | StrOutputParser()


def main() -> None:
    records = InMemoryRecordManager("city")  # in a program that is run again: SQLRecordManager
    records.create_schema()
    with AgentMemVectorStore("city.db", collection="city") as store:  # embedding=... takes any LangChain embeddings
        store.delete()  # so that the example can be run again
        done = index(PAGES, records, store, cleanup="incremental", source_id_key="source", key_encoder="blake2b")
        print("stored", done["num_added"], "pages")
        print(chain(store).invoke("How often does the tram leave?"))
        print(chain(store).invoke("What is E-417?"))  # a word that no embedding knows
        print(chain(store, filter={"year": {"$lt": 2025}}).invoke("How do I get across?"))

        changed = [Document(page_content="Trams of line 28 leave every nine minutes.", metadata={"source": "trams.md", "year": 2027})]
        done = index(changed, records, store, cleanup="incremental", source_id_key="source", key_encoder="blake2b")
        print("added", done["num_added"], "deleted", done["num_deleted"])
        print(chain(store).invoke("How often does the tram leave?"))


if __name__ == "__main__":
    main()
