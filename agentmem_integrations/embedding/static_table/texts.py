"""The texts that the table is taught with: WordNet's definitions and examples, and everyday sentences with its words.

Nothing that embedders or memories are evaluated on is among them. The same WordNet gives the same texts in the same order, whatever
the machine.
"""

import hashlib
import random
import re
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from sentences import CATEGORIES, sentences  # beside this file: both are run as scripts

WORDNET_SHA256 = {  # of Debian's wordnet-base 1:3.0-37, WordNet 3.0
    "data.noun": "fea17d2f9656611334eac790e5d69e47645fa180c4aa481fb4cd9b3520754ca2",
    "data.verb": "adcf43e35b581e8036d8b5a52d63d9cd3d3b4870b2720d3c03c799df44777bc2",
    "data.adj": "c89120dfc1f046ddff4a631bf9b7e9fa1a36b5e86565a23bf82dbe14f30b88a7",
    "data.adv": "444a63bf3955080ab7524f5079cfc07ff9bc682cb98bdb1db73b0fb9829f1139",
    "cntlist.rev": "a198580b8f705fa02797bba8b13e5cbe4a9f9f40cb1697e774c7fc6a5865b035",
}
DEFINITIONS = 60_000  # of 117,571: the others would take as long again and hold few words that these do not
SENTENCES = 30_000
WORDS = 12_000
PASSAGES = 2_000  # of six texts each: memories can be long
USUAL = 1_500  # so many words of a category are its usual ones, where it has as many

_KINDS = {"noun": "1", "verb": "2", "adj": "3", "adv": "4"}  # in sense keys; 5, of satellites, is an adjective too
_VERBS = range(29, 44)  # lexicographer files


class Synset(NamedTuple):
    """One meaning: part of speech, number of its lexicographer file, its words, what they mean, and how they are used."""

    part: str
    file: int
    words: list[str]
    definition: str
    examples: list[str]


class Usage:
    """How often words were met in which meaning, by the texts that WordNet's authors tagged."""

    def __init__(self, file: Path) -> None:
        self._all: defaultdict[str, int] = defaultdict(int)
        self._by_file: defaultdict[tuple[str, str, int], int] = defaultdict(int)
        for line in file.read_text("ascii").splitlines():
            key, _, count = line.split()
            word, _, sense = key.partition("%")
            kind, lexicographer_file = sense.split(":")[:2]
            self._all[word] += int(count)
            self._by_file[word, "3" if kind == "5" else kind, int(lexicographer_file)] += int(count)

    def count(self, word: str, part: str, file: int | None) -> int:
        """Return how often `word` was met in a meaning of this lexicographer file; of any of verbs for None."""
        files = _VERBS if file is None else (file,)
        return sum(self._by_file[_key(word), _KINDS[part], each] for each in files)

    def is_usual(self, word: str, part: str, file: int | None) -> bool:
        """Return whether `word` has such a meaning at least every other time that it was met."""
        return self.count(word, part, file) >= 0.5 * self._all[_key(word)]


def training_texts(wordnet: Path) -> list[tuple[str, str]]:
    """Return what to teach with, as (kind, text), in an order of which every beginning is a fair sample.

    Args:
        wordnet: The folder with WordNet's `data.noun` and so on.
    """
    check(wordnet)
    draw = random.Random(1)
    definitions, examples, words = [], [], set()
    categories: defaultdict[str, set[str]] = defaultdict(set)
    for synset in synsets(wordnet):
        for category, (part, file) in CATEGORIES.items():
            if part == synset.part and file in (None, synset.file):
                categories[category].update(w for w in synset.words if _is_plain(w, names=category == "place"))
        definitions.append(explained(synset, draw))
        if len(synset.examples) > 1 and draw.random() < 0.2:
            examples.append(". ".join(synset.examples) + ".")
        else:
            examples += synset.examples
        words.update([synset.words[0], *(w for w in synset.words if " " in w)])
    usage = Usage(wordnet / "cntlist.rev")
    ordered = {name: by_usage(found, usage, *CATEGORIES[name], draw) for name, found in categories.items()}
    spoken = list(dict.fromkeys(sentences(ordered, SENTENCES, seed=2)))
    definitions, examples, alone = list(dict.fromkeys(filter(None, definitions))), list(dict.fromkeys(examples)), sorted(words)
    for texts in (definitions, examples, spoken, alone):
        draw.shuffle(texts)
    passages = [" ".join(draw.sample(definitions, 3) + draw.sample(spoken, 1) + draw.sample(examples, 2)) for _ in range(PASSAGES)]
    kinds = {"definition": definitions[:DEFINITIONS], "example": examples, "sentence": spoken, "word": alone[:WORDS], "passage": passages}
    mixed = [(kind, text) for kind, texts in kinds.items() for text in texts]
    draw.shuffle(mixed)
    return mixed


def check(wordnet: Path) -> None:
    """Stop unless these are the files that the table was made with."""
    for name, expected in WORDNET_SHA256.items():
        found = hashlib.sha256((wordnet / name).read_bytes()).hexdigest()
        if found != expected:
            raise SystemExit(f"{wordnet / name}: expected SHA-256 {expected}, found {found}")


def synsets(wordnet: Path) -> Iterator[Synset]:
    """Yield every meaning that WordNet knows; the format is that of its manual page wndb(5)."""
    for part in _KINDS:
        for line in (wordnet / f"data.{part}").read_text("ascii").splitlines():
            if line.startswith("  "):  # the licence
                continue
            data, _, gloss = line.partition("|")
            fields = data.split()
            words = [re.sub(r"\(.*?\)", "", fields[4 + 2 * i]).replace("_", " ") for i in range(int(fields[3], 16))]
            examples = [example.strip(" .;") for example in re.findall(r'"([^"]+)"', gloss)]
            definition = re.sub(r"(\s*;\s*)+", "; ", re.sub(r'"[^"]*"', "", gloss).strip(" ;"))
            yield Synset(part, int(fields[1]), words, definition, examples)


def explained(synset: Synset, draw: random.Random) -> str:
    """Return the definition, alone or with words that it defines: so rare words and names are learned too."""
    some, definition = ", ".join(synset.words[:3]), synset.definition
    return draw.choice([definition, f"{some}: {definition}", f"{synset.words[0]}: {definition}", f"{some} ({definition})"])


def by_usage(words: set[str], usage: Usage, part: str, file: int | None, draw: random.Random) -> list[str]:
    """Return the words of a category that usually mean that, commonest first, and then some that are rare."""
    usual = [word for word in sorted(words) if usage.is_usual(word, part, file)]
    met = [word for word in usual if usage.count(word, part, file)]
    rare = [word for word in usual if not usage.count(word, part, file)]
    met = sorted(met, key=lambda word: -usage.count(word, part, file))[:USUAL]
    draw.shuffle(rare)
    return met + rare[: max(200, len(met) // 2)]


def _is_plain(word: str, *, names: bool) -> bool:
    return word.count(" ") <= 1 and len(word) > 2 and (names or word.islower())


def _key(word: str) -> str:
    return word.lower().replace(" ", "_")
