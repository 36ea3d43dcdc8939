"""How a vector store of LlamaIndex is opened, copied and saved; whose vectors it takes; what else may be in its file."""

import copy
import json
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from llama_index.core.base.llms.types import ChatMessage
from llama_index.core.embeddings import BaseEmbedding, MockEmbedding
from llama_index.core.schema import TextNode
from llama_index.core.vector_stores.types import VectorStoreQuery, VectorStoreQueryMode

from agentmem_integrations import SHARED, AgentMemory, ConflictError, EmbedderMismatchError, EmbeddingError, InvalidInputError, VectorError
from agentmem_integrations.documents import CHATS
from agentmem_integrations.langchain import chat_history
from agentmem_integrations.llamaindex import AgentMemChatStore, AgentMemVectorStore, StaticEmbedding, chat_store, llamaindex_embedder

EAST, NORTH = [1.0, 0.0], [0.0, 1.0]


def node(id: str, embedding: list[float] | None = EAST) -> TextNode:
    return TextNode(id_=id, text=f"the text of {id}", embedding=embedding)


def nearest(store: AgentMemVectorStore, embedding: list[float]) -> list[str]:
    return list(store.query(VectorStoreQuery(query_embedding=embedding, similarity_top_k=10)).ids or ())


def ids(store: AgentMemVectorStore) -> list[str]:
    return [found.node_id for found in store.get_nodes()]


# Arguments


@pytest.mark.parametrize(
    ("wrong", "right"),
    [("user", "user_id"), ("userid", "user_id"), ("embedding_model", "embed_model"), ("durabilty", "durability"), ("zzz", "collection")],
)
def test_an_argument_that_there_is_not_is_refused_with_the_nearest_that_is(path: str, wrong: str, right: str) -> None:
    with pytest.raises(TypeError, match=f"{wrong}.*{right}"):
        AgentMemVectorStore(path, **{wrong: "ana"})
    assert not Path(path).exists()


def test_a_path_is_opened_as_the_arguments_say(path: str) -> None:
    with pytest.raises(InvalidInputError, match="durability"):
        AgentMemVectorStore(path, durability="bogus")
    with AgentMemVectorStore(path, text_limit=10) as store, pytest.raises(InvalidInputError, match="10"):
        store.add([node("long")])
    with AgentMemory(path) as mem, pytest.raises(InvalidInputError, match=r"durability.*open already"):
        AgentMemVectorStore(mem, durability="normal")


def test_what_llama_index_asks_of_every_store_cannot_be_switched_off(path: str) -> None:
    for field in ("stores_text", "is_embedding_query"):
        with pytest.raises(InvalidInputError, match=field):
            AgentMemVectorStore(path, **{field: False})


def test_an_owner_is_an_id_or_nobody(path: str) -> None:
    with AgentMemory(path) as mem:
        AgentMemVectorStore(mem, user_id=SHARED).add([node("a")])
        assert ids(AgentMemVectorStore(mem)) == ["a"]
        with pytest.raises(InvalidInputError, match="user_id"):
            AgentMemVectorStore(mem, user_id=5)  # type: ignore[arg-type]


# Copies


def from_dict(store: AgentMemVectorStore) -> AgentMemVectorStore:
    return AgentMemVectorStore.from_dict(json.loads(json.dumps(store.to_dict())))


def from_json(store: AgentMemVectorStore) -> AgentMemVectorStore:
    return AgentMemVectorStore.from_json(store.to_json())


def pickled(store: AgentMemVectorStore) -> AgentMemVectorStore:
    copied: AgentMemVectorStore = pickle.loads(pickle.dumps(store))  # noqa: S301 - our own
    return copied


@pytest.mark.parametrize("again", [from_dict, from_json, pickled])
def test_a_copy_keeps_owner_and_settings(
    path: str, monkeypatch: pytest.MonkeyPatch, again: Callable[[AgentMemVectorStore], AgentMemVectorStore]
) -> None:
    monkeypatch.chdir(Path(path).parent)
    relative = Path(path).name
    with AgentMemVectorStore(relative, user_id="ana", collection="a", durability="normal", queue=(4, 1.0)) as store:
        store.add([node("secret")])
        monkeypatch.chdir("/")
        with again(store) as copied:
            assert ids(copied) == ["secret"]
            copied.add([node("new")])
            assert copied.to_dict() == store.to_dict()
            assert (copied._memory._settings.durability, copied._memory._settings.queue) == ("normal", (4, 1.0))
        assert ids(store) == ["secret", "new"]
    with AgentMemVectorStore(path, collection="a") as nobodys:
        assert ids(nobodys) == []


