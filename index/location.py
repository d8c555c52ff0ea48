"""Where the index is: the one named, else the user's own, else the one bundled with the package."""

from __future__ import annotations

from pathlib import Path

from index.errors import StoreError

BUNDLED = Path(__file__).parent / "data" / "index.duckdb"


def own_index() -> Path:
    """Return the path of the user's own index, whether it is there or not."""
    import platformdirs

    return platformdirs.user_data_path("triton-index", appauthor=False) / "index.duckdb"


def bundled_index() -> Path | None:
    """Return the path of the snapshot that came with the package, None where it has none."""
    return BUNDLED if BUNDLED.exists() else None


def index_to_read(named: Path | None) -> Path:
    """Return the path of the index that a question goes to.

    Raises:
        StoreError: there is none.
    """
    if named is not None:
        if not named.exists():
            raise StoreError(
                f"{named}: no index here yet; make it with `triton-index --db {named} crawl SOURCE`"
            )
        return named
    own = own_index()
    if own.exists():
        return own
    bundled = bundled_index()
    if bundled is None:
        raise StoreError("no index yet; make it with `triton-index crawl SOURCE`")
    return bundled


def index_to_write(named: Path | None) -> tuple[Path, Path | None]:
    """Return the path of the index that a crawl writes, and the one that a new index starts from.

    A named index starts blank, the user's own from the bundled one.
    """
    return (named, None) if named is not None else (own_index(), bundled_index())
