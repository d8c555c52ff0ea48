"""The folder that a site is written to: whole or not at all, and only where nothing is lost."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from index.errors import ExportError

# What tells a site of ours, which may be written over.
MARK = "data/site.json"


class SiteFolder:
    """Writes the files of a site; `pages` are those that a reader may be sent to."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.pages: list[str] = []

    def write(self, name: str, content: str | bytes) -> None:
        """Write a file; its name is relative, its folders are made."""
        data = content.encode("utf-8", "replace") if isinstance(content, str) else content
        place = self.path / name
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(data)

    def page(self, name: str, content: str) -> None:
        """Write a page that is to be found."""
        self.write(name, content)
        self.pages.append(name)


@contextmanager
def site_folder(dest: Path) -> Iterator[SiteFolder]:
    """Yield where to write a site that takes the place of `dest` once it is whole.

    Raises:
        ExportError: `dest` holds something else than a site of ours, or cannot be written.
    """
    if dest.exists() and not dest.is_dir():
        raise ExportError(f"{dest}: a file; name a folder")
    if dest.exists() and any(dest.iterdir()) and not (dest / MARK).exists():
        raise ExportError(f"{dest}: holds files that are no site of ours; name an empty folder")
    draft = dest.with_name(f"{dest.name}.part")
    try:
        _remove(draft)
        draft.mkdir(parents=True)
        try:
            yield SiteFolder(draft)
            _remove(dest)
            draft.rename(dest)
        finally:
            _remove(draft)
    except OSError as error:
        raise ExportError(f"{dest}: {error.strerror}; name another folder") from error


def _remove(folder: Path) -> None:
    if folder.exists():
        shutil.rmtree(folder)
