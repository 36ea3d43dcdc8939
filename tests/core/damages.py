"""Ways to damage a memory file from outside, each with what `verify` must say of it."""

from collections.abc import Callable
from dataclasses import dataclass

import apsw
import numpy as np

Damage = Callable[[apsw.Connection], None]

WORDS = "memories_fts (memories_fts, rowid, scope, body, context) SELECT 'delete', no, scope, body, context FROM memories_lexical"


@dataclass
class Case:
    """One kind of damage.

    Attributes:
        inflict: Does it.
        kind: What it is called.
        count: How many differences it makes.
        whole: It concerns the file, not a memory of Ana's.
    """

    inflict: Damage
    kind: str
    count: int = 1
    whole: bool = False


CASES: dict[str, Case] = {}


def damages(kind: str, count: int = 1, *, whole: bool = False) -> Callable[[Damage], Damage]:
    """Register a damage."""

    def register(inflict: Damage) -> Damage:
        CASES[inflict.__name__] = Case(inflict, kind, count, whole)
        return inflict

    return register


def no_of(file: apsw.Connection, id: str) -> int:
    return int(file.execute("SELECT no FROM memories WHERE id = ?", (id,)).get)


def vector_of(file: apsw.Connection, id: str) -> bytes:
    return bytes(file.execute("SELECT vector FROM vectors WHERE memory = ?", (no_of(file, id),)).get)


def set_vector(file: apsw.Connection, id: str, vector: bytes) -> None:
    file.execute("UPDATE vectors SET vector = ? WHERE memory = ?", (vector, no_of(file, id)))


# The text index


@damages("text_missing")
def a_memory_is_missing_from_the_text_index(file: apsw.Connection) -> None:
    file.execute(f"INSERT INTO {WORDS} WHERE no = ?", (no_of(file, "tea"),))


@damages("text_orphaned")
def the_text_index_has_words_of_a_memory_that_never_was(file: apsw.Connection) -> None:
    scope = file.execute("SELECT scope FROM memories WHERE id = 'tea'").get
    file.execute("INSERT INTO memories_fts (rowid, scope, body, context) VALUES (1000000, ?, 'ghostly words', NULL)", (scope,))


@damages("text_orphaned")
def the_text_index_has_words_of_a_deleted_memory(file: apsw.Connection) -> None:
    file.execute("INSERT INTO memories_fts (rowid, scope, body) SELECT no, scope, text FROM memories WHERE id = 'buried'")


@damages("text_stale")
def the_text_index_has_other_words(file: apsw.Connection) -> None:
    file.execute(f"INSERT INTO {WORDS} WHERE no = ?", (no_of(file, "tea"),))
    file.execute("INSERT INTO memories_fts (rowid, scope, body) SELECT no, scope, 'running dogs' FROM memories WHERE id = 'tea'")


@damages("text_stale")
def the_text_index_has_the_words_in_another_order(file: apsw.Connection) -> None:
    file.execute(f"INSERT INTO {WORDS} WHERE no = ?", (no_of(file, "tea"),))
    file.execute(
        "INSERT INTO memories_fts (rowid, scope, body) SELECT no, scope, 'tin the in is tea green The' FROM memories WHERE id = 'tea'"
    )


@damages("text_stale")
def the_text_index_has_the_words_under_another_owner(file: apsw.Connection) -> None:
    file.execute(f"INSERT INTO {WORDS} WHERE no = ?", (no_of(file, "tea"),))
    file.execute("INSERT INTO memories_fts (rowid, scope, body) SELECT no, 77, text FROM memories WHERE id = 'tea'")


@damages("text_broken", whole=True)
def a_block_of_the_text_index_is_zeroed(file: apsw.Connection) -> None:
    file.execute("UPDATE memories_fts_data SET block = zeroblob(40) WHERE id = (SELECT max(id) FROM memories_fts_data)")


@damages("text_broken", whole=True)
def a_block_of_the_text_index_is_lost(file: apsw.Connection) -> None:
    file.execute("DELETE FROM memories_fts_data WHERE id = (SELECT max(id) FROM memories_fts_data)")


