"""Disks that lose and disks that fail: two layers under SQLite, for tests of what survives.

Each is a VFS of apsw's that lies on the one SQLite would use, and takes its place while it is installed; the library opens its
files as ever and knows nothing of it:

    with PowerLossVFS() as disk, AgentMemory(path) as mem:
        mem.add("green tea", user_id="ana")
        disk.lose(folder, random.Random(1))     # `folder` is what a power cut at this instant would have left
    AgentMemory(folder / "memory.db")           # green tea is there

    with FailingVFS() as disk, AgentMemory(path) as mem:
        disk.fail("write")                      # no space left, until
        disk.mend()

Killing a process does not do: the operating system keeps what the process wrote, synced or not. Limits: one shim at a time,
files are known by their paths, and SQLite's `-shm` file never passes here. It is memory shared by processes, not storage:
SQLite makes it anew after a crash, so a power cut leaves none behind.
"""

# ruff: noqa: N802 - the methods' names are apsw's

import random
import threading
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Literal, Self

import apsw

SECTOR: Final = 512  # what disks write whole
CREATED: Final = apsw.SQLITE_OPEN_MAIN_JOURNAL | apsw.SQLITE_OPEN_WAL  # SQLite syncs the folder with the first sync of these

Operation = Literal["open", "read", "write", "sync", "truncate", "delete"]
Keep = Literal["none", "some", "all"]
KEPT: Final[tuple[Keep, ...]] = ("none", "some", "some", "all")


class _Layer(apsw.VFS):
    """Lies on the default VFS, and is the default while it is installed."""

    def __init__(self, name: str) -> None:
        # By name: "" would mean the default of the moment, which is this layer itself before long
        self.below: Final[str] = apsw.vfs_names()[0]
        self.changing = threading.RLock()
        super().__init__(name, self.below, makedefault=True)

    def remove(self) -> None:
        """Let files be opened without this layer again; those that are open keep it."""
        apsw.set_default_vfs(self.below)
        self.unregister()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.remove()

    def excepthook(self, etype: Any, evalue: Any, etraceback: Any) -> bool:
        """Say nothing: what is raised here is played, and reaches SQLite as its error code."""
        return True


@dataclass(slots=True)
class _Inode:
    """What is on the disk for sure, and what the operating system may not have written yet."""

    synced: bytes = b""
    pending: list[tuple[int, bytes | None]] = field(default_factory=list)  # data at an offset, or None: cut to that size
    new: bool = False  # its name is not on the disk before its first sync


