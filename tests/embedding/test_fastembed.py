"""fastembed on a real transformer: options, identity, prefixes, sessions, forks, failures."""

import gc
import json
import os
import shutil
import sys
import threading
import weakref
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from agentmem_integrations import AgentMemory
from agentmem_integrations.embedding import FastEmbed
from agentmem_integrations.embedding.fastembed import FastEmbedModel
from agentmem_integrations.errors import ClosedError, EmbedderMismatchError, EmbeddingError, InvalidInputError, MissingExtraError

Run = Callable[..., str]

MIXED = [f"note {i}: " + "tea and rain and a train to Lisbon " * (i % 9) for i in range(40)]


@pytest.fixture(scope="module")
def model(minilm: Path) -> Iterator[FastEmbedModel]:
    opened = FastEmbed(str(minilm)).open()
    yield opened
    opened.close()


@pytest.fixture
def copied(minilm: Path, tmp_path: Path) -> Path:
    """The model in a folder of its own, whose small files a test may change."""
    folder = tmp_path / "copied"
    shutil.copytree(minilm, folder, ignore=shutil.ignore_patterns("model.*"))
    (folder / "model.onnx").hardlink_to(minilm / "model.onnx")
    return folder


def embed(spec: FastEmbed, *texts: str, kind: Any = "passage") -> Any:
    opened = spec.open()
    vectors = opened.lanes[0].embed(texts, kind)
    opened.close()
    return vectors


# Through AgentMemory


def test_a_memory_finds_by_meaning_and_again_after_reopening(minilm: Path, path: str) -> None:
    spec = f"fastembed:{minilm}"
    with AgentMemory(path, embedder=spec) as mem:
        mem.add_batch(["I moved to Lisbon in May", "my doctor prescribed new medicine", "the dog is called Rex"], user_id="ana")
    with AgentMemory(path, embedder=spec) as mem:
        assert mem.search("a visit to the hospital", user_id="ana", using="vector")[0].memory.text == "my doctor prescribed new medicine"
        mem.add("we adopted a grey cat", user_id="ana")
        assert mem.search("kitten", user_id="ana", using="vector")[0].memory.text == "we adopted a grey cat"


def test_options_are_given_as_an_object(minilm: Path) -> None:
    with AgentMemory("memory://", embedder=FastEmbed(str(minilm), sessions=2, threads=1, batch=4)) as mem:
        mem.add_batch(MIXED, user_id="ana")
        assert mem.search(MIXED[7], user_id="ana", using="vector")[0].memory.text == MIXED[7]


def test_another_models_collection_is_refused(minilm: Path, copied: Path, path: str) -> None:
    with AgentMemory(path, embedder=f"fastembed:{minilm}") as mem:
        mem.add("tea", user_id="ana")
    with pytest.raises(EmbedderMismatchError, match="fastembed:local"):
        AgentMemory(path)
    with pytest.raises(EmbedderMismatchError):
        AgentMemory(path, embedder=FastEmbed(str(minilm), query_prefix="query: "))
    (copied / "1_Pooling" / "config.json").write_text('{"pooling_mode_cls_token": true}')
    with pytest.raises(EmbedderMismatchError):
        AgentMemory(path, embedder=f"fastembed:{copied}")


def test_the_same_files_elsewhere_are_the_same_embedder(minilm: Path, copied: Path, path: str) -> None:
    with AgentMemory(path, embedder=f"fastembed:{minilm}") as mem:
        mem.add("tea", user_id="ana")
    with AgentMemory(path, embedder=f"fastembed:{copied}") as mem:
        assert [hit.memory.text for hit in mem.search("tea", user_id="ana")] == ["tea"]