@damages("text_broken", whole=True)
def the_text_index_cannot_look_words_up(file: apsw.Connection) -> None:
    file.execute("INSERT INTO memories_fts (memories_fts) VALUES ('optimize')")  # in a segment of one leaf no word needs looking up
    file.execute("DELETE FROM memories_fts_idx")


@damages("text_broken", whole=True)
def the_text_index_has_lost_its_lengths(file: apsw.Connection) -> None:
    file.execute("DELETE FROM memories_fts_docsize WHERE id = ?", (no_of(file, "ben 1"),))


@damages("text_broken", whole=True)
def a_length_of_the_text_index_is_no_number(file: apsw.Connection) -> None:
    file.execute("UPDATE memories_fts_docsize SET sz = 'many' WHERE id = ?", (no_of(file, "ben 1"),))


@damages("text_broken", whole=True)
def the_text_index_has_lost_its_averages(file: apsw.Connection) -> None:
    file.execute("DELETE FROM memories_fts_data WHERE id = 1")


@damages("text_broken", whole=True)
def the_text_index_has_lost_its_version(file: apsw.Connection) -> None:
    file.execute("DELETE FROM memories_fts_config WHERE k = 'version'")


@damages("text_broken", whole=True)
def the_text_index_has_lost_a_table(file: apsw.Connection) -> None:
    file.execute("DROP TABLE memories_fts_data")


@damages("text_broken", whole=True)
def the_text_index_has_lost_its_settings(file: apsw.Connection) -> None:
    file.execute("DROP TABLE memories_fts_config")


@damages("text_broken", whole=True)
def the_text_index_is_gone(file: apsw.Connection) -> None:
    file.execute("DROP TABLE memories_fts")


# Vectors


@damages("vector_missing")
def a_vector_is_missing_and_nobody_owes_it(file: apsw.Connection) -> None:
    file.execute("DELETE FROM vectors WHERE memory = ?", (no_of(file, "tea"),))


@damages("vector_orphaned")
def a_vector_is_of_a_memory_that_is_gone(file: apsw.Connection) -> None:
    file.execute("INSERT INTO vectors (scope, memory, field, vector, seal) SELECT scope, 1000000, field, vector, seal FROM vectors "
                 "WHERE memory = ?", (no_of(file, "tea"),))  # fmt: skip


@damages("vector_misplaced")
def a_vector_is_of_a_deleted_memory(file: apsw.Connection) -> None:
    file.execute("INSERT INTO vectors (scope, memory, field, vector, seal) SELECT scope, ?, field, vector, seal FROM vectors "
                 "WHERE memory = ?", (no_of(file, "buried"), no_of(file, "tea")))  # fmt: skip


@damages("vector_misplaced", whole=True)
def a_vector_is_under_the_wrong_owner_beside_the_right_one(file: apsw.Connection) -> None:
    file.execute("INSERT INTO vectors (scope, memory, field, vector, seal) SELECT scope + 1, memory, field, vector, seal FROM vectors "
                 "WHERE memory = ?", (no_of(file, "tea"),))  # fmt: skip


@damages("vector_stale")
def a_vector_is_that_of_other_words(file: apsw.Connection) -> None:
    vector, seal = file.execute("SELECT vector, seal FROM vectors WHERE memory = ?", (no_of(file, "note 1"),)).fetchall()[0]
    file.execute("UPDATE vectors SET vector = ?, seal = ? WHERE memory = ?", (vector, seal, no_of(file, "tea")))


@damages("vector_damaged")
def a_bit_of_a_vector_has_flipped(file: apsw.Connection) -> None:
    vector = bytearray(vector_of(file, "tea"))
    vector[8] ^= 1
    set_vector(file, "tea", bytes(vector))


@damages("vector_damaged")
def a_vector_is_too_short(file: apsw.Connection) -> None:
    set_vector(file, "tea", vector_of(file, "tea")[:-4])


@damages("vector_damaged")
def a_vector_is_empty(file: apsw.Connection) -> None:
    set_vector(file, "tea", b"")


