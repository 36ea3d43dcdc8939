"""What comes of verifying a store, and of repairing it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

DIFFERENCES: Final[Mapping[str, str]] = {
    "text_missing": "live memories whose words the text index does not have",
    "text_orphaned": "words in the text index whose memory was deleted or is gone",
    "text_stale": "live memories that the text index has other words of",
    "text_broken": "the text index contradicts itself or cannot be read",
    "lexical_stale": "words for the text index that do not follow from the text, the speaker and the date",
    "twin_wrong": "fingerprints that do not follow from the memory: the same utterance could be stored twice, or refused",
    "vector_missing": "live memories without a vector, and without a job that owes them one",
    "vector_orphaned": "vectors whose memory is gone",
    "vector_misplaced": "vectors of a deleted memory, or under another owner than their memory",
    "vector_stale": "vectors of other words than the memory has now",
    "vector_damaged": "vectors of the wrong length, with impossible numbers, or not as they were stored",
    "vector_unsealed": "vectors stored before there were seals: only their length and norm can be checked",
    "job_orphaned": "jobs whose memory was deleted, is gone, or is another owner's",
    "job_needless": "jobs for a vector that is there",
    "history_orphaned": "lines of history whose memory is gone",
    "history_misplaced": "lines of history under another owner than their memory",
    "kept_damaged": "vectors kept of texts embedded before that are no vectors, or whose memory is gone",
    "successor_missing": "memories superseded by one that their owner does not have",
    "json_invalid": "metadata, provenance or values that are not the JSON they should be",
    "memory_unreadable": "memories with text or times that cannot be read",
    "owner_missing": "memories whose owner or collection the file does not tell",
    "index_damaged": "SQL indexes that do not agree with their table",
    "schema_differs": "tables, indexes, views or settings of the file that are missing or changed",
    "file_damaged": "pages of the file that SQLite finds damaged",
}
"""What `verify` can find, by kind, and what it means. One is no difference: see `UNHARMFUL`."""

UNHARMFUL: Final = frozenset({"vector_unsealed"})
"""What is told though nothing is wrong with it."""


@dataclass(slots=True)
class Finding:
    """One kind of difference between the memories and what is derived from them.

    Attributes:
        kind: A key of `DIFFERENCES`.
        count: How many there are.
        ids: The first of them: ids of memories, `#7` for the row numbered so where no memory is left to name, or the name of
            what is damaged in the file. Never an owner, never content.
        mendable: `repair` can mend it.
        mended: How many of them `repair` has mended.
        advice: What repair does, or the way out where it can do nothing.
    """

    kind: str
    count: int
    ids: list[str] = field(default_factory=list)
    mendable: bool = True
    mended: int = 0
    advice: str = ""

    @property
    def meaning(self) -> str:
        """What the kind means, in words."""
        return DIFFERENCES[self.kind]


@dataclass(slots=True)
class Report:
    """What `verify` found, or `repair` found and mended.

    Attributes:
        checked: How much was compared: `memories`, `vectors`, `words`, `jobs`, `history`, `kept` vectors.
        findings: One per kind, and per whether it can be mended. Empty for a sound file.
        owed: Vectors that are still owed in the collections that were checked. Each is made when its collection is next opened
            with its embedder and something is added, or by `flush`.
    """

    checked: dict[str, int] = field(default_factory=dict)
    findings: list[Finding] = field(default_factory=list)
    owed: int = 0

    @property
    def ok(self) -> bool:
        """Nothing differs, or everything that did was mended."""
        return all(finding.mended >= finding.count or finding.kind in UNHARMFUL for finding in self.findings)

    @property
    def mended(self) -> int:
        """How many differences were mended."""
        return sum(finding.mended for finding in self.findings)
