"""The static embedder and its bundled table."""

import hashlib
import json
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from itertools import chain
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tokenizers import Tokenizer  # type: ignore[import-untyped, unused-ignore]

from agentmem_integrations.embedding import static
from agentmem_integrations.embedding.static import TABLE_DIR, StaticEmbedder

SAMPLE = Path(__file__).with_name("float32_sample.npz")
UNKNOWN_TEXTS = ["", " \t\n", "\U0001f600\U0001f680", "\x00\x07\x1b", "\ufffd", "\ud800", "\U00012000\U00012001"]
LONGEST = 131_072

# Where tokenizers go wrong: blanks, control characters, punctuation, odd case pairs, accents, joiners, scripts.
BLANKS_AND_CONTROLS = " \t\n\r\x00\x0b\x1c\x7f\x85\xa0\u200b\u200d\u2028"
LETTERS_AND_MARKS = "!-<_'[]{}~aZ0\xdf\xe9\u0130\u0301\u0338\u03a3\u2019\u4e2d\uac00\U0001f600"
awkward = st.text(st.sampled_from(BLANKS_AND_CONTROLS + LETTERS_AND_MARKS), max_size=40)
texts = st.one_of(st.text(max_size=80), awkward, st.sampled_from(["I like tea.", "[UNK]", "[PAD] x"]))

FORK_SCRIPT = """
import os
from agentmem_integrations.embedding.static import StaticEmbedder
embedder = StaticEmbedder()
texts = [f"note number {i} about tea" for i in range(3000)]
before = embedder.embed_documents(texts)
child = os.fork()
if child == 0:
    same = (embedder.embed_documents(texts) == before).all()
    same_anew = (StaticEmbedder().embed_query(texts[7]) == before[7]).all()
    os._exit(0 if same and same_anew else 1)
raise SystemExit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
"""


@pytest.fixture(scope="module")
def embedder() -> StaticEmbedder:
    return StaticEmbedder()


@pytest.fixture(scope="module")
def tokenizer() -> Tokenizer:
    return Tokenizer.from_file(str(TABLE_DIR / "tokenizer.json"))


def test_files_match_their_checksums() -> None:
    words = (TABLE_DIR / "SHA256SUMS").read_text().split()
    expected = dict(zip(words[1::2], words[0::2], strict=True))
    assert set(expected) == {"table.npy", "scales.npy", "tokenizer.json"}
    assert {name: hashlib.sha256((TABLE_DIR / name).read_bytes()).hexdigest() for name in expected} == expected


def test_revision_is_the_start_of_the_tables_checksum(embedder: StaticEmbedder) -> None:
    assert embedder.revision == hashlib.sha256((TABLE_DIR / "table.npy").read_bytes()).hexdigest()[:12]


def test_the_whole_folder_stays_within_ten_megabytes() -> None:
    assert sum(path.stat().st_size for path in TABLE_DIR.rglob("*") if path.is_file()) <= 10_000_000


def test_table_scales_and_tokenizer_fit_together(tokenizer: Tokenizer) -> None:
    table, scales = np.load(TABLE_DIR / "table.npy"), np.load(TABLE_DIR / "scales.npy")
    assert (table.dtype, scales.dtype) == (np.int8, np.float32)
    assert table.shape == (tokenizer.get_vocab_size(), StaticEmbedder.dim)
    assert scales.shape == table.shape[:1]
    assert set(tokenizer.get_vocab().values()) == set(range(len(table)))


def test_tokenizer_neither_cuts_nor_pads() -> None:
    settings = json.loads((TABLE_DIR / "tokenizer.json").read_text(encoding="utf-8"))
    assert settings["truncation"] is None
    assert settings["padding"] is None


def test_name_and_dimension_identify_the_table(embedder: StaticEmbedder) -> None:
    assert (embedder.name, embedder.dim) == ("static:minilm-256", 256)


def test_vectors_agree_with_the_float32_table(embedder: StaticEmbedder) -> None:
    with np.load(SAMPLE) as sample:
        sample_texts, expected = sample["texts"].tolist(), sample["vectors"]
    assert (embedder.embed_documents(sample_texts) * expected).sum(axis=1).min() >= 0.999


@given(st.lists(texts, max_size=8), st.data())
def test_same_text_gives_the_same_vector_whatever_the_batch(embedder: StaticEmbedder, batch: list[str], data: st.DataObject) -> None:
    together = embedder.embed_documents(batch)
    shuffled = data.draw(st.permutations(range(len(batch))))
    assert np.array_equal(embedder.embed_documents([batch[i] for i in shuffled]), together[shuffled])
    for text, vector in zip(batch, together, strict=True):
        assert np.array_equal(embedder.embed_query(text), vector)


def test_same_text_gives_the_same_vector_anywhere_in_a_large_batch(embedder: StaticEmbedder) -> None:
    batch = [f"note {i % 700} of the {i % 13}th day" for i in range(3_000)]
    together = embedder.embed_documents(batch)
    assert np.array_equal(together, np.stack([embedder.embed_query(text) for text in batch]))


@given(texts)
def test_every_text_gets_a_finite_vector_of_unit_length(embedder: StaticEmbedder, text: str) -> None:
    vector = embedder.embed_query(text)
    assert vector.shape == (256,)
    assert vector.dtype == np.float32
    assert abs(float(np.linalg.norm(vector.astype(np.float64))) - 1) < 1e-6


@given(texts)
def test_pieces_get_the_ids_that_the_tokenizer_gives_the_whole_text(embedder: StaticEmbedder, tokenizer: Tokenizer, text: str) -> None:
    ids = list(chain.from_iterable(embedder._ids[piece] for piece in static._pieces(text)))
    assert ids == tokenizer.encode(text, add_special_tokens=False).ids


