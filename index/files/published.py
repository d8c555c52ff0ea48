"""The published index: a folder of files at an address, and their checksums.

`SHA256SUMS` lists the files and is all that must be trusted; it comes over HTTPS from the release
of the project's repository, or from wherever the user says.
"""

from __future__ import annotations

import hashlib
import io
import re
from collections.abc import Mapping
from pathlib import Path

from crawler.errors import TritonIndexError
from index.database import storage_errors
from index.files.download import DownloadError, Patience, Progress, check_address, download

PUBLISHED = "https://github.com/gpu-mode/triton-index/releases/latest/download"
"""Where the project publishes its index. The only place that says so."""

INDEX_NAME = "index.duckdb"
FACTS_NAME = "kernels.parquet"
SCANS_NAME = "scan-cache.parquet"
SUMS_NAME = "SHA256SUMS"

MAX_FILE_BYTES = 2 << 30
"""What GitHub takes as a release's file, at most."""
MAX_SUMS_BYTES = 1 << 16

_LINE = re.compile(r"([0-9a-f]{64}) [ *]([A-Za-z0-9][A-Za-z0-9._-]{0,99})")


class PublishedError(TritonIndexError):
    """The published index cannot be had, or is not to be trusted; what is here stays.

    `may_pass`: nothing is wrong with it as far as is known, it could only not be reached.
    """

    def __init__(self, message: str, *, may_pass: bool = False) -> None:
        super().__init__(message)
        self.may_pass = may_pass


def parse_sums(text: str) -> Mapping[str, str]:
    """Return the SHA-256 (hex) of each file that a list as `sha256sum` writes it names.

    Raises:
        ValueError: A line is none of such a list, or a file stands there twice.
    """
    sums: dict[str, str] = {}
    for line in text.splitlines():
        match = _LINE.fullmatch(line)
        if match is None or match[2] in sums:
            raise ValueError("no list of checksums")
        sums[match[2]] = match[1]
    return sums


def write_sums(folder: Path, names: tuple[str, ...]) -> Path:
    """Write the checksums of these files beside them, as `sha256sum` does; return where."""
    lines = (f"{file_sum(folder / name)}  {name}\n" for name in sorted(names))
    path = folder / SUMS_NAME
    path.write_text("".join(lines), encoding="ascii")
    return path


def file_sum(path: Path) -> str:
    """Return the SHA-256 of a file, in hex."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


class PublishedIndex:
    """The files below one address."""

    def __init__(self, address: str = PUBLISHED, patience: Patience | None = None) -> None:
        """Take the address of the folder.

        Raises:
            PublishedError: It is none that may be downloaded from.
        """
        if (fault := check_address(address)) is not None:
            raise PublishedError(
                f"{address}: {fault}; name the https address of a folder with {SUMS_NAME} in it"
            )
        self.address = address.rstrip("/")
        self._patience = patience or Patience()

    def sums(self) -> Mapping[str, str]:
        """Return the checksum of each published file; the index is among them.

        Raises:
            PublishedError: Nothing is published there, or it cannot be reached.
        """
        target = io.BytesIO()
        address = f"{self.address}/{SUMS_NAME}"
        try:
            download(address, target, limit=MAX_SUMS_BYTES, patience=self._patience)
            sums = parse_sums(target.getvalue().decode("ascii"))
        except DownloadError as error:
            if error.is_missing:
                raise PublishedError(
                    f"{self.address}: no index is published here; check the address"
                ) from error
            raise PublishedError(str(error), may_pass=error.may_pass) from error
        except ValueError as error:
            raise PublishedError(f"{address} is no list of checksums; check the address") from error
        if INDEX_NAME not in sums:
            raise PublishedError(f"{address} does not list {INDEX_NAME}; check the address")
        return sums

    def fetch(
        self,
        name: str,
        target: Path,
        sums: Mapping[str, str],
        *,
        on_progress: Progress = lambda done, total: None,
    ) -> Mapping[str, str]:
        """Write a published file to `target`; return the checksums it was held to.

        Those are `sums`, or newer ones if the index was published anew in the meantime.

        Raises:
            PublishedError: It cannot be had whole, or is not what its checksum says.
            StoreError: The target cannot be written.
        """
        for is_last in (False, True):
            found = self._download(name, target, on_progress)
            if found == sums.get(name):
                return sums
            newer = self.sums()
            if is_last or newer == sums:
                break
            sums = newer
        raise PublishedError(
            f"{self.address}/{name} is not what {SUMS_NAME} says (SHA-256 {found[:12]}… instead "
            f"of {sums.get(name, 'none')[:12]}…); try again later, and do not trust it if it "
            "stays so"
        )

    def _download(self, name: str, target: Path, on_progress: Progress) -> str:
        try:
            with storage_errors(target), target.open("wb") as file:
                return download(
                    f"{self.address}/{name}",
                    file,
                    limit=MAX_FILE_BYTES,
                    patience=self._patience,
                    on_progress=on_progress,
                )
        except DownloadError as error:
            raise PublishedError(str(error), may_pass=error.may_pass) from error