@damages("vector_damaged")
def a_vector_has_impossible_numbers(file: apsw.Connection) -> None:
    set_vector(file, "tea", np.full(64, np.nan, "<f4").tobytes())


@damages("vector_damaged")
def a_vector_has_infinite_numbers(file: apsw.Connection) -> None:
    set_vector(file, "tea", np.full(64, np.inf, "<f4").tobytes())


@damages("vector_damaged")
def a_vector_without_a_seal_has_the_wrong_length(file: apsw.Connection) -> None:
    doubled = 2 * np.frombuffer(vector_of(file, "tea"), "<f4")
    file.execute("UPDATE vectors SET vector = ?, seal = NULL WHERE memory = ?", (doubled.tobytes(), no_of(file, "tea")))


@damages("vector_damaged")
def a_seal_is_cut_short(file: apsw.Connection) -> None:
    file.execute("UPDATE vectors SET seal = substr(seal, 1, 7) WHERE memory = ?", (no_of(file, "tea"),))


# What lies in the row itself


@damages("twin_wrong")
def a_fingerprint_is_missing(file: apsw.Connection) -> None:
    file.execute("UPDATE memories SET twin = NULL WHERE id = 'tea'")


@damages("twin_wrong")
def a_fingerprint_is_another(file: apsw.Connection) -> None:
    file.execute("UPDATE memories SET twin = zeroblob(16) WHERE id = 'tea'")


@damages("twin_wrong", count=2)
def two_fingerprints_are_exchanged(file: apsw.Connection) -> None:
    twins = dict(file.execute("SELECT id, twin FROM memories WHERE id IN ('tea', 'note 1')").fetchall())
    file.execute("UPDATE memories SET twin = NULL WHERE id IN ('tea', 'note 1')")
    file.execute("UPDATE memories SET twin = ? WHERE id = 'tea'", (twins["note 1"],))
    file.execute("UPDATE memories SET twin = ? WHERE id = 'note 1'", (twins["tea"],))


@damages("lexical_stale")
def the_cut_form_of_a_text_is_lost(file: apsw.Connection) -> None:
    file.execute("UPDATE memories SET lexical = NULL WHERE id = 'chinese'")


@damages("lexical_stale")
def the_words_around_a_text_are_others(file: apsw.Connection) -> None:
    file.execute("UPDATE memories SET context = 'somebody else' WHERE id = 'tea'")


@damages("successor_missing")
def a_successor_is_not_there(file: apsw.Connection) -> None:
    file.execute("UPDATE memories SET superseded_by = 'nobody' WHERE id = 'tea'")


@damages("json_invalid")
def metadata_are_no_json(file: apsw.Connection) -> None:
    file.execute("""UPDATE memories SET metadata = '{"city": "Lis' WHERE id = 'tea'""")


@damages("json_invalid")
def metadata_are_no_object(file: apsw.Connection) -> None:
    file.execute("UPDATE memories SET metadata = '[1, 2]' WHERE id = 'tea'")


@damages("json_invalid")
def the_provenance_of_a_line_is_no_json(file: apsw.Connection) -> None:
    file.execute(
        "UPDATE history SET provenance = 'because' WHERE no = (SELECT max(no) FROM history WHERE memory = ?)", (no_of(file, "moved"),)
    )


# History and jobs


@damages("history_orphaned")
def a_line_of_history_is_of_no_memory(file: apsw.Connection) -> None:
    file.execute("INSERT INTO history (memory, scope, event, at) SELECT 1000000, scope, 'UPDATE', 0 FROM memories WHERE id = 'tea'")


@damages("history_misplaced", whole=True)
def a_line_of_history_is_under_the_wrong_owner(file: apsw.Connection) -> None:
    file.execute("UPDATE history SET scope = scope + 1 WHERE no = (SELECT max(no) FROM history WHERE memory = ?)", (no_of(file, "moved"),))


