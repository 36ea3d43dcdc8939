"""A file on a network filesystem is warned about, and no other."""

import os
import sys
import warnings
from collections.abc import Callable
from pathlib import Path

import pytest

from agentmem_integrations import AgentMemory, NetworkFilesystemWarning
from agentmem_integrations.storage.sqlite.file import network_filesystems
from agentmem_integrations.storage.sqlite.file.network_filesystems import filesystem, is_share

Opened = Callable[..., AgentMemory]

MOUNTS = r"""
22 27 0:21 / /proc rw,relatime - proc proc rw
27 1 254:0 / / rw,relatime shared:1 - ext4 /dev/vda rw
28 27 0:30 / /run rw,nosuid master:2 shared:3 - tmpfs tmpfs rw
30 27 0:40 / /mnt/nfs rw,relatime - nfs4 server:/export rw,vers=4.2
31 27 0:41 / /mnt/smb rw,relatime - cifs //server/share rw
32 27 0:42 / /mnt/c rw,noatime - 9p C:\134 rw,dirsync
33 27 0:43 / /mnt/ssh\040host rw - fuse.sshfs me@host:/ rw
34 27 0:44 / /mnt/usb rw - fuseblk /dev/sdb1 rw
35 30 259:1 /data /mnt/nfs/local rw - xfs /dev/sdc rw
36 27 0:46 / /var/lib/docker/overlay2/x/merged rw - overlay overlay rw,lowerdir=a
37 27 0:47 / /mnt/rootless rw - fuse.fuse-overlayfs fuse-overlayfs rw
38 27 0:48 / /mnt/twice rw - ext4 /dev/sdd rw
39 38 0:49 / /mnt/twice rw - nfs server:/other rw
""".strip()


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        ("/mnt/nfs/a/memory.db", "nfs4"),
        ("/mnt/smb/memory.db", "cifs"),
        ("/mnt/c/Users/ana/memory.db", "9p"),
        ("/mnt/ssh host/memory.db", "fuse.sshfs"),
        ("/mnt/twice/memory.db", "nfs"),
    ],
)
def test_a_network_filesystem_is_told_by_its_type(path: str, kind: str) -> None:
    assert filesystem(path, MOUNTS) == kind


@pytest.mark.parametrize(
    "path",
    [
        "/home/ana/memory.db",
        "/run/memory.db",
        "/mnt/nfs/local/memory.db",
        "/mnt/nfsx/memory.db",
        "/mnt/usb/memory.db",
        "/var/lib/docker/overlay2/x/merged/memory.db",
        "/mnt/rootless/memory.db",
    ],
)
def test_a_local_disk_ram_and_overlays_are_not(path: str) -> None:
    assert filesystem(path, MOUNTS) is None


def test_where_the_system_tells_nothing_nothing_is_claimed() -> None:
    assert filesystem("/mnt/nfs/memory.db", "") is None


def test_the_root_of_a_sandbox_is_local() -> None:
    assert filesystem("/srv/memory.db", "1 0 0:1 / / rw - 9p none rw") is None


@pytest.mark.parametrize(
    ("path", "shared"),
    [
        (r"\\server\share\memory.db", True),
        ("//server/share/memory.db", True),
        (r"\\?\UNC\server\share\memory.db", True),
        (r"C:\Users\ana\memory.db", False),
        (r"\\?\C:\memory.db", False),
        ("memory.db", False),
    ],
)
def test_a_windows_share_is_told_by_its_path(path: str, shared: bool) -> None:
    assert is_share(path) == shared


@pytest.fixture
def on_nfs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """A file of which the system says that it lies on NFS."""
    point = os.path.realpath(tmp_path).replace(" ", r"\040")
    said = tmp_path / "mountinfo"
    said.write_text(f"27 1 254:0 / / rw - ext4 /dev/vda rw\n30 27 0:40 / {point} rw - nfs4 server:/export rw\n")
    monkeypatch.setattr(network_filesystems, "MOUNTS", str(said))
    return str(tmp_path / "memory.db")


@pytest.mark.skipif(sys.platform == "win32", reason="mount points are Linux's")
def test_opening_a_file_on_nfs_warns_once_and_names_the_line_that_opened_it(on_nfs: str, opened: Opened) -> None:
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        with AgentMemory(on_nfs, embedder=None) as mem:
            mem.add("tea", user_id="ana")
            mem.list(user_id="ana")
    assert [(w.category, w.filename) for w in caught] == [(NetworkFilesystemWarning, __file__)]
    assert "nfs4" in str(caught[0].message)
    assert "backup()" in str(caught[0].message)


@pytest.mark.skipif(sys.platform == "win32", reason="mount points are Linux's")
def test_a_link_to_nfs_is_followed(on_nfs: str, tmp_path_factory: pytest.TempPathFactory) -> None:
    link = tmp_path_factory.mktemp("local") / "link"
    link.symlink_to(Path(on_nfs).parent)
    with pytest.warns(NetworkFilesystemWarning):
        AgentMemory(link / "memory.db", embedder=None).close()


def test_a_store_in_ram_is_never_warned_about(on_nfs: str, opened: Opened) -> None:
    opened("memory://", embedder=None).add("tea", user_id="ana")  # a warning would be an error here
