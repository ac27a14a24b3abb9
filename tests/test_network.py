"""A store on a file system that hosts share is told of, once."""

import pickle
import sys
import warnings
from pathlib import Path

import pytest

from backtrain.store import network
from backtrain.store.fits import FitStore

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="known on Linux only")


@pytest.fixture
def mounts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """As if parts of a directory were mounted from elsewhere."""
    table = tmp_path / "mounts"
    shown = str(tmp_path).replace(" ", r"\040")
    table.write_text(
        f"/dev/vda / ext4 rw 0 0\n"
        f"server:/export {shown}/home nfs4 rw,vers=4.2 0 0\n"
        f"/dev/vdb {shown}/home/scratch xfs rw 0 0\n"
        f"host:dir {shown}/with\\040space fuse.sshfs rw 0 0\n"
        f"store {shown}/hidden lustre rw 0 0\n"
        f"tmpfs {shown}/hidden tmpfs rw 0 0\n"
    )
    monkeypatch.setattr(network, "_MOUNTS", table)
    monkeypatch.setattr(network, "TOLD", set())
    return tmp_path


@pytest.mark.parametrize(
    ("where", "kind"),
    [
        ("home/me/cache", "nfs4"),
        ("home", "nfs4"),
        ("home/scratch/cache", None),  # a local disk inside
        ("homely", None),
        ("with space/cache", "fuse.sshfs"),
        ("hidden/cache", None),
        (".", None),
    ],
)
def test_the_innermost_mount_says_what_a_path_lies_on(
    mounts: Path, where: str, kind: str | None
) -> None:
    assert network.network_file_system(mounts / where) == kind


def test_a_link_lies_where_it_leads(mounts: Path) -> None:
    (mounts / "home").mkdir()
    (mounts / "link").symlink_to(mounts / "home")
    assert network.network_file_system(mounts / "link" / "cache") == "nfs4"


def test_a_store_there_is_told_of_once_with_what_to_do(mounts: Path) -> None:
    cache = mounts / "home" / "cache"
    with pytest.warns(RuntimeWarning, match=r"lies on nfs4: .*BACKTRAIN_CACHE_DIR.*engine.folder"):
        store = FitStore(cache)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        FitStore(cache)
        FitStore(mounts / "cache")
        network.TOLD.clear()  # as in another process
        pickle.loads(pickle.dumps(store))