def test_a_copy_of_a_store_over_an_open_memory_opens_the_file_itself(path: str) -> None:
    with AgentMemory(path, durability="normal") as mem:
        store = AgentMemVectorStore(mem, user_id="ana")
        store.add([node("a")])
        with pickled(store) as copied:
            assert copied._memory is not mem
            assert copied._memory._settings.durability == "normal"
            assert ids(copied) == ["a"]


def test_a_pickle_keeps_the_embedding_model_and_json_asks_for_it(path: str) -> None:
    with AgentMemVectorStore(path, embed_model=StaticEmbedding()) as store:
        store.add([node("a", None)])
        asked = VectorStoreQuery(query_str="the text of a", similarity_top_k=1)
        with pickled(store) as copied:
            assert copied.query(asked).ids == ["a"]
        with pytest.raises(InvalidInputError, match=r"embed_model=\.\.\."):
            from_dict(store)
        with AgentMemVectorStore.from_dict(store.to_dict(), embed_model=StaticEmbedding()) as copied:
            assert copied.query(asked).ids == ["a"]


def test_a_setting_that_json_cannot_carry_is_asked_for(path: str) -> None:
    def judge(question: str, texts: list[str]) -> list[float]:
        return [0.5 for _ in texts]

    with AgentMemVectorStore(path, reranker=judge) as store:
        with pytest.raises(InvalidInputError, match=r"reranker=\.\.\."):
            from_dict(store)
        with AgentMemVectorStore.from_dict(store.to_dict(), reranker=judge) as copied:
            assert copied._memory._settings.reranker is judge


def test_a_deep_copy_is_the_same_store_and_one_in_ram_cannot_be_pickled(path: str) -> None:
    with AgentMemVectorStore(path) as store:
        assert copy.deepcopy(store) is store
    with AgentMemVectorStore("memory://") as store, pytest.raises(InvalidInputError, match="RAM"):
        pickle.dumps(store)


# Who is first


