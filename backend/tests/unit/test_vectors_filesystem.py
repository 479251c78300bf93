"""Telling a local disk from a network one by the table of mounts."""

from pathlib import Path

import pytest

from komadori.core.errors import StorageError
from komadori.vectors._filesystem import filesystem_type, require_local

MOUNTS = """\
27 1 254:0 / / rw,relatime - ext4 /dev/vda rw
30 27 0:25 / /srv rw - tmpfs none rw
31 30 0:40 / /srv/share\\040one rw,relatime shared:5 - nfs4 host:/export rw
32 30 0:41 / /srv/twice rw - ext4 /dev/vdb rw
33 30 0:42 / /srv/twice rw - virtiofs tag rw
"""


@pytest.fixture
def mounts(tmp_path: Path) -> Path:
    table = tmp_path / "mountinfo"
    table.write_text(MOUNTS)
    return table


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        ("/home/someone", "ext4"),
        ("/srv", "tmpfs"),
        ("/srvother", "ext4"),
        ("/srv/share one/data", "nfs4"),
        ("/srv/twice/data", "virtiofs"),
    ],
)
def test_the_deepest_and_last_mount_holds_a_path(mounts: Path, path: str, kind: str) -> None:
    assert filesystem_type(Path(path), mounts) == kind


def test_a_network_file_system_is_refused_with_a_remedy(mounts: Path) -> None:
    with pytest.raises(StorageError, match="nfs4") as caught:
        require_local(Path("/srv/share one/index"), mounts)

    assert caught.value.code == "network-filesystem"
    assert "disk of this machine" in caught.value.hint


def test_a_local_one_is_taken(mounts: Path, tmp_path: Path) -> None:
    require_local(Path("/home/someone"), mounts)
    require_local(tmp_path, tmp_path / "a system without that table")
