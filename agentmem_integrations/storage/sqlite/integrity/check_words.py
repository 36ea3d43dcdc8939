"""Compares the text index with the memories, word by word, in both directions.

FTS5 can list all its words with their places (the `instance` table of fts5vocab). They are folded into one number for each
memory, a sum of hashes, which does not depend on the order they come in. The same is done with the words that the memory's text
has now; where the two numbers differ, the index has other words than the memory.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import Final

import apsw

from ....errors import SchemaError, StorageError
from ....filters import canonical
from ..connections import Step
from ..statements import query, statements
from .findings import Findings
from .pristine import WORDS, pristine

COLUMNS: Final = ("scope", "body", "context")
LONGEST: Final = 32_768  # bytes of a word that FTS5 keeps (FTS5_MAX_TOKEN_SIZE)
AT_ONCE: Final = 20_000  # words read in one step
LOOKED_UP: Final = 500

Places = dict[str, dict[int, bytes]]
"""The words of one memory in the index: by column, by place."""


class Cutter:
    """Cuts text into words as the text index does.

    Args:
        connection: Whose tokenizers are used.
    """

    def __init__(self, connection: apsw.Connection) -> None:
        name, *arguments = pristine().tokenizer
        self._cut = connection.fts5_tokenizer(name, arguments)

    def words(self, text: str | None) -> list[bytes]:
        """Return the words of a text, in order."""
        if not text:
            return []
        cut = self._cut(text.encode(), apsw.FTS5_TOKENIZE_DOCUMENT, None, include_offsets=False, include_colocated=False)
        return [str(word).encode()[:LONGEST] for word in cut]

    def folded(self, *texts: str | None) -> tuple[int, list[int]]:
        """Return the number that the words of the columns fold into, and how many there are in each."""
        cut = [self.words(text) for text in texts]
        number = sum(hash((word, column, place)) for column, words in zip(COLUMNS, cut, strict=True) for place, word in enumerate(words))
        return number, [len(words) for words in cut]


@dataclass(slots=True)
class Index:
    """What the text index has.

    Attributes:
        folded: By memory's number, what its words fold into.
        of_scope: Memories whose words are under the scope that is checked; empty if the whole file is.
    """

    folded: defaultdict[int, int] = field(default_factory=lambda: defaultdict(int))
    of_scope: set[int] = field(default_factory=set)


def read_index(step: Step, findings: Findings, scope: int | None) -> Index | None:
    """Read every word of the text index; None if it is broken, which is noted then.

    Args:
        step: Works on the snapshot.
        findings: What was found so far.
        scope: Only this scope's memories matter; all words are read even so, since FTS5 lists them by word.
    """
    if findings.has("text_broken"):
        return None
    index = Index()
    try:
        told = _read_words(step, index, scope)
        if not all(_can_be_looked_up(step, told)) or (scope is None and not _adds_up(step, index)):
            raise SchemaError("the text index contradicts itself")
    except UnicodeDecodeError:  # words that are none
        findings.add("text_broken", WORDS)
        return None
    except StorageError as error:
        if not isinstance(error, SchemaError) and type(error) is not StorageError:  # busy, or a failing disk
            raise
        findings.add("text_broken", WORDS)
        return None
    return index


def instances(step: Step) -> Iterator[list[tuple[bytes, int, str, int]]]:
    """Give the words of the text index, word by word, many at once: word, memory's number, column, place."""
    step(lambda c: query(c, "know_instances"))
    cursor = step(lambda c: iter(c.execute(statements()["read_instances"])))
    while rows := step(lambda _: list(islice(cursor, AT_ONCE))):
        yield rows


def _read_words(step: Step, index: Index, scope: int | None) -> list[tuple[bytes, int]]:
    """Fold the words; return each once, with how often it was read."""
    folded, told, own = index.folded, list[tuple[bytes, int]](), None if scope is None else str(scope).encode()
    last, count = None, 0
    for rows in instances(step):
        for word, memory, column, place in rows:
            folded[memory] += hash((word, column, place))
            if word == last:
                count += 1
            else:
                if last is not None:
                    told.append((last, count))
                last, count = word, 1
            if word == own and column == "scope":
                index.of_scope.add(memory)
    return told if last is None else [*told, (last, count)]


def _can_be_looked_up(step: Step, told: Sequence[tuple[bytes, int]]) -> Iterator[bool]:
    """Look every word up, as a search does: FTS5 finds words through a table of its own, which reading them all does not touch."""
    step(lambda c: query(c, "know_words"))
    for start in range(0, len(told), LOOKED_UP):
        wanted = {word.decode(): count for word, count in told[start : start + LOOKED_UP] if len(word) < LONGEST}
        yield dict(step(lambda c: query(c, "look_up_words", (canonical(list(wanted)),)))) == wanted  # noqa: B023 - called at once


def _adds_up(step: Step, index: Index) -> bool:
    """Compare what FTS5 noted of each memory's length, and of all lengths, with the memories it has words of."""
    rows = step(lambda c: query(c, "read_docsizes"))
    sizes = [varints(size) for _, size in rows]
    blocks = step(lambda c: query(c, "read_averages"))
    noted = varints(blocks[0][0]) if blocks else []
    totals = [len(rows), *(sum(column) for column in zip(*sizes, strict=False))]
    known = {memory for memory, _ in rows}
    return known == index.folded.keys() and (noted == totals or (not any(noted) and not rows))


def varints(block: object) -> list[int]:
    """Read SQLite's numbers of variable length (https://www.sqlite.org/fileformat.html#varint), of up to eight bytes each.

    What is no blob gives a number that none can be.
    """
    if not isinstance(block, bytes):
        return [-1]
    numbers, number = [], 0
    for byte in block:
        number = number << 7 | byte & 0x7F
        if byte < 0x80:
            numbers.append(number)
            number = 0
    return numbers


def places(step: Step, memories: Iterable[int]) -> dict[int, Places]:
    """Return the words that the index has of these memories, with their places."""
    found: dict[int, Places] = {memory: {} for memory in memories}
    for rows in instances(step):
        for word, memory, column, place in rows:
            if memory in found:
                found[memory].setdefault(column, {})[place] = word
    return found
