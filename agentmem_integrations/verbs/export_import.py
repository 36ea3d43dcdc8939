"""Verbs that carry memories out of a collection and into one: export, import."""

import io
import os
from collections.abc import Iterable
from typing import BinaryIO, cast

from ..errors import InvalidInputError
from ..models import UserId
from ..pipeline.arguments import read_flag
from ..pipeline.export_import.exporting import ExportHallway
from ..pipeline.export_import.importing import ImportHallway, opened
from ..sync_async import Call, Read, face, twin
from .progress import Progress, reporting
from .scope import Scoped

File = str | os.PathLike[str] | BinaryIO


class Porting(Scoped):
    """Verbs that carry memories out of a collection and into one."""

    @face
    def export(
        self, path: File, *, user_id: UserId | None = None, vectors: bool = False, overwrite: bool = False, progress: Progress = False
    ) -> Call[int]:
        """Write every memory of the collection to a file of JSON lines; return how many there are.

        Everything is in it: deleted memories, history, validity, times to the microsecond. What is written is the collection
        as it is now, whoever goes on writing. The file appears whole or not at all, readable by its owner alone. The same
        memories make the same file, byte by byte.

        Args:
            path: The file, or a binary file object that is open for writing.
            user_id: Only this owner's, or `SHARED`; default everybody's.
            vectors: Their vectors too. Without, whoever imports the file embeds the texts again.
            overwrite: Replace a file that is there.
            progress: True for a bar on stderr, or a function that is called with the number written so far.

        Raises:
            InvalidInputError: there is a file of that name already.
            StoreFullError: the file cannot be written.
        """
        self._room.engine.check_open()
        scope = None if user_id is None else self._scope(user_id, None, None)
        vectors, overwrite = read_flag(vectors, "vectors"), read_flag(overwrite, "overwrite")
        _check_binary(path)
        hallway = ExportHallway(self._room.engine.commits, self._room.namespace)

        def save() -> int:
            with reporting(progress) as report:
                if hasattr(path, "write"):
                    return hallway.write(cast("BinaryIO", path), scope, vectors, report)
                return hallway.save(path, scope, vectors, overwrite, report)

        return Read(self._room.engine, save)

    aexport = twin(export)

    @face
    def import_(self, path: File, *, progress: Progress = False) -> Call[int]:
        """Store the memories of an exported file just as they were; return how many were new.

        Ids, times, order, history and owners are kept. A memory that is there already, the same in everything, is left as it
        is, and so is one that its owner has told under another id: importing twice changes nothing. Where the file has no
        vectors, the texts are embedded, 1,000 at a time; should the embedder fail, the vectors are owed, as with `add`.

        Args:
            path: A file that `export` wrote, or a binary file object that is open for reading.
            progress: True for a bar on stderr, or a function that is called with the number read so far.

        Raises:
            InvalidInputError: a line that is damaged, a file that is no export, or one of a newer version; the message names
                the line, and from which on nothing was stored.
            ConflictError: a memory of that id is there already and is not the same, or the twin policy is another.
            EmbedderMismatchError: the file has vectors of another embedder.
        """
        self._room.engine.check_open()
        room = self._room
        _check_binary(path)
        hallway = ImportHallway(room.writing, room.namespace, room.twins, room.text_limit)

        def load() -> int:
            with reporting(progress) as report:
                if hasattr(path, "read"):
                    return hallway.load(cast("BinaryIO", path), report)
                with opened(path) as source:
                    return hallway.load(source, report)

        return Read(room.engine, load)

    aimport_ = twin(import_)


def _check_binary(file: File) -> None:
    if isinstance(file, io.TextIOBase) or (hasattr(file, "read") and not hasattr(file, "write") and not isinstance(file, Iterable)):
        raise InvalidInputError(f"path is a {type(file).__name__}: pass a file name, or a file object that is open in binary mode")
