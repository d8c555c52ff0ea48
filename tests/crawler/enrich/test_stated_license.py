"""Licences that manifests state, and what is too open to be one."""

from __future__ import annotations

import pytest
from identify.vendor.licenses import LICENSES

from crawler.enrich.stated_license import classified_license, read_stated_licenses

MIT_TEXT = dict(LICENSES)["MIT"]
OSI = "License :: OSI Approved"
APACHE = f"{OSI} :: Apache Software License"

STATED = {
    "an expression": (
        "pyproject.toml",
        '[project]\nlicense = "MIT OR Apache-2.0"',
        "MIT OR Apache-2.0",
    ),
    "a table of text": (
        "pyproject.toml",
        '[project]\nlicense = {text = "Apache 2.0"}',
        "Apache-2.0",
    ),
    "the whole text": (
        "pyproject.toml",
        f'[project]\nlicense = {{text = """{MIT_TEXT}"""}}',
        "MIT",
    ),
    "poetry": ("pyproject.toml", '[tool.poetry]\nlicense = "BSD-3-Clause"', "BSD-3-Clause"),
    "a classifier": ("pyproject.toml", f'[project]\nclassifiers = ["{OSI} :: MIT License"]', "MIT"),
    "group and classifier": (
        "setup.py",
        f"setup(classifiers=['{OSI}', '{APACHE}'])",
        "Apache-2.0",
    ),
    "a keyword": (
        "setup.py",
        "import setuptools\nsetuptools.setup(name='x', license='MIT')",
        "MIT",
    ),
    "setup.cfg": ("setup.cfg", "[metadata]\nlicense = MIT License", "MIT"),
    "classifiers in setup.cfg": (
        "setup.cfg",
        f"[metadata]\nclassifiers =\n  {OSI} :: ISC License (ISCL)",
        "ISC",
    ),
    "an sdist": ("PKG-INFO", f"Name: x\nClassifier: {OSI} :: MIT License\n", "MIT"),
}
OPEN = {
    "BSD of some kind": ("setup.py", f"setup(classifiers=['{OSI} :: BSD License'])"),
    "two licences": ("setup.py", f"setup(classifiers=['{OSI} :: MIT License', '{APACHE}'])"),
    "proprietary": (
        "pyproject.toml",
        '[project]\nclassifiers = ["License :: Other/Proprietary License"]',
    ),
    "a contradiction": (
        "pyproject.toml",
        f'[project]\nlicense = "MIT"\nclassifiers = ["{APACHE}"]',
    ),
    "words of their own": ("pyproject.toml", '[project]\nlicense = "see LICENSE"'),
    "a file": ("pyproject.toml", '[project]\nlicense = {file = "LICENSE"}'),
    "a license of another call": ("setup.py", "extension(license='MIT')"),
    "an expression of code": ("setup.py", "setup(license=read('LICENSE'))"),
    "no toml": ("pyproject.toml", "license = = MIT"),
    "no python": ("setup.py", "setup(license='MIT'"),
    "a licence that is a number": ("pyproject.toml", "[project]\nlicense = 3\nclassifiers = 4"),
    "another file": ("notes.toml", '[project]\nlicense = "MIT"'),
}


@pytest.mark.parametrize(("name", "text", "license_"), STATED.values(), ids=STATED)
def test_is_stated(name: str, text: str, license_: str) -> None:
    assert read_stated_licenses({f"deep/{name}": text.encode()}) == {"deep": license_}


@pytest.mark.parametrize(("name", "text"), OPEN.values(), ids=OPEN)
def test_is_left_open(name: str, text: str) -> None:
    assert read_stated_licenses({name: text.encode()}) == {}


def test_manifests_that_differ_state_nothing() -> None:
    files = {"pyproject.toml": b'[project]\nlicense = "MIT"', "setup.py": b"setup(license='ISC')"}
    assert read_stated_licenses(files) == {}


def test_only_licenses_are_read_of_classifiers() -> None:
    assert classified_license(["Programming Language :: Python", f"{OSI} :: MIT License"]) == "MIT"
