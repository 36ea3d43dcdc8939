"""The retriever: LangChain's own suite, and what its documents say."""

import asyncio
import re
from collections.abc import Callable
from typing import Any

import pytest
from langchain_core.documents import Document
from langchain_core.runnables import ConfigurableField, RunnablePassthrough
from langchain_tests.integration_tests import RetrieversIntegrationTests
from pydantic import ValidationError

import agentmem_integrations.langchain as adapters
from agentmem_integrations import SHARED, AgentMemory, ScopeError
from agentmem_integrations.langchain import AgentMemRetriever

Opened = Callable[..., AgentMemory]


class TestRetriever(RetrieversIntegrationTests):
    @pytest.fixture(autouse=True)
    def filled(self, opened: Opened) -> None:
        self.memory = opened("memory://", embedder="static")
        self.memory.add_batch([f"Ana likes tea number {number}" for number in range(9)], user_id="ana")

    @property
    def retriever_constructor(self) -> type[AgentMemRetriever]:
        return AgentMemRetriever

    @property
    def retriever_constructor_params(self) -> dict[str, Any]:
        return {"memory": self.memory, "user_id": "ana"}

    @property
    def retriever_query_example(self) -> str:
        return "Which tea does Ana like?"


@pytest.fixture
def mem(opened: Opened) -> AgentMemory:
    return opened("memory://", embedder="static")


def test_a_document_tells_what_is_known_of_the_memory(mem: AgentMemory) -> None:
    mem.add(
        {"role": "user", "name": "Ana", "content": "I moved to Lisbon", "timestamp": "2026-05-02", "metadata": {"name": "move"}},
        user_id="ana",
        session_id="s1",
        id="m1",
    )
    (document,) = AgentMemRetriever(memory=mem, user_id="ana").invoke("Where does she live?")
    assert isinstance(document, Document)
    assert (document.id, document.page_content) == ("m1", "I moved to Lisbon")
    score = document.metadata.pop("score")
    assert 0 < score <= 1
    assert document.metadata == {
        "name": "move",
        "memory": {"kind": "episode", "role": "user", "name": "Ana", "session_id": "s1", "occurred_at": "2026-05-02T00:00:00+00:00"},
    }


def test_documents_come_best_first(mem: AgentMemory) -> None:
    mem.add_batch(["Ana likes jazz", "Ana likes green tea", "Ana was born in May"], user_id="ana")
    documents = AgentMemRetriever(memory=mem, user_id="ana").invoke("Which green tea does Ana like?")
    assert documents[0].page_content == "Ana likes green tea"
    scores = [document.metadata["score"] for document in documents]
    assert scores == sorted(scores, reverse=True)


def test_what_it_is_asked_with_wins_over_what_it_was_made_with(mem: AgentMemory) -> None:
    mem.add("Ana likes tea", user_id="ana", metadata={"topic": "drinks"})
    mem.add("Ana likes jazz", user_id="ana", metadata={"topic": "music"}, kind="semantic")
    retriever = AgentMemRetriever(memory=mem, user_id="ana", filter={"topic": "drinks"})
    assert [d.page_content for d in retriever.invoke("likes")] == ["Ana likes tea"]
    assert [d.page_content for d in retriever.invoke("likes", filter={"topic": "music"})] == ["Ana likes jazz"]
    assert [d.page_content for d in retriever.invoke("likes", filter=None, kind="semantic")] == ["Ana likes jazz"]
    assert retriever.invoke("xyzzy", using="text") == []
    assert retriever.invoke("likes", min_score=1.0) == []


def test_no_user_finds_anothers(mem: AgentMemory) -> None:
    mem.add("Ben likes tea", user_id="ben")
    assert AgentMemRetriever(memory=mem, user_id="ana").invoke("tea") == []
    with pytest.raises(ScopeError):
        AgentMemRetriever(memory=mem).invoke("tea")


def test_the_user_may_be_configured_for_each_run(mem: AgentMemory) -> None:
    mem.add("Ana likes tea", user_id="ana")
    mem.add("Ben likes tea", user_id="ben")
    retriever = AgentMemRetriever(memory=mem).configurable_fields(user_id=ConfigurableField(id="user_id"))
    for user in ("ana", "ben"):
        (document,) = retriever.invoke("tea", {"configurable": {"user_id": user}})
        assert document.page_content == f"{user.title()} likes tea"


def test_a_view_of_one_user_and_a_collection_of_documents_need_no_user(mem: AgentMemory) -> None:
    mem.add("Ana likes tea", user_id="ana")
    docs = mem.collection("docs", twins="keep")
    docs.add("Tea is made of leaves")
    assert [d.page_content for d in AgentMemRetriever(memory=mem.for_user("ana")).invoke("tea")] == ["Ana likes tea"]
    assert [d.page_content for d in AgentMemRetriever(memory=docs).invoke("tea")] == ["Tea is made of leaves"]


def test_it_works_in_a_chain(mem: AgentMemory) -> None:
    mem.add("Ana likes tea", user_id="ana")
    chain = {"context": AgentMemRetriever(memory=mem, user_id="ana"), "question": RunnablePassthrough()} | RunnablePassthrough()
    answer = chain.invoke("What does Ana like?")
    assert answer["context"][0].page_content == "Ana likes tea"


