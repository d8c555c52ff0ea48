from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crawler.enrich.requirement import declared_requirement, nearest_requirement, read_requirements

STATED = [
    (
        "a project's dependency",
        "pyproject.toml",
        '[project]\ndependencies = ["torch", "triton>=3.0 ; platform_system == \'Linux\'"]',
        "triton>=3.0 ; platform_system == 'Linux'",
        ">=3.0",
    ),
    (
        "an optional dependency",
        "pyproject.toml",
        '[project.optional-dependencies]\ngpu = ["triton == 2.1.0"]',
        "triton == 2.1.0",
        "==2.1.0",
    ),
    (
        "a dependency group",
        "pyproject.toml",
        '[dependency-groups]\ntest = [{include-group = "x"}, "triton~=3.2"]',
        "triton~=3.2",
        "~=3.2",
    ),
    (
        "Poetry's caret",
        "pyproject.toml",
        '[tool.poetry.dependencies]\ntriton = "^3.1"',
        "triton ^3.1",
        "<4,>=3.1",
    ),
    (
        "Poetry's caret on a zero",
        "pyproject.toml",
        '[tool.poetry.dependencies]\ntriton = "^0.4.1"',
        "triton ^0.4.1",
        "<0.5,>=0.4.1",
    ),
    (
        "Poetry's tilde, in a table",
        "pyproject.toml",
        '[tool.poetry.dependencies]\ntriton = {version = "~3.1", optional = true}',
        "triton ~3.1",
        "<3.2,>=3.1",
    ),
    (
        "Poetry's star",
        "pyproject.toml",
        '[tool.poetry.dependencies]\ntriton = "*"',
        "triton *",
        "",
    ),
    (
        "a bare name in setup.cfg",
        "setup.cfg",
        "[options]\ninstall_requires =\n    torch\n    triton  # the newest",
        "triton",
        "",
    ),
    (
        "an extra in setup.cfg",
        "setup.cfg",
        "[options.extras_require]\nall =\n    triton<4,>=3",
        "triton<4,>=3",
        "<4,>=3",
    ),
    (
        "a list in setup.py",
        "setup.py",
        "from setuptools import setup\nsetup(install_requires=['torch', 'triton'])",
        "triton",
        "",
    ),
    (
        "a constant in an f-string in setup.py",
        "setup.py",
        "V: str = '3.3.0'\nREQS = [f'triton>={V}']\nsetup(install_requires=REQS)",
        "triton>=3.3.0",
        ">=3.3.0",
    ),
    (
        "a sum of constants in setup.py",
        "setup.py",
        "V = '3.3.0'\nextras = {'gpu': ['triton==' + V]}",
        "triton==3.3.0",
        "==3.3.0",
    ),
    (
        "an appended requirement in setup.py",
        "setup.py",
        "requirements = []\nif linux:\n    requirements.append('triton')",
        "triton",
        "",
    ),
    (
        "a version outside any list in setup.py",
        "setup.py",
        "def f():\n    return ['triton>=2.0.0.dev20221202']",
        "triton>=2.0.0.dev20221202",
        ">=2.0.0.dev20221202",
    ),
    (
        "a line with a hash",
        "requirements.txt",
        "-r base.txt\ntriton==2.1.0 \\\n  --hash=sha256:00  # pinned",
        "triton==2.1.0",
        "==2.1.0",
    ),
    (
        "a requirement of a folder of requirements",
        "requirements/runtime.txt",
        "triton>=2.2",
        "triton>=2.2",
        ">=2.2",
    ),
    (
        "an address",
        "requirements.txt",
        "triton @ git+https://github.com/triton-lang/triton@main",
        "triton @ git+https://github.com/triton-lang/triton@main",
        "",
    ),
    (
        "a wheel's metadata",
        "kernels-1.0.dist-info/METADATA",
        "Metadata-Version: 2.1\nName: kernels\nRequires-Dist: triton (>=2.3.1)\n\nText",
        "triton (>=2.3.1)",
        ">=2.3.1",
    ),
    (
        "a variant for another platform",
        "requirements.txt",
        "triton_windows>=3.2",
        "triton_windows>=3.2",
        ">=3.2",
    ),
]