class PowerLossVFS(_Layer):
    """Remembers for every file what was written since its last sync, so that a power cut can be played at any instant.

    What is modelled: a write is on the disk once its file was synced; before that, it may be there, or in part, or not, in
    any order; so may a truncation. A new log or journal has its name on the disk after its first sync, which SQLite lets the
    folder's follow; a deletion may be undone unless SQLite asked for the folder to be synced. Sectors of 512 bytes are
    written whole, and bytes beside those written are left alone ("powersafe overwrite"), which SQLite relies on.

    Files are kept in RAM. No sync reaches the real disk, which has no part in the game.

    Args:
        name: The VFS's name.
        before: Called before every write, sync, truncation and deletion with their number from 1: the instants at which a
            power cut can make a difference. No other operation runs meanwhile.

    Attributes:
        operations: How many operations there were.
    """

    def __init__(self, name: str = "power-loss", before: Callable[[int], None] = lambda number: None) -> None:
        super().__init__(name)
        self.operations = 0
        self.before = before
        self._files: dict[str, _Inode] = {}  # by path, as the operating system shows them
        self._ghosts: dict[str, _Inode] = {}  # deleted, while the folder was not synced

    def xOpen(self, name: str | apsw.URIFilename | None, flags: list[int]) -> apsw.VFSFile:
        """Open a file, and take what it holds for synced if nothing is known of it."""
        path = name.filename() if isinstance(name, apsw.URIFilename) else name
        if path is None:
            return apsw.VFSFile(self.below, name, flags)
        with self.changing:
            if path not in self._files:
                there = Path(path)
                new = not there.exists()
                self._files[path] = _Inode(b"" if new else there.read_bytes(), new=new and bool(flags[0] & CREATED))
            return _WatchedFile(self, path, name, flags)

    def xDelete(self, filename: str, syncdir: bool) -> None:
        """Delete a file; without `syncdir` it may come back."""
        with self.changing:
            self._operate()
            super().xDelete(filename, syncdir)
            inode = self._files.pop(filename, None)
            if syncdir:
                self._ghosts.clear()
            elif inode is not None and not inode.new:
                self._ghosts[filename] = inode

    def lose(self, folder: str | Path, rng: random.Random, keep: Keep | None = None) -> None:
        """Write what a power cut at this instant would have left on the disk into `folder`.

        Args:
            folder: Where to; files of these names there are replaced, or removed where the cut leaves none.
            rng: Decides what survives.
            keep: What becomes of unsynced writes. `none`: all are lost. `all`: none is. `some`: each on its own is there, or
                only some of its sectors, or not. None: `rng` chooses one of the three.
        """
        with self.changing:
            kept: Keep = rng.choice(KEPT) if keep is None else keep
            names = {Path(path).name for path in (*self._files, *self._ghosts)}
            left = {Path(path).name: ghost for path, ghost in self._ghosts.items() if _falls(rng, kept, "none")}
            # In this order: a file made anew replaces the deleted one of its name
            left |= {Path(path).name: inode for path, inode in self._files.items() if not inode.new or _falls(rng, kept, "all")}
            for name in sorted(names):
                target = Path(folder) / name
                target.unlink(missing_ok=True)
                target.with_name(f"{name}-shm").unlink(missing_ok=True)
                if name in left:
                    target.write_bytes(_after_the_cut(left[name], rng, kept))

    def _operate(self) -> None:
        self.operations += 1
        self.before(self.operations)

    def write(self, path: str, data: bytes, offset: int) -> None:
        """Note a write."""
        with self.changing:
            self._operate()
            self._files[path].pending.append((offset, data))

    def truncate(self, path: str, size: int) -> None:
        """Note a truncation."""
        with self.changing:
            self._operate()
            self._files[path].pending.append((size, None))

    def sync(self, path: str) -> None:
        """Note a sync."""
        with self.changing:
            self._operate()
            inode = self._files[path]
            inode.synced = _applied(inode.synced, inode.pending)
            inode.pending.clear()
            if inode.new:
                inode.new = False
                self._ghosts.clear()  # the folder was synced as well


class _WatchedFile(apsw.VFSFile):
    def __init__(self, disk: PowerLossVFS, path: str, name: Any, flags: list[int]) -> None:
        super().__init__(disk.below, name, flags)
        self._disk = disk
        self._path = path

    def xWrite(self, data: Any, offset: int) -> None:
        self._disk.write(self._path, bytes(data), offset)
        super().xWrite(data, offset)

    def xTruncate(self, newsize: int) -> None:
        self._disk.truncate(self._path, newsize)
        super().xTruncate(newsize)

    def xSync(self, flags: int) -> None:
        self._disk.sync(self._path)


def _falls(rng: random.Random, keep: Keep, sure: Keep) -> bool:
    """Say whether a change of the folder falls this way."""
    return keep == sure or (keep == "some" and rng.random() < 0.5)


def _after_the_cut(inode: _Inode, rng: random.Random, keep: Keep) -> bytes:
    """Return the bytes of a file that the cut left."""
    if keep == "none":
        return inode.synced
    if keep == "all":
        return _applied(inode.synced, inode.pending)
    survivors: list[tuple[int, bytes | None]] = []
    chance = rng.random()
    for offset, data in inode.pending:
        if rng.random() < chance:
            survivors.append((offset, data))
        elif data is not None and rng.random() < 0.5:
            survivors += _torn(offset, data, rng)
    return _applied(inode.synced, survivors)


