"""Compares the text index with the memories, word by word, in both directions, and mends it row by row.

FTS5 can list all its words with their places (the `instance` table of fts5vocab). They are folded into one number for each
memory, a sum of hashes, which does not depend on the order they come in. The same is done with the words that the memory's text
has now; where the two numbers differ, the index has other words than the memory.

FTS5 forgets the words of a row only if it is told the very words it was given. Where these are not those of the memory, only the
index itself knows them. So a connection is opened whose tokenizer, under the name of the real one, takes a list of words apart
and changes nothing: through it the index is told just the words that were read from it.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import Final

import apsw

from ....errors import SchemaError, StorageError
from ....filters import canonical
from ..file.connections import Step
from ..statements import Row, query, statements
from .findings import Findings
from .schema import WORDS, pristine, set_options

COLUMNS: Final = ("scope", "body", "context")
LONGEST: Final = 32_768  # bytes of a word that FTS5 keeps (FTS5_MAX_TOKEN_SIZE)
AT_ONCE: Final = 20_000  # words read in one step
LOOKED_UP: Final = 500

Places = dict[str, dict[int, bytes]]
"""The words of one memory in the index: by column, by place."""


def in_place(word: bytes, column: str, place: int) -> int:
    """Return the number that a word in its place counts for.

    A hash of bytes (SipHash), not of a tuple: that is so nearly linear in each of its parts that one in eighteen short texts had
    the same sum with its words in another order.
    """
    return hash(b"%b %d " % (column.encode(), place) + word)


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
        number = sum(in_place(word, column, place) for column, words in zip(COLUMNS, cut, strict=True) for place, word in enumerate(words))
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


def _instances(step: Step) -> Iterator[list[tuple[bytes, int, str, int]]]:
    """Give the words of the text index, word by word, many at once: word, memory's number, column, place."""
    step(lambda c: query(c, "know_instances"))
    cursor = step(lambda c: iter(c.execute(statements()["read_instances"])))
    while rows := step(lambda _: list(islice(cursor, AT_ONCE))):
        yield rows


def _read_words(step: Step, index: Index, scope: int | None) -> list[tuple[bytes, int]]:
    """Fold the words; return each once, with how often it was read."""
    folded, told, own = index.folded, list[tuple[bytes, int]](), None if scope is None else str(scope).encode()
    last, count = None, 0
    for rows in _instances(step):
        for word, memory, column, place in rows:
            folded[memory] += in_place(word, column, place)
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
    for rows in _instances(step):
        for word, memory, column, place in rows:
            if memory in found:
                found[memory].setdefault(column, {})[place] = word
    return found


GLUE: Final = "\x1f"  # between words; no tokenizer leaves a control character in one
LOOKED_FOR: Final = 64  # words of each column that are looked for in their places before anything is erased


class WordMender:
    """Puts other words in the place of those that the text index has of a memory.

    Args:
        connection: One of its own, which is not used for anything else.
    """

    def __init__(self, connection: apsw.Connection) -> None:
        self._connection = connection
        self._cutter = Cutter(connection)  # the real one, as long as it is known
        connection.register_fts5_tokenizer(pristine().tokenizer[0], lambda connection, arguments: _split)

    def mend(self, no: int, places: Places) -> bool:
        """Forget the words that were read of a row, and write those of the memory, if it lives.

        Args:
            no: The row.
            places: Words and places that the index had.

        Returns:
            Whether that could be done. If somebody else has changed the row since, there is nothing to do.
        """
        given = glued(places)
        if given is None:
            return False
        try:
            wanted = [self._wanted(row) for row in query(self._connection, "words_of", (no,))]
        except UnicodeDecodeError:  # a word so long that the index has it cut inside a letter
            return False
        if not self._are_there(no, given):
            return True
        sizes = query(self._connection, "docsizes", (f"[{no}]",))
        if not sizes or varints(sizes[0][1]) != [len(_words(part)) for part in given]:
            return False
        self._run("erase_these_words", no, *given)
        for parts in wanted:
            self._run("insert_these_words", no, *parts)
        return True

    def _wanted(self, row: Row) -> list[str]:
        return [GLUE.join(word.decode() for word in self._cutter.words(None if part is None else str(part))) for part in row]

    def _are_there(self, no: int, given: Sequence[str]) -> bool:
        """Say whether the index still has these words of the row, as many and in these places."""
        phrases = [(column, _words(part)) for column, part in zip(COLUMNS, given, strict=True) if part]
        expression = " AND ".join(f'{column} : ^ "{_quoted(words[:LOOKED_FOR])}"' for column, words in phrases)
        return bool(query(self._connection, "has_these_words", (no, expression)))

    def _run(self, name: str, *values: object) -> None:
        self._connection.execute(statements()[name], values)


def _quoted(words: Sequence[str]) -> str:
    return GLUE.join(words).replace('"', '""')


def _split(text: bytes, flags: int, locale: str | None) -> list[str]:
    return _words(text.decode())


def _words(part: str) -> list[str]:
    return part.split(GLUE) if part else []


def glued(places: Places) -> list[str] | None:
    """Return the words of each column as one text; None if some are missing in between, or are no text: only rebuilding helps then."""
    parts = []
    for column in COLUMNS:
        words = places.get(column, {})
        try:
            parts.append(GLUE.join(words[place].decode() for place in range(len(words))))
        except (KeyError, UnicodeDecodeError):
            return None
    return parts


def make_words_anew(connection: apsw.Connection) -> None:
    """Fill the text index from the memories; where it is past that, make it anew as well.

    Raises:
        apsw.Error: the file does not let go of what is there.
    """
    try:
        connection.execute("SAVEPOINT rebuilding")
        connection.execute(statements()["rebuild_words"])
        connection.execute("RELEASE rebuilding")
    except apsw.Error:
        connection.execute("ROLLBACK TO rebuilding; RELEASE rebuilding")
        _create_words(connection)
        connection.execute(statements()["rebuild_words"])


def _create_words(connection: apsw.Connection) -> None:
    """FTS5 drops its tables only if it can open them: give it back those that are missing first."""
    wanted = pristine()
    there = {name for _, name, _, _ in query(connection, "read_schema")}
    if WORDS in there:
        for name, (_, sql) in wanted.objects.items():
            if name.startswith(WORDS) and name not in there:
                connection.execute(sql)
        for setting in wanted.word_settings.items():
            connection.execute(statements()["set_word_setting"], setting)
        connection.execute(statements()["drop_words"])
    connection.execute(wanted.objects[WORDS][1])
    set_options(connection, wanted.word_settings)