@pytest.mark.parametrize("text", UNKNOWN_TEXTS, ids=ascii)
def test_text_without_known_tokens_gets_the_unknown_tokens_vector(embedder: StaticEmbedder, tokenizer: Tokenizer, text: str) -> None:
    row = np.load(TABLE_DIR / "table.npy")[tokenizer.token_to_id("[UNK]")].astype(np.float64)
    np.testing.assert_allclose(embedder.embed_query(text), row / np.linalg.norm(row), atol=1e-6)


def test_unknown_tokens_do_not_change_a_text_that_has_known_ones(embedder: StaticEmbedder) -> None:
    assert np.array_equal(embedder.embed_query("green \U0001f600 tea\x00"), embedder.embed_query("green tea"))


def test_names_of_special_tokens_are_ordinary_text(embedder: StaticEmbedder) -> None:
    assert np.array_equal(embedder.embed_query("[PAD][UNK]"), embedder.embed_query("[ pad ] [ unk ]"))


def test_empty_batch_gives_no_rows(embedder: StaticEmbedder) -> None:
    vectors = embedder.embed_documents([])
    assert vectors.shape == (0, 256)
    assert vectors.dtype == np.float32


@pytest.mark.parametrize("word", ["tea ", "a", "!", "\u4e2d", "\U0001f600", "e\u0301"], ids=ascii)
def test_very_long_text_gets_a_vector_of_unit_length(embedder: StaticEmbedder, word: str) -> None:
    text = (word * LONGEST)[:LONGEST]
    assert abs(float(np.linalg.norm(embedder.embed_query(text))) - 1) < 1e-5


def test_the_end_of_a_very_long_text_counts(embedder: StaticEmbedder) -> None:
    half = "tea " * (LONGEST // 8)
    mixed, ended = embedder.embed_query(half + half), embedder.embed_query(half + "volcano " * (LONGEST // 16))
    volcano = embedder.embed_query("volcano")
    assert ended @ volcano > mixed @ volcano + 0.3


@pytest.mark.parametrize(
    ("text", "related", "unrelated"),
    [
        ("I am allergic to peanuts", "the user cannot eat nuts", "the train to Lisbon leaves at noon"),
        ("She adopted a grey cat", "do they have any pets such as a dog?", "interest rates rose again"),
        ("My doctor prescribed new medicine", "a visit to the hospital", "a concert of my favourite band"),
        ("How do I bake a cake?", "flour, sugar, eggs and butter", "the database ran out of space"),
    ],
)
def test_related_sentences_are_closer_than_unrelated_ones(embedder: StaticEmbedder, text: str, related: str, unrelated: str) -> None:
    query = embedder.embed_query(text)
    near, far = embedder.embed_documents([related, unrelated]) @ query
    assert near > far + 0.1


def test_upper_and_lower_case_and_accents_do_not_matter(embedder: StaticEmbedder) -> None:
    assert np.array_equal(embedder.embed_query("CAF\u00c9"), embedder.embed_query("cafe"))


def test_a_single_string_is_refused_as_a_batch(embedder: StaticEmbedder) -> None:
    with pytest.raises(TypeError, match="embed_query"):
        embedder.embed_documents("one text")


@pytest.mark.parametrize("item", [None, 3, b"tea"])
def test_an_item_that_is_not_a_string_is_refused(embedder: StaticEmbedder, item: object) -> None:
    with pytest.raises(TypeError):
        embedder.embed_documents(["tea", item])  # type: ignore[list-item]


def test_any_sequence_of_strings_will_do(embedder: StaticEmbedder) -> None:
    assert np.array_equal(embedder.embed_documents(("a", "b")), embedder.embed_documents(["a", "b"]))


def test_changing_a_returned_vector_changes_nothing_else(embedder: StaticEmbedder) -> None:
    for text in ("tea", ""):
        expected = embedder.embed_query(text).copy()
        embedder.embed_query(text)[:] = 0
        assert np.array_equal(embedder.embed_query(text), expected)


def test_a_full_cache_changes_no_vector(embedder: StaticEmbedder, monkeypatch: pytest.MonkeyPatch) -> None:
    batch = [f"word{i} and w{i % 7}" for i in range(200)]
    expected = embedder.embed_documents(batch)
    monkeypatch.setattr(static, "_CACHE_PIECES", 5)
    small = StaticEmbedder()
    assert np.array_equal(small.embed_documents(batch), expected)
    assert len(small._ids) <= 5


def test_threads_get_the_same_vectors_as_one_caller(monkeypatch: pytest.MonkeyPatch) -> None:
    batches = [[f"{word} {i} in thread {i % 5}" for i in range(50)] for word in ("tea", "rain", "train", "book") * 4]
    expected = [StaticEmbedder().embed_documents(batch) for batch in batches]
    monkeypatch.setattr(static, "_CACHE_PIECES", 20)  # so that threads also empty the cache under one another
    fresh = StaticEmbedder()
    with ThreadPoolExecutor(8) as pool:
        for vectors, same in zip(pool.map(fresh.embed_documents, batches), expected, strict=True):
            assert np.array_equal(vectors, same)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="the platform has no fork")
def test_a_forked_child_embeds_the_same_and_nothing_is_printed() -> None:
    # Python itself deprecates forking once any library, here numpy's, has started a thread.
    command = [sys.executable, "-W", "ignore::DeprecationWarning", "-c", FORK_SCRIPT]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    environment.pop("TOKENIZERS_PARALLELISM", None)
    done = subprocess.run(command, check=False, capture_output=True, text=True, timeout=60, env=environment)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
