"""Which package index pip would ask, read from pip's own variables and files."""

from __future__ import annotations

import configparser
import os
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from platformdirs import PlatformDirs

DEFAULT_INDEX = "https://pypi.org/simple"


@dataclass(frozen=True, slots=True, kw_only=True)
class IndexSettings:
    """Where packages come from: index addresses in the order asked, and whom to trust.

    An address may hold a user and password; it is not to be shown.
    """

    urls: tuple[str, ...] = (DEFAULT_INDEX,)
    ca_bundle: str | None = None


def read_index_settings(environ: Mapping[str, str] = os.environ) -> IndexSettings:
    """Return what pip is set to: `PIP_INDEX_URL` and the like before pip's files.

    The index comes first, then every extra index; addresses that are no HTTP are left out. A
    certificate bundle that is meant for all programs counts where pip has none of its own.
    """
    settings = _read_files(environ)
    for key in ("index-url", "extra-index-url", "cert"):
        if value := environ.get("PIP_" + key.replace("-", "_").upper()):
            settings[key] = value
    urls = [settings.get("index-url") or DEFAULT_INDEX]
    urls += settings.get("extra-index-url", "").split()
    bundles = (settings.get("cert"), *map(environ.get, ("REQUESTS_CA_BUNDLE", "SSL_CERT_FILE")))
    return IndexSettings(
        urls=tuple(url.rstrip("/") for url in urls if url.startswith(("https://", "http://"))),
        ca_bundle=next(filter(None, bundles), None),
    )


def _read_files(environ: Mapping[str, str]) -> dict[str, str]:
    """Return the settings of pip's files; a later file, and `[download]`, overrules."""
    settings: dict[str, str] = {}
    for file in _settings_files(environ):
        parser = configparser.RawConfigParser()
        try:
            parser.read(file, encoding="utf-8")
        except (configparser.Error, UnicodeDecodeError):
            continue  # pip itself complains of its files; here the defaults do
        for section in ("global", "download"):
            if parser.has_section(section):
                settings.update(parser.items(section))
    return settings


def _settings_files(environ: Mapping[str, str]) -> Iterator[Path]:
    """Yield where pip looks, from the most general place to the most special."""
    own = environ.get("PIP_CONFIG_FILE")
    if own == os.devnull:
        return
    name = "pip.ini" if sys.platform == "win32" else "pip.conf"
    folders = PlatformDirs("pip", appauthor=False, roaming=True)
    yield folders.site_config_path / name
    yield Path("/etc") / name
    if own is None:
        yield Path.home() / ".pip" / name
        yield folders.user_config_path / name
    yield Path(sys.prefix) / name
    if own is not None:
        yield Path(own)
