"""What a check of the file has found so far."""

from collections import defaultdict
from typing import Final

from ....models import UNHARMFUL, Finding

SHOWN: Final = 10  # ids named of each kind

REPAIR: Final = {
    "text_broken": "repair() makes the text index anew, from all memories",
    "history_orphaned": "repair() erases them: they tell of a memory that is in no other place",
    "json_invalid": 'repair() keeps what is there under the key "unreadable", so that the memory can be read again',
    "vector_stale": "repair() has the vector made anew from the words, wherever it came from",
    "vector_damaged": "repair() has the vector made anew from the words, wherever it came from",
    "vector_unsealed": "repair() seals them as they are",
    "kept_damaged": "repair() erases them: what they are of is embedded again when it is next wanted",
    "successor_missing": "repair() forgets the successor; the memory stays superseded",
}
"""What repair does, where that does not go without saying."""

WAYS_OUT: Final = {
    "twin_wrong": "another memory of the owner says the same: delete one of the two, then call repair()",
    "vector_stale": "nobody here can make this vector: store the memory anew with a vector of its words",
    "vector_damaged": "nobody here can make this vector: store the memory anew with a vector of its words",
    "memory_unreadable": "restore a backup, or purge these memories",
    "owner_missing": "restore a backup: nobody can say whose they are",
    "text_broken": "restore a backup, or export what can be read and import it into a new file",
    "schema_differs": "restore a backup, or export what can be read and import it into a new file",
    "index_damaged": "restore a backup, or export what can be read and import it into a new file",
    "file_damaged": "restore a backup, or export what can be read and import it into a new file",
}
"""What to do where repair can do nothing."""


class Findings:
    """Differences, counted by kind, with what repair must know to mend them.

    Attributes:
        keys: By mender (see `MENDERS` in mend_rows.py), the rows it is to look at.
        named: By mender, the objects of the file it is to look at.
    """

    def __init__(self) -> None:
        self._found: dict[tuple[str, bool], Finding] = {}
        self.keys: defaultdict[str, list[int]] = defaultdict(list)
        self.named: defaultdict[str, list[str]] = defaultdict(list)

    def add(self, kind: str, name: str | int, key: int | None = None, *, mendable: bool = True, mender: str | None = None) -> None:
        """Note one difference.

        Args:
            kind: A key of `DIFFERENCES`.
            name: Id of the memory, name of an object of the file, or the number of a row.
            key: The row that the mender is to look at; None if it works by name.
            mendable: A mender can do something.
            mender: Which; default the one called like the kind.
        """
        if kind == "text_broken" and self.has(kind) and mendable:
            return  # there is one text index, and it is made anew as a whole
        finding = self._found.get((kind, mendable))
        if finding is None:
            advice = REPAIR.get(kind, "repair() mends them") if mendable else WAYS_OUT[kind]
            finding = self._found[kind, mendable] = Finding(kind, 0, mendable=mendable, advice=advice)
        finding.count += 1
        if len(finding.ids) < SHOWN:
            finding.ids.append(f"#{name}" if isinstance(name, int) else name)
        if mendable and key is not None:
            self.keys[mender or kind].append(key)
        elif mendable:
            self.named[mender or kind].append(str(name))

    def has(self, *kinds: str) -> bool:
        """Say whether something of these kinds was found."""
        return any(kind in kinds for kind, _ in self._found)

    def mended(self, kind: str, count: int) -> None:
        """Note that so many of a kind were mended."""
        finding = self._found[kind, True]
        finding.mended = min(finding.count, finding.mended + count)

    def give_up(self, kind: str, name: str) -> None:
        """Note that one of a kind could not be mended after all."""
        self._found[kind, True].count -= 1
        self.add(kind, name, mendable=False)

    def list(self) -> list[Finding]:
        """Return what was found; what does no harm comes last."""
        return sorted((f for f in self._found.values() if f.count), key=lambda finding: finding.kind in UNHARMFUL)

    def take_mended(self, other: "Findings") -> None:
        """Add what another check found and repair has mended."""
        for finding in other.list():
            self._take(finding, finding.mended, finding.mended)

    def take_rest(self, other: "Findings") -> None:
        """Add what another check found and repair has not mended."""
        for finding in other.list():
            self._take(finding, finding.count - finding.mended, 0)

    def _take(self, finding: Finding, count: int, mended: int) -> None:
        if count:
            mine = self._found.setdefault(
                (finding.kind, finding.mendable), Finding(finding.kind, 0, mendable=finding.mendable, advice=finding.advice)
            )
            mine.ids = list(dict.fromkeys([*mine.ids, *finding.ids]))[:SHOWN]
            mine.count += count
            mine.mended += mended