@damages("job_orphaned")
def a_job_is_for_a_memory_that_is_gone(file: apsw.Connection) -> None:
    file.execute(
        "INSERT INTO jobs (kind, scope, memory, due_at, created_at) SELECT 'embed', scope, 1000000, 0, 0 FROM memories WHERE id = 'tea'"
    )


@damages("job_orphaned")
def a_job_is_for_a_deleted_memory(file: apsw.Connection) -> None:
    file.execute(
        "INSERT INTO jobs (kind, scope, memory, due_at, created_at) SELECT 'embed', scope, no, 0, 0 FROM memories WHERE id = 'buried'"
    )


@damages("job_needless")
def a_job_is_for_a_vector_that_is_there(file: apsw.Connection) -> None:
    file.execute(
        "INSERT INTO jobs (kind, scope, memory, due_at, created_at) SELECT 'embed', scope, no, 0, 0 FROM memories WHERE id = 'tea'"
    )


# Vectors of texts embedded before


@damages("kept_damaged")
def a_bit_of_a_kept_vector_has_flipped(file: apsw.Connection) -> None:
    vector = bytearray(file.execute("SELECT vector FROM embedding_cache WHERE memory = ?", (no_of(file, "tea"),)).get)
    vector[3] ^= 0x40  # in the exponent
    file.execute("UPDATE embedding_cache SET vector = ? WHERE memory = ?", (bytes(vector), no_of(file, "tea")))


@damages("kept_damaged")
def a_kept_vector_was_cut(file: apsw.Connection) -> None:
    file.execute("UPDATE embedding_cache SET vector = substr(vector, 1, 7) WHERE memory = ?", (no_of(file, "tea"),))


@damages("kept_damaged")
def a_kept_vector_is_of_no_memory(file: apsw.Connection) -> None:
    file.execute("PRAGMA foreign_keys = OFF")
    file.execute("UPDATE embedding_cache SET memory = 1000000 WHERE memory = ?", (no_of(file, "tea"),))


# The schema


@damages("schema_differs", whole=True)
def an_index_was_dropped(file: apsw.Connection) -> None:
    file.execute("DROP INDEX memories_scope")


@damages("schema_differs", whole=True)
def a_unique_index_was_dropped(file: apsw.Connection) -> None:
    file.execute("DROP INDEX memories_twin")


@damages("schema_differs", whole=True)
def an_index_is_another(file: apsw.Connection) -> None:
    file.execute("DROP INDEX vectors_memory; CREATE INDEX vectors_memory ON vectors (memory)")


@damages("schema_differs", whole=True)
def the_view_was_dropped(file: apsw.Connection) -> None:
    file.execute("DROP VIEW memories_lexical")


@damages("schema_differs", whole=True)
def the_text_index_no_longer_deletes_securely(file: apsw.Connection) -> None:
    file.execute("INSERT INTO memories_fts (memories_fts, rank) VALUES ('secure-delete', 0)")


@damages("index_damaged", whole=True)
def an_index_does_not_know_a_row(file: apsw.Connection) -> None:
    behind_the_back_of(file, "memories_session", "UPDATE memories SET session_id = 'another' WHERE id = 'note 1'")


@damages("index_damaged", whole=True)
def a_unique_index_does_not_know_a_row(file: apsw.Connection) -> None:
    behind_the_back_of(file, "memories_id", "UPDATE memories SET id = 'coffee' WHERE id = 'note 1'")


def behind_the_back_of(file: apsw.Connection, index: str, change: str) -> None:
    """Change a row while SQLite believes that there is no such index."""
    path = file.filename
    row = file.execute("SELECT * FROM sqlite_schema WHERE name = ?", (index,)).fetchall()[0]
    file.execute("PRAGMA writable_schema = ON")
    file.execute("DELETE FROM sqlite_schema WHERE name = ?", (index,))
    other = apsw.Connection(path)
    other.execute(change)
    other.execute("PRAGMA writable_schema = ON")
    other.execute("INSERT INTO sqlite_schema VALUES (?, ?, ?, ?, ?)", row)
    other.close()
    file.execute("PRAGMA writable_schema = RESET").fetchall()
