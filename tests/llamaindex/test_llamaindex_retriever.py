"""Memories as nodes."""

import asyncio
from collections.abc import Callable

import pytest
from llama_index.core.llms.mock import MockLLM
from llama_index.core.query_engine import RetrieverQueryEngine
from llama_index.core.retrievers import BaseRetriever
from llama_index.core.schema import MetadataMode, QueryBundle
from llama_index.core.tools import RetrieverTool

from agentmem_integrations import SHARED, AgentMemory, EmbeddingError, InvalidInputError, ScopeError
from agentmem_integrations.llamaindex import AgentMemRetriever
from agentmem_integrations.testing.embedders import FailingEmbedder

Open = Callable[..., AgentMemory]


@pytest.fixture
def filled(mem: AgentMemory) -> AgentMemory:
    item = {"id": "m1", "content": "I moved to Lisbon", "role": "user", "name": "Ana", "timestamp": "2026-05-02"}
    mem.add({**item, "metadata": {"city": "Lisbon", "kind": "mine"}}, user_id="ana", session_id="s1", agent_id="cook")
    mem.add(["I like fado", "I like tea", "I like coffee", "I like Porto", "I like Lisbon trams"], user_id="ana", session_id="s2")
    mem.add("I moved to Lisbon as well", user_id="ben")
    mem.add("Lisbon is a city", user_id=SHARED)
    return mem


def test_it_is_a_retriever() -> None:
    assert issubclass(AgentMemRetriever, BaseRetriever)
    assert not getattr(AgentMemRetriever, "__abstractmethods__", None)


def test_a_node_is_a_memory(filled: AgentMemory) -> None:
    best = AgentMemRetriever(memory=filled, user_id="ana").retrieve("moved to Lisbon")[0]
    (hit,) = filled.search("moved to Lisbon", user_id="ana", k=1)
    assert (best.node.node_id, best.node.get_content(), best.score) == ("m1", "I moved to Lisbon", hit.score)
    assert best.node.metadata == {
        "city": "Lisbon", "kind": "mine", "occurred_at": "2026-05-02T00:00:00+00:00", "role": "user", "name": "Ana",
        "agent_id": "cook", "session_id": "s1",
    }  # fmt: skip
    told = best.node.get_content(MetadataMode.LLM)
    assert "name: Ana" in told
    assert "session_id" not in told
    assert best.node.get_content(MetadataMode.EMBED) == "city: Lisbon\nkind: mine\n\nI moved to Lisbon"


def test_k_and_what_narrows(filled: AgentMemory) -> None:
    def found(query: str, **options: object) -> list[str]:
        return [n.get_content() for n in AgentMemRetriever(filled, **{"user_id": "ana", **options}).retrieve(query)]  # type: ignore[arg-type]  # options

    assert len(found("I like")) == 4
    assert len(found("I like", k=2)) == 2
    assert found("Lisbon", filter={"city": "Lisbon"}) == ["I moved to Lisbon"]
    assert found("Lisbon", session_id="s1") == found("Lisbon", agent_id="cook") == ["I moved to Lisbon"]
    assert found("Lisbon", kind="semantic") == []
    assert set(found("Lisbon", using="text")) == {"I moved to Lisbon", "I like Lisbon trams"}
    assert found("Lisbon", user_id="ben") == ["I moved to Lisbon as well"]
    assert found("Lisbon", user_id=SHARED) == ["Lisbon is a city"]
    assert all(n.score is not None and n.score >= 0.9 for n in AgentMemRetriever(filled, user_id="ana", min_score=0.9).retrieve("Lisbon"))


async def test_the_async_face_finds_the_same(filled: AgentMemory) -> None:
    retriever = AgentMemRetriever(filled, user_id="ana")
    expected = retriever.retrieve("Lisbon")
    assert await retriever.aretrieve(QueryBundle("Lisbon")) == expected
    assert all(nodes == expected for nodes in await asyncio.gather(*(retriever.aretrieve("Lisbon") for _ in range(20))))


async def test_an_empty_question_finds_nothing(filled: AgentMemory) -> None:
    retriever = AgentMemRetriever(filled, user_id="ana")
    assert retriever.retrieve(" ") == await retriever.aretrieve("") == []


def test_trouble_is_told(opened: Open, path: str, mem: AgentMemory) -> None:
    with pytest.raises(ScopeError, match="whose memory"):
        AgentMemRetriever(mem)
    for wrong in (
        {"k": 0},
        {"using": "magic"},
        {"agent_id": ""},
        {"session_id": 7},
        {"kind": "x"},
        {"min_score": 2},
        {"filter": {"$x": 1}},
    ):
        with pytest.raises(InvalidInputError):
            AgentMemRetriever(mem, user_id="ana", **wrong)  # type: ignore[arg-type]  # what is tested
    broken = opened(path, embedder=FailingEmbedder())
    broken.add("x", user_id="ana")
    with pytest.raises(EmbeddingError):
        AgentMemRetriever(broken, user_id="ana").retrieve("x")
    assert len(AgentMemRetriever(broken, user_id="ana", using="text").retrieve("x")) == 1


def test_query_engines_and_tools_take_it(filled: AgentMemory) -> None:
    retriever = AgentMemRetriever(filled, user_id="ana", k=1)
    answer = RetrieverQueryEngine.from_args(retriever, llm=MockLLM()).query("moved to Lisbon")
    assert [node.node.node_id for node in answer.source_nodes] == ["m1"]
    assert "I moved to Lisbon" in str(RetrieverTool.from_defaults(retriever).call("moved to Lisbon").content)


def test_a_path_is_opened_and_closed(path: str) -> None:
    retriever = AgentMemRetriever(path, user_id="ana", embedder=None, using="text")
    retriever.memory.add("tea", user_id="ana")
    assert [n.get_content() for n in retriever.retrieve("tea")] == ["tea"]
    retriever.close()
    assert retriever.memory._engine.closed
