"""Whether a directory lies on a file system that hosts share."""

import os
import sys
import warnings
from pathlib import Path

#: Kinds of file systems, as Linux names them, that other hosts may have mounted, too.
_SHARED = frozenset(
    (
        *("nfs", "nfs4", "cifs", "smb3", "smbfs", "afs", "9p", "ncpfs", "coda", "ceph", "lustre"),
        *("gpfs", "beegfs", "panfs", "wekafs", "pvfs2", "ocfs2", "gfs2", "glusterfs", "davfs"),
        *("sshfs", "s3fs", "gcsfuse", "moosefs", "juicefs", "mount.s3"),
    )
)
_MOUNTS = Path("/proc/self/mounts")

#: The directories that were told of, or were elsewhere.
TOLD: set[Path] = set()


def warn_where_shared(directory: Path) -> None:
    """Warn, once for a directory, where a store lies on a network file system."""
    kind = None if directory in TOLD else network_file_system(directory)
    TOLD.add(directory)
    if kind is not None:
        text = (
            f"the store of fits in {directory} lies on {kind}: hosts cannot share its SQLite file "
            "there, and it may be slow or break; give each host a directory on a disk of its own "
            "(cache=/tmp/..., or BACKTRAIN_CACHE_DIR), and what workers share another one "
            "(engine.folder=, or joblib.parallel_config(temp_folder=))"
        )
        warnings.warn(text, RuntimeWarning, stacklevel=3)


def network_file_system(path: Path) -> str | None:
    """The kind of file system that a path lies on, or will, where hosts share it; else None.

    Known on Linux only.
    """
    if sys.platform != "linux":
        return None
    place = os.path.realpath(path)
    kind, longest = "", -1
    try:
        lines = _MOUNTS.read_text(errors="replace").splitlines()
    except OSError:
        return None
    for line in lines:
        _, point, mounted, *_ = line.split(" ")
        point = point.encode().decode("unicode_escape")  # a space is \\040
        inside = os.path.commonpath([point, place]) == point
        if inside and len(point) >= longest:  # of two on one point, the later hides the other
            kind, longest = mounted, len(point)
    return kind if kind.removeprefix("fuse.") in _SHARED else None
