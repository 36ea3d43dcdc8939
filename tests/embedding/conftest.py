"""The real MiniLM that tests embed with."""

import hashlib
from pathlib import Path

import pytest

MINILM = Path(__file__).parents[2] / ".cache" / "minilm"


@pytest.fixture(scope="session")
def minilm() -> Path:
    """A folder with all-MiniLM-L6-v2 as an ONNX model; `make test` makes it once."""
    if not (MINILM / "SHA256SUMS").exists():
        pytest.fail("the model of the tests is not there: run `make .cache/minilm/SHA256SUMS`, or all of `make test`")
    return MINILM


@pytest.fixture(scope="session")
def intact(minilm: Path) -> Path:
    """The same, after its files were compared with their checksums."""
    words = (minilm / "SHA256SUMS").read_text().split()
    for digest, name in zip(words[::2], words[1::2], strict=True):
        assert hashlib.sha256((minilm / name).read_bytes()).hexdigest() == digest, f"{name} is damaged: run `make clean test`"
    return minilm