async def test_async_does_not_hold_up_the_event_loop(mem: AgentMemory, monkeypatch: pytest.MonkeyPatch) -> None:
    mem.add("Ana likes tea", user_id="ana")
    monkeypatch.setattr(mem, "search", None)  # nothing sync may be called
    retriever = AgentMemRetriever(memory=mem, user_id="ana")
    found = await asyncio.gather(*(retriever.ainvoke("tea", k=1) for _ in range(20)))
    assert {documents[0].page_content for documents in found} == {"Ana likes tea"}


def test_a_path_will_do(path: str) -> None:
    with AgentMemory(path) as mem:
        mem.add("Ana likes tea", user_id="ana")
    assert AgentMemRetriever(memory=path, user_id="ana").invoke("tea")[0].page_content == "Ana likes tea"


def test_metadata_of_the_callers_are_never_overwritten(mem: AgentMemory) -> None:
    mem.add("Ana likes tea", user_id="ana", metadata={"score": 5, "memory": "mine", "x": 1})
    mem.add("Ana likes jazz", user_id="ana", metadata={"score": 6})
    found = {document.page_content: document.metadata for document in AgentMemRetriever(memory=mem, user_id="ana").invoke("Ana likes")}
    tea, jazz = found["Ana likes tea"], found["Ana likes jazz"]
    assert (tea["score"], tea["memory"], tea["x"]) == (5, "mine", 1)
    assert set(tea) == {"score", "memory", "x", "agentmem_score", "agentmem_memory"}
    assert (jazz["score"], set(jazz)) == (6, {"score", "memory", "agentmem_score"})
    assert 0 < tea["agentmem_score"] <= 1
    assert tea["agentmem_memory"]["kind"] == jazz["memory"]["kind"] == "episode"


@pytest.mark.parametrize("question", ["", " \n"])
async def test_a_blank_question_finds_nothing(mem: AgentMemory, question: str) -> None:
    mem.add("Ana likes tea", user_id="ana")
    retriever = AgentMemRetriever(memory=mem, user_id="ana")
    assert retriever.invoke(question) == await retriever.ainvoke(question) == []


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"top_k": 3}, "top_k"), ({"k": 0}, "k=0"), ({"k": 1_001}, "k="), ({"min_score": 2}, "min_score"),
        ({"kind": "nonsense"}, "nonsense"),
        ({"filter": {"a": {"$near": 1}}}, "near"), ({"user_id": 5}, "user_id=5"), ({"agent_id": ""}, "agent_id"),
        ({"session_id": "\0"}, "session_id"), ({"using": "magic"}, "using"),
    ],
)  # fmt: skip
def test_what_makes_no_sense_is_refused_when_it_is_made(mem: AgentMemory, options: dict[str, Any], told: str) -> None:
    with pytest.raises(ValidationError, match=re.escape(told)):
        AgentMemRetriever(memory=mem, **{"user_id": "ana", **options})


async def test_an_unknown_argument_of_an_invocation_is_named(mem: AgentMemory) -> None:
    retriever = AgentMemRetriever(memory=mem, user_id=SHARED)
    with pytest.raises(TypeError, match=r"^the retriever was asked with 'top_k': it takes after, .*, k, .*, vector$"):
        retriever.invoke("tea", top_k=3)
    with pytest.raises(TypeError, match="'top_k'"):
        await retriever.ainvoke("tea", top_k=3)


def test_something_else_than_a_memory_is_refused() -> None:
    with pytest.raises(ValidationError, match="neither an open AgentMemory nor a path"):
        AgentMemRetriever(memory=42)


@pytest.mark.parametrize("name", ["AgentMemRetriever", "AgentMemChatMessageHistory", "langchain_llm", "langchain_embedder"])
def test_what_needs_no_agents_does_not_bring_them_in(run_python: Callable[..., str], name: str) -> None:
    program = f"""
import sys
from agentmem_integrations.langchain import {name}
loaded = {{module.partition(".")[0] for module in sys.modules}}
print(sorted(loaded & {{"langchain", "langchain_core", "langgraph", "llama_index", "openai"}}))
"""
    assert run_python(program).strip() == "['langchain_core']"


@pytest.mark.parametrize(("name", "package"), [("AgentMemRetriever", "langchain_core"), ("MemoryMiddleware", "langchain")])
def test_without_langchain_the_extra_is_named(run_python: Callable[..., str], name: str, package: str) -> None:
    program = f"""
import sys
sys.modules["{package}"] = None
from agentmem_integrations import MissingExtraError
try:
    from agentmem_integrations.langchain import {name}
except MissingExtraError as error:
    print(error)
"""
    assert 'pip install "agentmem-integrations[langchain]"' in run_python(program)


def test_every_name_can_be_imported_and_is_documented() -> None:
    for name in adapters.__all__:
        assert getattr(adapters, name).__doc__
    assert set(adapters.__all__) <= set(dir(adapters))
    assert sorted(name for names in adapters._HOMES.values() for name in names) == sorted(adapters.__all__)
    with pytest.raises(AttributeError, match="nonsense"):
        adapters.nonsense  # noqa: B018 - looked up
