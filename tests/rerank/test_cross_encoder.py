"""The cross-encoder, through fastembed, on a real transformer whose answers are worked out beside it."""

import asyncio
import math
import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest
from headed import MINILM, made

from agentmem_integrations import AgentMemory, InvalidInputError, Memory, MissingExtraError, RerankError
from agentmem_integrations.models import Scope
from agentmem_integrations.rerank import CrossEncoder
from agentmem_integrations.rerank.cross_encoder import CrossEncoderReranker

Logit = Callable[[str, str], float]
Run = Callable[..., str]

SCOPE = Scope("default", "ana")
QUESTION = "where does she live now?"
TEXTS = [
    "I moved to Lisbon in May",
    "the dog is called Rex",
    "tea " * 400,
    "Ana likes rye bread and strong coffee",
    "Träger 北京",
]


@pytest.fixture(scope="module")
def opened(cross_encoder: Path) -> CrossEncoderReranker:
    return CrossEncoder(str(cross_encoder)).open()


def judged(reranker: CrossEncoderReranker, question: str, memories: Sequence[Memory]) -> list[float]:
    return [number for number in asyncio.run(reranker.rerank(question, memories, SCOPE)) if number is not None]


def probability(logit: float) -> float:
    return 1 / (1 + math.exp(-logit))


def test_its_numbers_are_those_of_the_model_by_definition(opened: CrossEncoderReranker, logit: Logit) -> None:
    expected = [probability(logit(QUESTION, text)) for text in TEXTS]
    assert max(expected) - min(expected) > 0.2  # else anything would do
    assert judged(opened, QUESTION, [Memory(str(n), text) for n, text in enumerate(TEXTS)]) == pytest.approx(expected, abs=1e-4)


def test_who_speaks_is_part_of_what_it_reads(opened: CrossEncoderReranker, logit: Logit) -> None:
    (number,) = judged(opened, QUESTION, [Memory("1", "I moved to Lisbon", name="Ana")])
    assert number == pytest.approx(probability(logit(QUESTION, "Ana: I moved to Lisbon")), abs=1e-4)


def test_many_come_back_in_the_order_they_were_given(opened: CrossEncoderReranker) -> None:
    memories = [Memory(str(n), f"note {n} " + "about the weather in May " * (n * 7 % 11)) for n in range(40)]
    together = judged(opened, QUESTION, memories)
    assert together == pytest.approx([judged(opened, QUESTION, [memory])[0] for memory in memories], abs=1e-4)
    assert len({round(number, 5) for number in together}) > 30


def test_a_search_is_reordered_by_it(cross_encoder: Path, logit: Logit) -> None:
    texts = TEXTS[:2] + TEXTS[3:4]
    with AgentMemory("memory://", reranker=f"fastembed:{cross_encoder}", rerank_weight=1.0) as mem:
        mem.add_batch(texts, user_id="ana")
        hits = mem.search(QUESTION, user_id="ana")
    expected = sorted(texts, key=lambda text: -logit(QUESTION, text))
    assert [hit.memory.text for hit in hits] == expected
    assert [hit.score for hit in hits] == pytest.approx([probability(logit(QUESTION, text)) for text in expected], abs=1e-4)


def test_half_a_character_and_a_very_long_text_are_read_too(opened: CrossEncoderReranker) -> None:
    numbers = judged(opened, "half \ud83d " + "long " * 20_000, [Memory("1", "x\ud83d"), Memory("2", "y " * 60_000)])
    assert all(0 <= number <= 1 for number in numbers)


def test_a_known_model_may_lie_in_a_folder_so_that_nothing_is_downloaded(cross_encoder: Path, tmp_path: Path, logit: Logit) -> None:
    (tmp_path / "onnx").mkdir()
    for file in cross_encoder.iterdir():
        (tmp_path / ("onnx/model.onnx" if file.suffix == ".onnx" else file.name)).hardlink_to(file)
    reranker = CrossEncoder("xenova/ms-marco-minilm-l-6-v2", path=tmp_path).open()
    assert reranker.name == "fastembed:Xenova/ms-marco-MiniLM-L-6-v2"
    assert judged(reranker, QUESTION, [Memory("1", TEXTS[0])]) == pytest.approx([probability(logit(QUESTION, TEXTS[0]))], abs=1e-4)


@pytest.mark.parametrize("shape", [(384, 2), (384, 3)])
def test_a_model_of_several_outputs_is_refused(tmp_path: Path, shape: tuple[int, int]) -> None:
    folder = made(tmp_path, np.ones(shape, np.float32))
    with pytest.raises(InvalidInputError, match="not one number"):
        AgentMemory("memory://", reranker=f"fastembed:{folder}")


def test_an_embedding_model_is_refused() -> None:
    with pytest.raises(InvalidInputError, match="no reranker"):
        AgentMemory("memory://", reranker=f"fastembed:{MINILM}")


def test_a_name_that_nobody_knows_is_refused_before_anything_is_made(tmp_path: Path) -> None:
    with pytest.raises(InvalidInputError, match="neither a folder nor a model"):
        AgentMemory(tmp_path / "memory.db", reranker="fastembed:nobody/knows")


def test_a_folder_without_a_model_says_what_is_missing(tmp_path: Path) -> None:
    with pytest.raises(InvalidInputError, match=r"model\.onnx"):
        CrossEncoder(str(tmp_path)).open()


def test_a_damaged_model_is_an_error_of_the_reranker(cross_encoder: Path, tmp_path: Path) -> None:
    for file in cross_encoder.iterdir():
        (tmp_path / file.name).write_bytes(file.read_bytes() if file.suffix == ".json" else b"damaged")
    with pytest.raises(RerankError, match="cannot be loaded"):
        CrossEncoder(str(tmp_path)).open()


def test_a_model_that_returns_no_number_fails_the_search(tmp_path: Path) -> None:
    folder = made(tmp_path, np.full((384, 1), np.nan, np.float32))
    with AgentMemory("memory://", reranker=f"fastembed:{folder}") as mem:
        mem.add("tea", user_id="ana")
        with pytest.raises(RerankError, match="not finite"):
            mem.search("tea", user_id="ana")
        assert len(mem.search("tea", user_id="ana", rerank=False)) == 1


def test_without_fastembed_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "fastembed", None)
    with pytest.raises(MissingExtraError, match=r'pip install "agentmem-integrations\[fastembed\]"'):
        AgentMemory("memory://", reranker="fastembed:Xenova/ms-marco-MiniLM-L-6-v2")


@pytest.mark.parametrize("batch", [0, -1, True, "8"])
def test_a_batch_is_a_whole_number_from_1(batch: object) -> None:
    with pytest.raises(InvalidInputError, match="batch"):
        CrossEncoder(batch=batch).open()  # type: ignore[arg-type]


FORK = """
import os, sys
from agentmem_integrations import AgentMemory
mem = AgentMemory("memory.db", reranker="fastembed:" + sys.argv[1])
mem.add_batch([f"note {n} about tea" for n in range(20)], user_id="ana")
before = [hit.score for hit in mem.search("tea", user_id="ana")]
child = os.fork()
if child == 0:
    import signal
    signal.alarm(50)
    assert [hit.score for hit in mem.search("tea", user_id="ana")] == before
    mem.close()
    sys.exit(0)
assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
assert [hit.score for hit in mem.search("tea", user_id="ana")] == before
mem.close()
print("done")
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="the platform has no fork")
def test_a_forked_child_reranks_too(cross_encoder: Path, run_python: Run) -> None:
    assert run_python(FORK, str(cross_encoder)).split() == ["done"]