def test_a_store_that_is_opened_while_another_adds_the_first_node_works(path: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with AgentMemory(path) as mem:
        real = AgentMemory.collection

        def overtaken(*args: Any, **kwargs: Any) -> Any:
            opened = real(*args, **kwargs)
            monkeypatch.undo()
            with AgentMemVectorStore(path) as other:
                other.add([node("first")])
            return opened

        monkeypatch.setattr(AgentMemory, "collection", overtaken)
        store = AgentMemVectorStore(mem)
        assert nearest(store, EAST) == ["first"]
        store.add([node("second")])
        assert nearest(store, EAST) == ["first", "second"]


def test_whoever_is_overtaken_by_a_vector_of_another_length_is_refused_and_goes_on(path: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with AgentMemory(path) as mem:
        store, real = AgentMemVectorStore(mem), AgentMemory.collection

        def overtaken(*args: Any, **kwargs: Any) -> Any:
            monkeypatch.undo()
            with AgentMemVectorStore(path) as other:
                other.add([node("first", [1.0, 0.0, 0.0])])
            return real(*args, **kwargs)

        monkeypatch.setattr(AgentMemory, "collection", overtaken)
        with pytest.raises(VectorError, match="2 numbers"):
            store.add([node("second")])
        assert nearest(store, [1.0, 0.0, 0.0]) == ["first"]


# Another model


def test_an_emptied_collection_takes_vectors_of_another_length(path: str) -> None:
    with AgentMemory(path) as mem:
        store, ana = AgentMemVectorStore(mem), AgentMemVectorStore(mem, user_id="ana")
        store.add([node("a"), node("b")])
        ana.add([node("hers")])
        store.clear()
        with pytest.raises(VectorError, match=r"3 numbers.*have 2.*deleted.*collection="):
            store.add([node("a", [1.0, 0.0, 0.0])])
        ana.clear()
        store.add([node("a", [1.0, 0.0, 0.0])])
        assert nearest(store, [1.0, 0.0, 0.0]) == ["a"]
        assert mem.verify().ok
    with AgentMemVectorStore(path) as again:
        assert nearest(again, [1.0, 0.0, 0.0]) == ["a"]
        again.clear()
        again.client.purge()
        again.add([node("a", [1.0])])
        assert nearest(again, [2.0]) == ["a"]


async def test_a_store_that_was_open_all_along_goes_on_with_vectors_of_another_length(path: str) -> None:
    with AgentMemVectorStore(path) as one, AgentMemVectorStore(path) as two, AgentMemVectorStore(path) as three:
        one.add([node("a")])
        assert nearest(two, EAST) == nearest(three, EAST) == ["a"]
        one.clear()
        one.add([node("b", [1.0, 0.0, 0.0])])
        assert nearest(two, [1.0, 0.0, 0.0]) == ["b"]
        asked = VectorStoreQuery(query_embedding=[1.0, 0.0, 0.0], similarity_top_k=10)
        assert (await three.aquery(asked)).ids == ["b"]
        with pytest.raises(VectorError, match="2 numbers"):
            nearest(two, EAST)
        one.clear()
        one.add([node("c", [1.0])])
        two.add([node("d", [1.0])])
        assert nearest(two, [1.0]) == ["c", "d"]


def test_vectors_of_nobody_knows_whom_are_made_anew_as_the_error_says(path: str) -> None:
    model = StaticEmbedding()
    given = TextNode(id_="a", text="see the table", metadata={"title": "volcanoes"})
    given.embedding = model.get_text_embedding(given.get_content("embed"))  # type: ignore[arg-type]
    with AgentMemVectorStore(path) as store:
        store.add([given])
    with pytest.raises(EmbedderMismatchError, match=r"given \(256 dimensions\).*reembed.*llamaindex_embedder"):
        AgentMemVectorStore(path, embed_model=model)
    with AgentMemory(path, namespace="docs", embedder=None) as mem:
        assert mem.reembed(llamaindex_embedder(model)) == 1
    with AgentMemVectorStore(path, embed_model=model) as store:
        found = store.query(VectorStoreQuery(query_embedding=given.embedding, similarity_top_k=1))
        assert found.similarities == [pytest.approx(1)]


class Failing(MockEmbedding):
    """An embedding model that may be down."""

    model_name: str = "failing"
    down: bool = False

    def _get_query_embedding(self, query: str) -> list[float]:
        if self.down:
            raise ConnectionError
        return super()._get_query_embedding(query)

    def _get_text_embedding(self, text: str) -> list[float]:
        if self.down:
            raise ConnectionError
        return super()._get_text_embedding(text)


def failing(*, down: bool, dim: int = 2) -> BaseEmbedding:
    return Failing(embed_dim=dim, down=down)


def test_a_store_opens_while_its_model_is_down(path: str) -> None:
    with pytest.raises(EmbeddingError):  # a new file knows no dimension
        AgentMemVectorStore(path, embed_model=failing(down=True))
    with AgentMemVectorStore(path, embed_model=failing(down=False)) as store:
        store.add([node("a", None), node("b", None)])
    with AgentMemVectorStore(path, embed_model=failing(down=True)) as store:
        assert ids(store) == ["a", "b"]
        asked = VectorStoreQuery(query_str="text", mode=VectorStoreQueryMode.TEXT_SEARCH, similarity_top_k=5)
        assert store.query(asked).ids == ["a", "b"]
        assert nearest(store, [1.0, 1.0]) == ["a", "b"]
        with pytest.raises(EmbeddingError):
            store.query(VectorStoreQuery(query_str="text", similarity_top_k=5))
        store.delete_nodes(["a"])
        store.add([node("c", None)])  # its vector is owed
    with AgentMemVectorStore(path, embed_model=failing(down=False)) as store:
        store._memory.flush()
        assert nearest(store, [1.0, 1.0]) == ["b", "c"]


def test_a_model_that_answers_with_another_length_is_refused(path: str) -> None:
    with AgentMemVectorStore(path, embed_model=failing(down=False)) as store:
        store.add([node("a", None)])
    with pytest.raises(EmbedderMismatchError, match="3 dimensions"):
        AgentMemVectorStore(path, embed_model=failing(down=False, dim=3))


# Chats in the same file


async def test_chat_histories_are_no_nodes(path: str) -> None:
    assert set(CHATS) == {chat_store.COLLECTION, chat_history.COLLECTION}
    with AgentMemory(path) as mem:
        chats = [
            AgentMemChatStore(mem),
            AgentMemChatStore(mem, collection="mine"),
            AgentMemChatStore(mem, collection="hers", user_id="ana"),
        ]
        for chat in chats:
            await chat.add_message("key", ChatMessage(role="user", content="hello"))
        for collection, user in (("llamaindex-chat", None), ("mine", None), ("hers", "ana")):
            with pytest.raises(ConflictError, match="chat histories"):
                AgentMemVectorStore(mem, collection=collection, user_id=user)
        with pytest.raises(ConflictError, match="chat histories"):
            AgentMemVectorStore(path, collection="mine")
        assert [len(await chat.get_messages("key")) for chat in chats] == [1, 1, 1]
