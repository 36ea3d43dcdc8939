"""The ONNX model that other tests run is all-MiniLM-L6-v2: its vectors are those of the model's definition."""

import hashlib
import importlib.util
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

from agentmem_integrations.embedding import FastEmbed

TEXTS = """\
I am allergic to peanuts and shellfish.
Which city does she live in now?
ok
Thanks!
a
hippopotamus
antidisestablishmentarianism
2023-05-08T13:56:00Z
The meeting is moved to Thursday at 3:30 pm.
THE QUICK BROWN FOX JUMPS OVER THE LAZY DOG
the of and to in
!!! ??? ...
def add(a, b): return a + b
TypeError: unsupported operand type(s) for +: 'int' and 'str'
It\u2019s a caf\u00e9 in S\u00e3o Paulo \u2014 na\u00efve, really.
\u6771\u4eac\u306b\u4f4f\u3093\u3067\u3044\u307e\u3059
\u041f\u0440\u0438\u0432\u0435\u0442, \u043a\u0430\u043a \u0434\u0435\u043b\u0430?
\u0645\u0631\u062d\u0628\u0627
a \U0001f600 b
[MASK] [PAD] [CLS]
Concert tickets cost $45 each.
Photosynthesis turns light, water and carbon dioxide into sugar and oxygen.""".splitlines()
LENGTHS = [
    f"note {i}: " + " ".join(f"{word} and" for word in ("tea", "rain", "train", "book", "cat")[: i % 5 + 1]) * (i + 1) for i in range(28)
]
LONG = " ".join(f"the {i}th word of a text far longer than the model reads" for i in range(60))


def script(name: str) -> ModuleType:
    path = Path(__file__).with_name("onnx_minilm") / f"{name}.py"
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_weights_are_the_official_ones(intact: Path) -> None:
    digest = hashlib.sha256((intact / "model.safetensors").read_bytes()).hexdigest()
    assert digest == "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db" == script("build").WEIGHTS_SHA256


def test_vectors_are_those_of_the_models_definition(intact: Path) -> None:
    reference = script("reference").Reference(intact)
    texts = [*TEXTS, *LENGTHS, LONG]
    expected = np.stack([reference.embed(text) for text in texts])
    model = FastEmbed(str(intact), sessions=1).open()
    together = model.lanes[0].embed(texts, "passage")
    model.close()
    assert len(texts) > 50
    assert (together * expected).sum(axis=1).min() > 0.999999


@pytest.mark.parametrize(
    ("text", "related", "unrelated"),
    [
        ("I am allergic to peanuts", "the user cannot eat nuts", "the train to Lisbon leaves at noon"),
        ("She adopted a grey cat", "do they have any pets?", "interest rates rose again"),
    ],
)
def test_it_knows_what_belongs_together(minilm: Path, text: str, related: str, unrelated: str) -> None:
    model = FastEmbed(str(minilm), sessions=1).open()
    one, near, far = model.lanes[0].embed([text, related, unrelated], "passage")
    model.close()
    assert one @ near > one @ far + 0.2
