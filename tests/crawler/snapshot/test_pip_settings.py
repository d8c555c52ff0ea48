from __future__ import annotations

import os
from pathlib import Path

import pytest

from crawler.snapshot.pip_settings import DEFAULT_INDEX, read_index_settings


@pytest.fixture
def config(tmp_path: Path) -> Path:
    return tmp_path / "pip.conf"


def test_without_settings_the_public_index_is_asked() -> None:
    settings = read_index_settings({"PIP_CONFIG_FILE": os.devnull})
    assert (settings.urls, settings.ca_bundle) == ((DEFAULT_INDEX,), None)


def test_a_variable_overrules_a_file(config: Path) -> None:
    config.write_text(
        "[global]\nindex-url = https://file/simple/\ncert = /file.pem\n"
        "extra-index-url =\n    https://one/simple\n    file:///two\n"
    )
    settings = read_index_settings({"PIP_CONFIG_FILE": str(config)})
    assert settings.urls == ("https://file/simple", "https://one/simple")
    assert settings.ca_bundle == "/file.pem"
    environ = {"PIP_CONFIG_FILE": str(config), "PIP_INDEX_URL": "https://variable/simple"}
    settings = read_index_settings({**environ, "PIP_CERT": "/variable.pem"})
    assert settings.urls == ("https://variable/simple", "https://one/simple")
    assert settings.ca_bundle == "/variable.pem"


def test_a_section_for_downloads_overrules_the_global_one(config: Path) -> None:
    config.write_text("[global]\nindex-url=https://g\n[download]\nindex-url=https://d\n")
    assert read_index_settings({"PIP_CONFIG_FILE": str(config)}).urls == ("https://d",)


@pytest.mark.parametrize("content", [b"index-url = https://x\n", b"[global]\nind\xff", b"[[[\0"])
def test_a_broken_file_takes_no_part(config: Path, content: bytes) -> None:
    config.write_bytes(content)
    assert read_index_settings({"PIP_CONFIG_FILE": str(config)}).urls == (DEFAULT_INDEX,)


def test_the_certificates_of_all_programs_serve_too() -> None:
    environ = {"PIP_CONFIG_FILE": os.devnull, "SSL_CERT_FILE": "/all.pem"}
    assert read_index_settings(environ).ca_bundle == "/all.pem"


def test_an_index_that_is_no_http_is_left_out() -> None:
    environ = {"PIP_CONFIG_FILE": os.devnull, "PIP_INDEX_URL": "file:///simple"}
    assert read_index_settings(environ).urls == ()
