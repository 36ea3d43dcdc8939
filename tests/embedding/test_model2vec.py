"""Static tables of the user's choice: the vectors are those of model2vec, from any thread and in a forked child."""

import os
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from model2vec import StaticModel
from tokenizers import Tokenizer  # type: ignore[import-untyped, unused-ignore]

from agentmem_integrations import AgentMemory
from agentmem_integrations.embedding.model2vec import Model2VecModel
from agentmem_integrations.embedding.static import TABLE_DIR
from agentmem_integrations.errors import EmbedderMismatchError, EmbeddingError, MissingExtraError

Run = Callable[..., str]

TEXTS = ["I moved to Lisbon in May", "tea", "the dog is called Rex", "a visit to the hospital, twice", "!", "word " * 700]


@pytest.fixture(scope="module")
def table() -> Any:
    return np.load(TABLE_DIR / "table.npy") * np.load(TABLE_DIR / "scales.npy")[:, None]


def saved(folder: Path, vectors: Any, **options: Any) -> StaticModel:
    StaticModel(vectors, Tokenizer.from_file(str(TABLE_DIR / "tokenizer.json")), **options).save_pretrained(folder)
    return StaticModel.from_pretrained(folder)


@pytest.fixture(scope="module")
def folder(table: Any, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The bundled table as model2vec would save it."""
    place = tmp_path_factory.mktemp("model2vec")
    saved(place, table)
    return place


def unit(vectors: Any) -> Any:
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


@pytest.mark.parametrize("kind", ["plain", "weighted", "clustered", "int8", "half", "short", "unlimited"])
def test_vectors_are_those_of_model2vec(table: Any, tmp_path: Path, kind: str) -> None:
    options: dict[str, Any] = {}
    vectors = table
    if kind in ("weighted", "clustered"):
        options["weights"] = np.linspace(0.1, 2, len(table), dtype=np.float32)
    if kind == "clustered":
        vectors, options["token_mapping"] = table[:500], np.arange(len(table)) % 500
    if kind == "int8":
        vectors = np.load(TABLE_DIR / "table.npy")
    if kind == "half":
        vectors = table.astype(np.float16)
    if kind in ("short", "unlimited"):
        options["max_length"] = 3 if kind == "short" else None
    reference = saved(tmp_path, vectors, **options)
    expected = unit(reference.encode(TEXTS).astype(np.float64))
    found = Model2VecModel(str(tmp_path)).embed(TEXTS, "passage")
    assert found.dtype == np.float32
    assert (found * expected).sum(axis=1).min() > (0.9999 if kind == "half" else 0.999999)


def test_a_memory_finds_by_meaning_and_again_after_reopening(folder: Path, path: str) -> None:
    for known in (False, True):
        with AgentMemory(path, embedder=f"model2vec:{folder}") as mem:
            if not known:
                mem.add_batch(TEXTS, user_id="ana")
            assert mem.search("puppy", user_id="ana", using="vector")[0].memory.text == "the dog is called Rex"


def test_another_table_is_another_embedder_and_the_same_one_elsewhere_is_not(folder: Path, table: Any, path: str, tmp_path: Path) -> None:
    with AgentMemory(path, embedder=f"model2vec:{folder}") as mem:
        mem.add("tea", user_id="ana")
    saved(tmp_path / "same", table)
    AgentMemory(path, embedder=f"model2vec:{tmp_path / 'same'}").close()
    changed = table.copy()
    changed[1000, 7] += 0.01
    saved(tmp_path / "changed", changed)
    with pytest.raises(EmbedderMismatchError, match="model2vec:local"):
        AgentMemory(path, embedder=f"model2vec:{tmp_path / 'changed'}")


def test_the_same_text_gives_the_same_vector_from_many_threads(folder: Path) -> None:
    embedder = Model2VecModel(str(folder))
    assert embedder.immediate
    expected = embedder.embed(TEXTS, "passage")
    assert all(np.array_equal(embedder.embed([text], "query")[0], row) for text, row in zip(TEXTS, expected, strict=True))
    with ThreadPoolExecutor(8) as pool:
        assert all(np.array_equal(found, expected) for found in pool.map(lambda _: embedder.embed(TEXTS, "passage"), range(64)))


def test_a_text_without_known_tokens_gets_a_vector_all_the_same(folder: Path) -> None:
    nothing, surrogate = Model2VecModel(str(folder)).embed(["", "\ud800"], "passage")
    assert abs(float(np.linalg.norm(nothing.astype(np.float64))) - 1) < 1e-6
    assert np.array_equal(nothing, surrogate)


def test_an_empty_batch_gives_no_rows(folder: Path) -> None:
    assert Model2VecModel(str(folder)).embed([], "passage").shape == (0, 256)


def test_a_folder_without_a_model_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(EmbeddingError, match="check its files"):
        AgentMemory("memory://", embedder=f"model2vec:{tmp_path}")


def test_a_model_that_cannot_be_fetched_says_what_to_do(run_python: Run) -> None:
    program = """
import os
os.environ["HF_ENDPOINT"] = "http://127.0.0.1:9"  # nobody listens there
import time; time.sleep = lambda seconds: None
from agentmem_integrations import AgentMemory, EmbeddingError
try:
    AgentMemory("memory://", embedder="model2vec:no-one/has-this")
except EmbeddingError as error:
    print("name the folder" in str(error))
"""
    assert run_python(program).strip() == "True"


def test_without_the_package_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "model2vec", None)
    with pytest.raises(MissingExtraError, match=r'pip install "agentmem-integrations\[model2vec\]"'):
        AgentMemory("memory://", embedder="model2vec:minishlab/potion-base-8M")


FORK = """
import os, sys
from agentmem_integrations.embedding.model2vec import Model2VecModel
embedder = Model2VecModel(sys.argv[1])
before = embedder.embed(["tea and rain"] * 500, "passage")
child = os.fork()
if child == 0:
    sys.exit(0 if (embedder.embed(["tea and rain"] * 500, "passage") == before).all() else 1)
raise SystemExit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="the platform has no fork")
def test_a_forked_child_embeds_the_same(folder: Path, run_python: Run) -> None:
    assert run_python(FORK, str(folder)) == ""