def _torn(offset: int, data: bytes, rng: random.Random) -> list[tuple[int, bytes | None]]:
    """Return some of the sectors of a write, or a first part of them."""
    edges = [0, *range(SECTOR - offset % SECTOR, len(data), SECTOR), len(data)]
    pieces: list[tuple[int, bytes | None]] = [(offset + a, data[a:b]) for a, b in pairwise(edges)]
    return pieces[: rng.randrange(len(pieces))] if rng.random() < 0.5 else [p for p in pieces if rng.random() < 0.5]


def _applied(content: bytes, changes: list[tuple[int, bytes | None]]) -> bytes:
    """Return the content after the changes; a gap is filled with zeros."""
    whole = bytearray(content)
    for offset, data in changes:
        if data is None:
            del whole[offset:]
        whole.extend(bytes(max(0, offset - len(whole))))
        if data is not None:
            whole[offset : offset + len(data)] = data
    return bytes(whole)


class FailingVFS(_Layer):
    """Fails when it is told to: no space, or a failing disk.

    A failing write leaves its first half behind, as a disk does that fills up.

    Args:
        name: The VFS's name.

    Attributes:
        done: How often each operation was asked for since the last `fail`.
        failed: How often one failed since the last `fail`.
    """

    def __init__(self, name: str = "failing") -> None:
        super().__init__(name)
        self.done: Counter[str] = Counter()
        self.failed = 0
        self._which: tuple[str, ...] = ()
        self._sparing = self._left = 0
        self._error: type[apsw.Error] | None = None
        self._suffix = ""

    def fail(
        self, *operations: Operation, nth: int = 1, times: int = 1_000_000_000, error: type[apsw.Error] | None = None, suffix: str = ""
    ) -> None:
        """Fail from now on.

        Args:
            operations: Which.
            nth: The first of them that fails, counted together from 1.
            times: How many fail, one after the other; without, all do until `mend` is called.
            error: What is raised; without, `FullError` for a write and `IOError` for the others.
            suffix: Only files whose names end so, such as `-wal`.
        """
        with self.changing:
            self.done.clear()
            self.failed = 0
            self._which, self._sparing, self._left, self._error, self._suffix = operations, nth - 1, times, error, suffix

    def mend(self) -> None:
        """Fail no longer: there is space again, or a new disk."""
        with self.changing:
            self._which = ()

    def check(self, operation: Operation, path: str) -> None:
        """Count an operation and raise if its turn to fail has come."""
        with self.changing:
            self.done[operation] += 1
            if operation not in self._which or not path.endswith(self._suffix):
                return
            if self._sparing:
                self._sparing -= 1
                return
            if self._left:
                self._left -= 1
                self.failed += 1
                raise (self._error or (apsw.FullError if operation == "write" else apsw.IOError))(f"this {operation} is told to fail")

    def xOpen(self, name: str | apsw.URIFilename | None, flags: list[int]) -> apsw.VFSFile:
        """Open a file that may fail."""
        path = name.filename() if isinstance(name, apsw.URIFilename) else name or ""
        with self.changing:
            try:
                self.check("open", path)
            except apsw.IOError as error:
                raise apsw.CantOpenError(str(error)) from error
            return _FailingFile(self, path, name, flags)

    def xDelete(self, filename: str, syncdir: bool) -> None:
        """Delete a file, or fail."""
        self.check("delete", filename)
        super().xDelete(filename, syncdir)


class _FailingFile(apsw.VFSFile):
    def __init__(self, disk: FailingVFS, path: str, name: Any, flags: list[int]) -> None:
        super().__init__(disk.below, name, flags)
        self._disk = disk
        self._path = path

    def excepthook(self, etype: Any, evalue: Any, etraceback: Any) -> bool:
        return True

    def xRead(self, amount: int, offset: int) -> bytes:
        self._disk.check("read", self._path)
        return super().xRead(amount, offset)

    def xWrite(self, data: Any, offset: int) -> None:
        try:
            self._disk.check("write", self._path)
        except apsw.Error:
            super().xWrite(bytes(data)[: len(data) // 2], offset)
            raise
        super().xWrite(data, offset)

    def xTruncate(self, newsize: int) -> None:
        self._disk.check("truncate", self._path)
        super().xTruncate(newsize)

    def xSync(self, flags: int) -> None:
        self._disk.check("sync", self._path)
        super().xSync(flags)
