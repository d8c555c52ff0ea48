"""Git's own object ids, computed without git: equal content has an equal id everywhere."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping


def blob_id(data: bytes) -> str:
    """Return the id (40 hex digits) that git gives to these bytes."""
    return _object_id(b"blob", data)


def tree_id(blobs: Mapping[bytes, str]) -> str:
    """Return the id that git gives to a tree of these files: path with slashes -> blob id.

    Every file counts as an ordinary one: whether it may be executed is no content.

    Raises:
        ValueError: A path is a file and a folder at once.
    """
    # Folder -> what stands in it, by the key git sorts by. No recursion: a hostile archive may
    # nest deeper than Python calls can.
    folders: dict[bytes, dict[bytes, bytes]] = {b"": {}}
    for path, blob in blobs.items():
        folder, _, name = path.rpartition(b"/")
        _open_folder(folders, folder)
        folders[folder][name] = b"100644 " + name + b"\0" + bytes.fromhex(blob)
    if clash := next(iter(blobs.keys() & folders.keys()), None):
        raise ValueError(f"{clash!r} is both a file and a folder")
    below_root = (folder for folder in folders if folder)
    for folder in sorted(below_root, key=lambda folder: folder.count(b"/"), reverse=True):
        parent, _, name = folder.rpartition(b"/")
        # Git sorts a folder as if its name ended in a slash.
        tree = bytes.fromhex(_hash_folder(folders[folder]))
        folders[parent][name + b"/"] = b"40000 " + name + b"\0" + tree
    return _hash_folder(folders[b""])


def _open_folder(folders: dict[bytes, dict[bytes, bytes]], folder: bytes) -> None:
    while folder not in folders:
        folders[folder] = {}
        folder = folder.rpartition(b"/")[0]


def _hash_folder(lines: dict[bytes, bytes]) -> str:
    return _object_id(b"tree", b"".join(line for _, line in sorted(lines.items())))


def _object_id(kind: bytes, data: bytes) -> str:
    digest = hashlib.sha1(b"%s %d\0" % (kind, len(data)), usedforsecurity=False)
    digest.update(data)
    return digest.hexdigest()
