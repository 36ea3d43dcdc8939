"""Mends the text index row by row.

FTS5 forgets the words of a row only if it is told the very words it was given. Where these are not those of the memory, only the
index itself knows them. So a connection is opened whose tokenizer, under the name of the real one, takes a list of words apart
and changes nothing: through it the index is told just the words that were read from it.
"""

from collections.abc import Mapping, Sequence
from typing import Final

import apsw

from ..statements import Row, query, statements
from .check_words import COLUMNS, Cutter, Places, varints
from .pristine import WORDS, pristine

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


def set_options(connection: apsw.Connection, settings: Mapping[str, object]) -> None:
    """Tell the text index what it is to do."""
    for setting, value in settings.items():
        if setting != "version":  # FTS5's own
            connection.execute(statements()["set_words_option"], (setting, value))
