"""Whether a file lies on a network filesystem, where SQLite's write-ahead log is not safe.

The log needs memory shared by all who have the file open, and locks that are true. Over a network neither is sure: two machines
do not share memory at all, and locks are often granted without asking the server (https://www.sqlite.org/wal.html,
https://www.sqlite.org/faq.html#q5).
"""

import os
import re
import warnings
from pathlib import Path, PureWindowsPath
from typing import Final

from ....errors import NetworkFilesystemWarning

MOUNTS: Final = "/proc/self/mountinfo"  # Linux; see proc_pid_mountinfo(5)
REMOTE: Final = frozenset(
    """9p acfs afs afp beegfs ceph cifs coda drvfs fuse glusterfs gpfs lustre ncpfs nfs nfs4 orangefs panfs prl_fs smb3 smbfs vboxsf
    virtiofs vmhgfs webdav""".split()
)
LOCAL_FUSE: Final = frozenset({"fuse.fuse-overlayfs", "fuse.mergerfs", "fuse.ntfs-3g", "fuse.gocryptfs", "fuse.encfs"})
CALLER: Final = 6  # frames from warnings.warn to whoever made the AgentMemory


def warn_of_network(path: str, stacklevel: int = CALLER) -> None:
    """Warn if the file lies on a network filesystem, as far as the system tells.

    Args:
        path: The file, absolute.
        stacklevel: Of `warnings.warn`: whose line is named.
    """
    kind = network_filesystem(path)
    if kind is not None:
        warnings.warn(
            f"{path} lies on {kind}, where locks and shared memory cannot be relied on: with a second process or machine the file "
            f"may be damaged. Keep it on a local disk, and carry it with backup()",
            NetworkFilesystemWarning,
            stacklevel=stacklevel,
        )


def network_filesystem(path: str) -> str | None:
    """Return what network filesystem a path lies on, as far as the system tells; None for a local disk."""
    return "a network share" if os.name == "nt" and is_share(path) else filesystem(os.path.realpath(path), _mounts())


def filesystem(path: str, mounts: str) -> str | None:
    """Return the type of the network filesystem that holds a path; None for a local or unknown one.

    Args:
        path: Absolute, without symbolic links.
        mounts: What Linux says in `/proc/self/mountinfo`; nothing where there is no such file.
    """
    best, found = "", None
    for line in mounts.splitlines():
        fields, _, rest = line.partition(" - ")
        point, kind = _plain(fields.split(" ")[4]), rest.split(" ")[0]
        inside = path == point or path.startswith(point.rstrip("/") + "/")
        if inside and len(point) >= len(best):  # of two at the same point, the later one hides the other
            best, found = point, kind
    if found == "9p" and best == "/":  # the root that a sandbox (gVisor, Kata) gives to its one machine
        return None
    remote = found is not None and (found in REMOTE or (found.startswith("fuse.") and found not in LOCAL_FUSE))
    return found if remote else None


def is_share(path: str) -> bool:
    r"""Say whether a Windows path is a share's, `\\server\share\...`; a drive letter mapped to one does not tell."""
    drive = PureWindowsPath(path).drive.replace("/", "\\")
    return drive.upper().startswith("\\\\?\\UNC\\") or (drive.startswith("\\\\") and drive[2:4] not in ("?\\", ".\\"))


def _plain(escaped: str) -> str:
    """Undo the octal escapes of blanks and backslashes."""
    return re.sub(r"\\([0-7]{3})", lambda code: chr(int(code[1], 8)), escaped)


def _mounts() -> str:
    try:
        return Path(MOUNTS).read_text(encoding="utf-8", errors="surrogateescape")
    except OSError:
        return ""