def test_closing_the_memory_frees_the_sessions(minilm: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    models: list[FastEmbedModel] = []
    monkeypatch.setattr(FastEmbed, "open", lambda spec: models.append(FastEmbedModel(spec)) or models[-1])
    mem = AgentMemory("memory://", embedder=f"fastembed:{minilm}")
    mem.add("tea", user_id="ana")
    session = weakref.ref(models[0]._open().session().model)
    mem.close()
    gc.collect()
    assert session() is None
    with pytest.raises(ClosedError, match="closed"):
        models[0].lanes[0].embed(["tea"], "passage")


# Vectors


def test_a_text_gets_the_same_vector_whatever_its_batch(model: FastEmbedModel) -> None:
    together = model.lanes[0].embed(MIXED, "passage")
    alone = np.concatenate([model.lanes[0].embed([text], "passage") for text in MIXED])
    assert together.dtype == np.float32
    assert np.abs(np.linalg.norm(together.astype(np.float64), axis=1) - 1).max() < 1e-6
    assert np.abs(together - alone).max() < 2e-6


def test_every_lane_gives_the_same_vectors_at_the_same_time(minilm: Path) -> None:
    for options in ({"sessions": 3, "threads": 1}, {"sessions": 2, "threads": 2}, {"sessions": 3}):
        opened = FastEmbed(str(minilm), **options).open()
        assert len(opened.lanes) == options["sessions"]
        with ThreadPoolExecutor(3) as pool:
            first, *others = pool.map(lambda lane: lane.embed(MIXED, "passage"), opened.lanes)
        opened.close()
        assert all(np.abs(first - other).max() < 2e-6 for other in others), options


def test_long_texts_and_odd_ones_get_a_vector(model: FastEmbedModel) -> None:
    texts = ["tea " * 30_000, "\U0001f600", "\ud800 lone", "\u6771\u4eac", "", "\x01"]
    vectors = model.lanes[0].embed(texts, "passage")
    assert vectors.shape == (6, 384)
    assert np.isfinite(vectors).all()


def test_no_texts_give_no_rows(model: FastEmbedModel) -> None:
    assert model.lanes[0].embed([], "passage").shape == (0, 384)


# Sessions


def test_lanes_of_one_thread_share_one_session_and_a_lone_caller_gets_all_cores(minilm: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("agentmem_integrations.embedding.onnx_sessions.available_cores", lambda: 4)
    opened = FastEmbed(str(minilm)).open()
    sessions = opened._open()
    assert (sessions.layout.lanes, sessions.layout.threads, sessions.layout.wide) == (4, 1, 4)
    assert len({id(sessions.session(lane)) for lane in range(4)}) == 1
    used = []
    for _ in range(3):
        with sessions.borrowed(0) as session:
            used.append(session.model.threads)
            with sessions.borrowed(1) as other:
                used.append(other.model.threads)
    for _ in range(3):
        with sessions.borrowed(0) as session:
            used.append(session.model.threads)
    opened.close()
    assert used == [1, 1, 1, 1, 1, 1, 1, 4, 4]


@pytest.mark.parametrize(
    ("cores", "options", "expected"),
    [
        (1, {}, (1, 1, None)),
        (2, {}, (2, 1, 2)),
        (8, {"threads": 2}, (4, 2, None)),
        (8, {"threads": 16}, (1, 16, None)),
        (8, {"sessions": 1}, (1, 8, None)),
        (8, {"sessions": 3}, (3, 1, 8)),
        (8, {"sessions": 3, "threads": 1}, (3, 1, None)),
        (8, {"accelerated": True}, (1, None, None)),
    ],
)
def test_what_is_not_said_follows_from_the_cores(
    cores: int, options: dict[str, Any], expected: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    from agentmem_integrations.embedding import onnx_sessions

    monkeypatch.setattr(onnx_sessions, "available_cores", lambda: cores)
    found = onnx_sessions.layout(options.pop("sessions", None), options.pop("threads", None), **options)
    assert (found.lanes, found.threads, found.wide) == expected


def test_a_batch_is_cut_by_length_so_that_little_is_padded(model: FastEmbedModel) -> None:
    sessions = model._open()
    portions = list(model._portions(MIXED, sessions))
    assert sorted(row for rows in portions for row in rows) == list(range(len(MIXED)))
    lengths = [[len(sessions.session().model.tokenizer.encode(MIXED[row]).ids) for row in rows] for rows in portions]
    assert sum(len(rows) * max(rows) for rows in lengths) < 1.15 * sum(map(sum, lengths))
    assert all(len(rows) * max(rows) <= 384 for rows in lengths)


@pytest.mark.parametrize("options", [{"sessions": 0}, {"threads": -1}, {"threads": 1.5}, {"batch": 0}, {"batch": True}, {"pooling": "sum"}])
def test_an_impossible_option_is_named(minilm: Path, options: dict[str, Any]) -> None:
    with pytest.raises(InvalidInputError, match=f"{next(iter(options))}={next(iter(options.values()))!r}"):
        FastEmbed(str(minilm), **options).open()


FORK = """
import os, signal, sys, threading
from agentmem_integrations import AgentMemory
from agentmem_integrations.embedding import FastEmbed
from agentmem_integrations.embedding.onnx_sessions import _all

folder, threads = sys.argv[1], int(sys.argv[2]) or None
mem = AgentMemory("memory.db", embedder=FastEmbed(folder, sessions=2, threads=threads))
for text in ("tea", "rain", "a train to Lisbon"):
    mem.add(text, user_id="ana")
expected = mem.search("railway", user_id="ana", using="vector")[0]

(sessions,) = _all()
inherited = set(map(id, sessions._loaded.values()))
stop = threading.Event()
def busy():
    while not stop.is_set():
        mem.search("weather", user_id="ana", using="vector")
worker = threading.Thread(target=busy)
worker.start()
for using in (True, False):
    child = os.fork()
    if child == 0:
        signal.alarm(50)  # a child that hangs must not outlive the test
        if using:
            hit = mem.search("railway", user_id="ana", using="vector")[0]
            assert (hit.memory.text, round(hit.score, 4)) == (expected.memory.text, round(expected.score, 4)), hit
            mem.add("from the child", user_id="ana")
            assert sessions._loaded and not inherited & set(map(id, sessions._loaded.values()))
            mem.close()
        sys.exit(0)  # through all destructors, as a worker of a server ends
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
stop.set()
worker.join()
print(mem.search("railway", user_id="ana", using="vector")[0].memory.text, len(mem.list(user_id="ana")))
mem.close()
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="the platform has no fork")
@pytest.mark.parametrize("threads", [0, 1, 2])
def test_a_forked_child_makes_its_own_sessions_and_ends(minilm: Path, run_python: Run, threads: int) -> None:
    assert run_python(FORK, str(minilm), str(threads)).split("\n")[-2] == "a train to Lisbon 4"


# Folders and names


def test_a_folder_says_which_prefixes_its_model_wants(minilm: Path, copied: Path) -> None:
    prompts = {"query": "query: ", "document": "passage: "}
    (copied / "config_sentence_transformers.json").write_text(json.dumps({"prompts": prompts}))
    told = FastEmbed(str(copied), sessions=1).open()
    plain = FastEmbed(str(minilm), sessions=1).open()
    question, stored = told.lanes[0].embed(["tea"], "query"), told.lanes[0].embed(["tea"], "passage")
    assert np.abs(question - plain.lanes[0].embed(["query: tea"], "query")).max() < 2e-6
    assert np.abs(stored - plain.lanes[0].embed(["passage: tea"], "query")).max() < 2e-6
    assert np.abs(question - stored).max() > 1e-3
    assert told.identity != plain.identity


@pytest.mark.parametrize(
    ("name", "query", "passage"),
    [
        ("intfloat/multilingual-e5-small", "query: ", "passage: "),
        ("intfloat/multilingual-e5-large", "query: ", "passage: "),
        ("nomic-ai/nomic-embed-text-v1.5", "search_query: ", "search_document: "),
        ("sentence-transformers/all-MiniLM-L6-v2", "", ""),
    ],
)
def test_a_known_model_gets_its_prefixes_once(minilm: Path, copied: Path, name: str, query: str, passage: str) -> None:
    # The name decides on the prefixes; what runs are MiniLM's weights, which tell us what was put before the text
    (copied / "onnx").mkdir()
    (copied / "onnx" / "model.onnx").hardlink_to(minilm / "model.onnx")
    (copied / "model.onnx_data").touch()
    named = FastEmbed(name, path=copied, sessions=1).open()
    assert named.identity.name == f"fastembed:{name}"
    plain = FastEmbed(str(minilm), sessions=1).open()
    for kind, prefix in (("query", query), ("passage", passage)):
        vector = named.lanes[0].embed(["where is the tea?"], kind)
        assert np.abs(vector - plain.lanes[0].embed([prefix + "where is the tea?"], "passage")).max() < 2e-6


def test_the_callers_prefix_wins(minilm: Path) -> None:
    prefixed = embed(FastEmbed(str(minilm), query_prefix="ask: ", passage_prefix="told: "), "tea", kind="query")
    assert np.abs(prefixed - embed(FastEmbed(str(minilm)), "ask: tea")).max() < 2e-6


def test_pooling_is_the_folders_or_the_callers(minilm: Path, copied: Path) -> None:
    mean = embed(FastEmbed(str(minilm)), "tea")
    (copied / "1_Pooling" / "config.json").write_text('{"pooling_mode": "cls"}')
    first = embed(FastEmbed(str(copied)), "tea")
    assert np.abs(mean - first).max() > 1e-3
    assert np.abs(mean - embed(FastEmbed(str(copied), pooling="mean"), "tea")).max() < 2e-6
    (copied / "1_Pooling" / "config.json").unlink()
    with pytest.raises(InvalidInputError, match="pooling='mean'"):
        FastEmbed(str(copied)).open()
    (copied / "1_Pooling" / "config.json").write_text('{"pooling_mode_max_tokens": true}')
    with pytest.raises(InvalidInputError, match="max_tokens"):
        FastEmbed(str(copied)).open()


def test_the_revision_changes_with_the_files(copied: Path) -> None:
    before = FastEmbed(str(copied)).open().identity
    settings = json.loads((copied / "tokenizer_config.json").read_text())
    (copied / "tokenizer_config.json").write_text(json.dumps(settings | {"model_max_length": 128}))
    assert FastEmbed(str(copied)).open().identity.revision != before.revision
    weights = (copied / "model.onnx").read_bytes()
    (copied / "tokenizer_config.json").write_text(json.dumps(settings))
    (copied / "model.onnx").unlink()  # it is a link
    middle = len(weights) // 2
    (copied / "model.onnx").write_bytes(weights[:middle] + bytes([weights[middle] ^ 1]) + weights[middle + 1 :])
    after = FastEmbed(str(copied)).open().identity
    assert (after.name, after.dim) == (before.name, before.dim)
    assert after.revision != before.revision


# Failures


def test_a_name_that_is_neither_model_nor_folder_is_refused() -> None:
    with pytest.raises(InvalidInputError, match="neither a folder nor a model"):
        AgentMemory("memory://", embedder="fastembed:no/such-model")


def test_a_folder_without_a_model_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InvalidInputError, match=r"model\.onnx"):
        AgentMemory("memory://", embedder=f"fastembed:{tmp_path}")


def test_a_damaged_model_is_an_embedding_error(copied: Path) -> None:
    (copied / "model.onnx").unlink()
    (copied / "model.onnx").write_bytes(b"not a model")
    with pytest.raises(EmbeddingError, match="cannot be loaded"):
        AgentMemory("memory://", embedder=f"fastembed:{copied}")


def test_a_model_that_was_never_downloaded_says_what_to_do_offline(tmp_path: Path) -> None:
    with pytest.raises(EmbeddingError, match=r"path=folder"):
        FastEmbed("BAAI/bge-small-en-v1.5", cache_dir=str(tmp_path), local_files_only=True).open()


def test_a_network_that_is_not_there_is_an_embedding_error(tmp_path: Path, run_python: Run) -> None:
    program = """
import os, sys, time
os.environ["HF_ENDPOINT"] = "http://127.0.0.1:9"  # nobody listens there
time.sleep = lambda seconds: None  # fastembed waits half a minute between its attempts
from agentmem_integrations import AgentMemory, EmbeddingError
from agentmem_integrations.embedding import FastEmbed
try:
    AgentMemory("memory://", embedder=FastEmbed("intfloat/multilingual-e5-small", cache_dir=sys.argv[1]))
except EmbeddingError as error:
    print("path=folder" in str(error))
"""
    assert run_python(program, str(tmp_path)).split()[-1] == "True"


def test_without_the_package_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "fastembed", None)
    with pytest.raises(MissingExtraError, match=r'pip install "agentmem-integrations\[fastembed\]"'):
        AgentMemory("memory://", embedder="fastembed:BAAI/bge-small-en-v1.5")


def test_the_spec_object_imports_nothing_heavy(run_python: Run) -> None:
    program = """
import sys
from agentmem_integrations.embedding import FastEmbed
FastEmbed()
print({"fastembed", "onnxruntime"} & set(sys.modules))
"""
    assert run_python(program).strip() == "set()"


def test_onnxruntime_neither_reports_home_nor_leaves_the_variable_behind(minilm: Path, run_python: Run, tmp_path: Path) -> None:
    program = """
import os, sys
from agentmem_integrations.embedding import FastEmbed
model = FastEmbed(sys.argv[1], sessions=1, threads=1).open()
model.lanes[0].embed(["tea"], "passage")
print("ORT_DISABLE_TELEMETRY" in os.environ)
"""
    suppressing = {"CI", "ORT_DISABLE_TELEMETRY", "GITHUB_ACTIONS", "TF_BUILD"}  # where these are set it is silent by itself
    environment = {key: value for key, value in os.environ.items() if key not in suppressing}
    home = {"HOME": str(tmp_path), "XDG_CACHE_HOME": str(tmp_path / "cache")}
    assert run_python(program, str(minilm), env=environment | home).strip() == "False"
    assert not [path for path in tmp_path.rglob("*") if "onnxruntime" in path.name.lower()]  # where it would keep its device id


def test_threads_that_come_first_at_once_load_one_session(minilm: Path) -> None:
    opened = FastEmbed(str(minilm), sessions=4, threads=1).open()
    sessions = opened._open()
    sessions.close()
    start = threading.Barrier(4)

    def first(lane: int) -> Any:
        start.wait()
        return sessions.session(lane)

    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(first, range(4)))
    opened.close()
    assert len({id(session) for session in found}) == 1


def test_a_model_can_be_arranged_anew_for_the_benchmark(minilm: Path) -> None:
    model = FastEmbed(str(minilm), sessions=1).open()
    other = model.arranged(2, 1)
    try:
        assert (len(other.lanes), other.layout.threads) == (2, 1)
        assert other.identity == model.identity
    finally:
        other.close()
        model.close()


def test_a_collection_changes_to_a_local_model_and_back(minilm: Path, path: str) -> None:
    with AgentMemory(path) as mem:
        mem.add_batch(["my doctor prescribed new medicine", "the dog is called Rex"], user_id="ana")
        assert mem.reembed(f"fastembed:{minilm}") == 2
        assert mem.search("a visit to the hospital", user_id="ana", using="vector")[0].memory.text == "my doctor prescribed new medicine"
        assert mem.stats()["embedding_queue"]["texts"] >= 2
        assert mem.reembed("static") == 2
    AgentMemory(path, embedder="static").close()
