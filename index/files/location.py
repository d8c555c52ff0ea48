"""Where the index is: the one named, else the user's own, else what came with the package."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from index.errors import StoreError

# What came with the package: see `index.files.bundle`.
BUNDLE = Path(__file__).parents[1] / "data"


def own_index() -> Path:
    """Return the path of the user's own index, whether it is there or not."""
    import platformdirs

    return platformdirs.user_data_path("triton-index", appauthor=False) / "index.duckdb"


def index_to_read(named: Path | None, tell: Callable[[str], object]) -> Path:
    """Return the path of the index that a question goes to.

    The one that came with the package is unpacked when it is first needed; `tell` hears of it.

    Raises:
        StoreError: there is none, or what came with the package cannot be unpacked.
    """
    if named is not None:
        if not named.exists():
            raise StoreError(
                f"{named}: no index here yet; make it with `triton-index --db {named} crawl SOURCE`"
            )
        return named
    own = own_index()
    index = own if own.exists() else bundled_index(tell)
    if index is None:
        raise StoreError("no index yet; make it with `triton-index crawl SOURCE`")
    return index


def index_to_write(named: Path | None, tell: Callable[[str], object]) -> tuple[Path, Path | None]:
    """Return the path of the index that a crawl writes, and the one that a new index starts from.

    A named index starts blank, the user's own from the one that came with the package.
    """
    if named is not None:
        return named, None
    own = own_index()
    return own, None if own.exists() else bundled_index(tell)


def has_bundle() -> bool:
    """Tell whether an index came with the package."""
    return BUNDLE.exists()


def bundled_index(tell: Callable[[str], object]) -> Path | None:
    """Return the path of the index that came with the package, None where it came without."""
    from index.files.unpacking import unpacked_bundle

    return unpacked_bundle(BUNDLE, tell) if has_bundle() else None