NOT_STATED = [
    ("the client of another Triton", "requirements.txt", "tritonclient[all]==2.41"),
    ("a comment", "requirements.txt", "# triton==2.0"),
    ("a project of that name", "pyproject.toml", '[project]\nname = "triton"\nkeywords=["triton"]'),
    ("a package in setup.py", "setup.py", "setup(name='triton', packages=['triton', 'triton/x'])"),
    ("a version that is not known", "setup.py", "setup(install_requires=[f'triton>={get()}'])"),
    ("a path in setup.py", "setup.py", "deps = os.path.join('python', 'triton/')"),
]


@pytest.mark.parametrize(
    ("path", "text", "written", "specifier"),
    [case[1:] for case in STATED],
    ids=[case[0] for case in STATED],
)
def test_reads(path: str, text: str, written: str, specifier: str) -> None:
    found = declared_requirement("pkg/kernel.py", {path: text.encode()})
    assert found is not None
    assert (found.text, str(found.specifier), found.path) == (written, specifier, path)


@pytest.mark.parametrize(
    ("path", "text"), [case[1:] for case in NOT_STATED], ids=[case[0] for case in NOT_STATED]
)
def test_does_not_read(path: str, text: str) -> None:
    assert declared_requirement("pkg/kernel.py", {path: text.encode()}) is None


def test_the_nearest_folder_speaks() -> None:
    found = read_requirements(
        {
            "requirements.txt": b"triton==2.0.0",
            "tools/gpu/pyproject.toml": b"",
            "tools/setup.py": b"x='triton==3.0.0'",
        }
    )
    nearest = nearest_requirement("tools/gpu/deep/kernel.py", found)
    assert nearest is not None and nearest.text == "triton==3.0.0"
    outside = nearest_requirement("other/kernel.py", found)
    assert outside is not None and outside.text == "triton==2.0.0"


def test_a_range_comes_before_a_bare_name_and_need_before_option() -> None:
    files = {
        "pyproject.toml": b'[project]\ndependencies = ["triton"]\n'
        b'[project.optional-dependencies]\ntest = ["triton==3.1.0"]\ngpu = ["triton>=3.0.0"]',
        "requirements-dev.txt": b"triton==3.5.0",
    }
    found = declared_requirement("kernel.py", files)
    assert found is not None and found.text == "triton>=3.0.0"


def test_triton_comes_before_its_variants() -> None:
    text = b"triton-windows>=3.2; sys_platform == 'win32'\ntriton>=3.0; sys_platform == 'linux'"
    found = declared_requirement("kernel.py", {"requirements.txt": text})
    assert found is not None and found.distribution == "triton"


def test_a_range_that_is_none_is_kept_as_written() -> None:
    found = declared_requirement("kernel.py", {"requirements.txt": b"triton>=banana"})
    assert found is not None
    assert (found.text, found.specifier) == ("triton>=banana", None)


HOSTILE = {
    "nested TOML": ("pyproject.toml", b"a = " + b"[" * 100_000),
    "wrong types": ("pyproject.toml", b'project = 3\ntool = ["poetry"]\ndependency-groups = ""'),
    "wrong inner types": ("pyproject.toml", b"[project]\ndependencies = {triton = 1}"),
    "nested Python": ("setup.py", b"(" * 50_000 + b"triton"),
    "a chain of additions": ("setup.py", b"requires = 'triton'" + b"+'a'" * 20_000),
    "a null byte": ("setup.py", b"requires = ['triton']\0"),
    "a template": ("setup.py", b"{% if x %}"),
    "no section": ("setup.cfg", b"install_requires = triton"),
    "interpolation": ("setup.cfg", b"[options]\ninstall_requires = %(x)s"),
    "bytes": ("requirements.txt", bytes(range(256))),
    "a large file": ("requirements.txt", b"triton\n" * 1_000_000),
    "a large number": (
        "pyproject.toml",
        b'[tool.poetry.dependencies]\ntriton = "^' + b"9" * 9999 + b'"',
    ),
}


@pytest.mark.parametrize(("path", "data"), HOSTILE.values(), ids=HOSTILE.keys())
def test_hostile_manifests_do_not_raise(path: str, data: bytes) -> None:
    declared_requirement("kernel.py", {path: data})


@given(st.text(alphabet="triton-=<>~!^*.0123[](){};'\" \n@#\\", max_size=80))
def test_any_text_is_read_without_error(text: str) -> None:
    for path in ("requirements.txt", "setup.cfg", "pyproject.toml", "setup.py"):
        declared_requirement("kernel.py", {path: text.encode()})
