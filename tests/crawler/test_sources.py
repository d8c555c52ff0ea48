from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from crawler.errors import SnapshotError, SourceError
from crawler.models import SourceKind, SourceRepo
from crawler.snapshot import open_snapshot
from crawler.sources import as_listed, load_sources, parse_source, parse_sources, source_word

SHA = "0123456789abcdef0123456789abcdef01234567"


@pytest.fixture(autouse=True)
def working_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def make_repo(folder: Path, origin: str | None = None, *, bare: bool = False) -> Path:
    folder.mkdir(parents=True)
    subprocess.run(["git", "init", "-q", *(["--bare"] if bare else []), folder], check=True)
    if origin:
        subprocess.run(["git", "-C", folder, "remote", "add", "origin", origin], check=True)
    return folder


GITHUB_WORDS = [
    ("fla-org/flash-linear-attention", "fla-org/flash-linear-attention", None),
    ("a/b.c_d-e", "a/b.c_d-e", None),
    ("a/b@main", "a/b", "main"),
    ("a/b@feature/x", "a/b", "feature/x"),
    (f"a/b@{SHA}", "a/b", SHA),
    ("https://github.com/a/b", "a/b", None),
    ("http://www.github.com/a/b/", "a/b", None),
    ("https://GitHub.com/a/b.git", "a/b", None),
    ("https://github.com/a/b?tab=readme-ov-file#usage", "a/b", None),
    ("https://github.com/a/b/tree/v1.0", "a/b", "v1.0"),
    (f"https://github.com/a/b/commit/{SHA}", "a/b", SHA),
    ("https://user:pass@github.com/a/b.git", "a/b", None),
    ("git@github.com:a/b.git", "a/b", None),
    ("ssh://git@github.com/a/b.git", "a/b", None),
    ("ssh://git@ssh.github.com:443/a/b.git", "a/b", None),
    ("git+https://github.com/a/b", "a/b", None),
    ("github.com/a/b", "a/b", None),
]


@pytest.mark.parametrize(("word", "name", "ref"), GITHUB_WORDS)
def test_names_a_repository_on_github(word: str, name: str, ref: str | None) -> None:
    assert parse_source(word) == SourceRepo(name=name, kind=SourceKind.GITHUB, ref=ref)


@pytest.mark.parametrize(
    ("word", "name", "version"),
    [
        ("pypi:liger-kernel", "pypi:liger-kernel", None),
        ("pypi:Flag_Gems", "pypi:flag-gems", None),
        ("pypi:fla.core==0.6.0", "pypi:fla-core", "0.6.0"),
        ("pypi:torch==2.0.0RC1", "pypi:torch", "2.0.0rc1"),
    ],
)
def test_names_a_package(word: str, name: str, version: str | None) -> None:
    assert parse_source(word) == SourceRepo(name=name, kind=SourceKind.PYPI, version=version)


def test_names_a_clone_that_stands_for_a_repository(tmp_path: Path) -> None:
    expected = SourceRepo(name="a/b", kind=SourceKind.CLONE, path=tmp_path / "some where")
    assert parse_source(f"a/b={tmp_path}/some where") == expected
    assert parse_source("a/b=some where") == expected
    assert parse_source("a/b=./x/../some where") == expected


@pytest.mark.parametrize(
    ("origin", "name"),
    [
        (None, "local/my-clone"),
        ("https://github.com/a/b.git", "a/b"),
        ("git@github.com:a/b.git", "a/b"),
        ("https://oauth2:s3cret@github.com/a/b", "a/b"),
        ("https://gitlab.com/a/b.git", "local/my-clone"),
        ("https://github.com/a/b/c", "local/my-clone"),
        ("/srv/git/a", "local/my-clone"),
        ("ext::sh -c whoami", "local/my-clone"),
        ("https://[broken", "local/my-clone"),
    ],
)
@pytest.mark.parametrize("bare", [False, True])
def test_the_root_of_a_repository_stands_for_its_origin(
    tmp_path: Path, origin: str | None, name: str, bare: bool
) -> None:
    repo = make_repo(tmp_path / "my clone.git", origin, bare=bare)
    source = parse_source(str(repo))
    assert source == SourceRepo(name=name, kind=SourceKind.CLONE, path=repo)
    assert "s3cret" not in repr(source)


def test_a_folder_inside_a_checkout_is_a_plain_folder(tmp_path: Path) -> None:
    (make_repo(tmp_path / "repo", "https://github.com/a/b") / "src").mkdir()
    assert parse_source("repo/src") == SourceRepo(
        name="local/src", kind=SourceKind.FOLDER, path=tmp_path / "repo/src"
    )


@pytest.mark.parametrize(
    ("word", "name"),
    [
        ("kernels", "local/kernels"),
        ("a/b", "local/b"),
        ("./a/b", "local/b"),
        ("./gone", "local/gone"),
        ("x=y", "local/x-y"),
        ("Ünï code\n", "local/n-code"),
        ("/", "local/folder"),
    ],
)
def test_names_a_folder(tmp_path: Path, word: str, name: str) -> None:
    if not word.startswith((".", "/")):
        (tmp_path / word).mkdir(parents=True)
    source = parse_source(word)
    assert (source.kind, source.name) == (SourceKind.FOLDER, name)
    assert source.path == Path(os.path.normpath(tmp_path / word))


def test_a_path_may_start_at_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    assert parse_source("~/x").path == tmp_path / "x"


def test_a_folder_without_git_may_have_a_local_name_of_its_own(tmp_path: Path) -> None:
    (tmp_path / "src").mkdir()
    source = parse_source("local/mine=src")
    assert source == SourceRepo(name="local/mine", kind=SourceKind.FOLDER, path=tmp_path / "src")
    make_repo(tmp_path / "repo")
    assert parse_source("local/mine=repo").kind is SourceKind.CLONE


BAD_WORDS = [
    ("", "'' names no source; give owner/name"),
    ("kernels", "'kernels' is no source: no such folder, and no owner/name"),
    ("a/b/c", "no such folder"),
    ("a/..", "no such folder"),
    ("-a/b", "no such folder"),
    ("a b/c", "no such folder"),
    ("a/b\x00", "names no source"),
    ("a/b@", "'' is no branch, tag or commit"),
    ("a/b@-x", "'-x' is no branch, tag or commit"),
    ("a/b@x..y", "is no branch, tag or commit"),
    ("a/b@x y", "is no branch, tag or commit"),
    ("a/b=", "the path is missing; give a/b=PATH"),
    ("ab=/x", "'ab' is no owner/name to stand before =PATH"),
    ("local/x", "names a folder of this machine; give local/x=PATH"),
    ("~nobody-of-this-name/x", "no such user's home"),
    ("pypi:", "'' is no package name"),
    ("pypi:a>=1", "'a>=1' is no package name; give pypi:dist or pypi:dist==version"),
    ("pypi:a[extra]", "is no package name"),
    ("pypi:a==", "'' is no single version"),
    ("pypi:a==1.*", "'1.*' is no single version; give one as pypi:dist==1.2.3"),
    (f"pypi:a=={'1' * 5_000}", "no package or version has so long a name"),
    (f"pypi:{'a' * 200_000}==1", "no package or version has so long a name"),
    ("pypi:../a", "is no package name"),
    ("https://gitlab.com/a/b", "only repositories on GitHub are read by URL; clone it and give"),
    ("https://gist.github.com/a/b", "only repositories on GitHub"),
    ("file:///tmp/x", "only repositories on GitHub"),
    ("https://[broken/a/b", "only repositories on GitHub"),
    ("https://github.com/a", "is no source"),
    ("https://github.com/a/b/issues/3", "this is a page inside a/b; give owner/name"),
    ("https://github.com/a/b/tree/main/src", "this is a page inside a/b"),
    ("https://u:s3cret@example.org/a/b", "https://example.org/a/b: only"),
    ("https://u:s3@cret@github.com/a/b/issues", "https://github.com/a/b/issues: this is"),
    ("no\nsuch\x1b[31mthing", "'no\\x0asuch\\x1b[31mthing' is no source"),
    ("b\udcffd", "'b\\xffd' is no source"),
]


def test_a_file_is_no_source_and_no_repository_of_that_name(tmp_path: Path) -> None:
    (tmp_path / "src").mkdir()
    (tmp_path / "src" / "a.py").touch()
    with pytest.raises(SourceError, match=r"src/a\.py: a file; give the folder that holds it"):
        parse_source("src/a.py")


@pytest.mark.parametrize(("word", "says"), BAD_WORDS)
def test_a_word_that_names_nothing_is_one_clear_line(word: str, says: str) -> None:
    with pytest.raises(SourceError) as error:
        parse_source(word)
    text = str(error.value)
    assert says in text.replace("\\\\", "\\")
    assert text.isprintable()
    assert "cret" not in text


def test_words_that_name_the_same_are_one_source(tmp_path: Path) -> None:
    words = ["b/c", "pypi:x", "https://github.com/b/c", "pypi:X", "a/b"]
    assert [source.name for source in parse_sources(words)] == ["b/c", "pypi:x", "a/b"]


@pytest.mark.parametrize("words", [["./x/src", "./y/src"], ["a/b", "A/b=./x"], ["a/b", "a/b@v1"]])
def test_words_that_would_overwrite_each_other_are_refused(words: list[str]) -> None:
    with pytest.raises(SourceError, match="would overwrite it; give it a name of its own"):
        parse_sources(words)


@pytest.mark.parametrize(
    "word", ["a/b@v1", "pypi:x==1", "a/b=./repo", "./repo", "./plain", "local/y=./plain"]
)
def test_the_word_of_a_source_names_it_again(tmp_path: Path, word: str) -> None:
    make_repo(tmp_path / "repo", "https://github.com/c/d")
    (tmp_path / "plain").mkdir()
    source = parse_source(word)
    again = parse_source(source_word(source))
    assert (again.name, again.kind, again.path) == (source.name, source.kind, source.path)
    assert (again.ref, again.version) == (None, None)


def write_list(folder: Path, text: str) -> Path:
    path = folder / "sources.toml"
    path.write_text(text)
    return path


def test_a_list_gives_its_sources_in_order(tmp_path: Path) -> None:
    make_repo(tmp_path / "lists/clone")
    (tmp_path / "a/b").mkdir(parents=True)
    text = """
        [[repo]]
        name = "a/b"
        group = "attention"
        note = "why it is listed"
        include = ["src/"]
        exclude = ["*_test.py", "!x_test.py"]
        marks = ["generated", "vendored"]
        fork_of = "c/d"
        formerly = ["old/b", "older/b"]
        [[repo]]
        name = "pypi:X_y==1.0"
        [[repo]]
        name = "./clone"
        [[repo]]
        name = "e/f=clone"
    """
    assert load_sources(write_list(tmp_path / "lists", text)) == (
        SourceRepo(
            name="a/b",  # although there is such a folder: a list means the same everywhere
            kind=SourceKind.GITHUB,
            group="attention",
            note="why it is listed",
            include=("src/",),
            exclude=("*_test.py", "!x_test.py"),
            marks=("generated", "vendored", "fork_of"),
            fork_of="c/d",
            formerly=("old/b", "older/b"),
        ),
        SourceRepo(name="pypi:x-y", kind=SourceKind.PYPI, version="1.0"),
        SourceRepo(name="local/clone", kind=SourceKind.CLONE, path=tmp_path / "lists/clone"),
        SourceRepo(name="e/f", kind=SourceKind.CLONE, path=tmp_path / "lists/clone"),
    )


ENTRY = '[[repo]]\nname = "a/b"\n'
BAD_LISTS = [
    pytest.param("", ": lists nothing; write each source as a [[repo]] table", id="empty"),
    pytest.param("repo = 3", ": lists nothing", id="repo is no table"),
    pytest.param("[[repo]", ": is no TOML: Expected ']]'", id="syntax"),
    pytest.param(
        ENTRY + 'name = "c/d"', ": is no TOML: Cannot overwrite a value", id="twice a key"
    ),
    pytest.param("x = " + "[" * 5000, ": is no TOML", id="nested too deep"),
    pytest.param("[[repos]]\nname='a/b'", ": unknown table 'repos'; only [[repo]]", id="table"),
    pytest.param("repo = [3]", ": repo 1: expected object, got int", id="entry is no table"),
    pytest.param(
        "[[repo]]\ngroup='x'", ": repo 1: object missing required field name", id="no name"
    ),
    pytest.param(
        ENTRY + "nota = 'x'", ": repo 1 (a/b): object contains unknown field nota", id="unknown"
    ),
    pytest.param(
        ENTRY + "note = 3", ": repo 1 (a/b): note: expected str | null, got int", id="type"
    ),
    pytest.param(
        ENTRY + "include = ['a', 3]", ": repo 1 (a/b): include[1]: expected str", id="item"
    ),
    pytest.param(
        ENTRY + "include = 'a'", ": repo 1 (a/b): include: expected array, got str", id="list"
    ),
    pytest.param(ENTRY + "exclude = ['!']", ": repo 1 (a/b): exclude: ", id="pattern"),
    pytest.param(
        ENTRY + "marks = ['fork']", ": repo 1 (a/b): marks[0]: invalid enum value", id="mark"
    ),
    pytest.param(
        ENTRY + "fork_of = 'x'", ": repo 1 (a/b): fork_of: 'x' is no owner/name", id="fork"
    ),
    pytest.param(ENTRY + "formerly = ['x']", ": repo 1 (a/b): formerly: 'x' is no", id="formerly"),
    pytest.param("[[repo]]\nname = 'ab'", ": repo 1 (ab): name: 'ab' is no source", id="name"),
    pytest.param("[[repo]]\nname = ''", ": repo 1 (): name: '' names no source", id="empty name"),
    pytest.param(
        ENTRY + "[[repo]]\nname = 'c/d'\n[[repo]]\nname = 'A/B@v1'",
        ": repo 3 (A/B@v1): name: A/B is listed before, in repo 1 (a/b)",
        id="twice",
    ),
    pytest.param(
        ENTRY + "[[repo]]\nname = 'c/d'\nformerly = ['a/b']",
        ": repo 2 (c/d): formerly: a/b is listed before, in repo 1 (a/b)",
        id="still listed under its old name",
    ),
    pytest.param(
        "[[repo]]\nname = 'https://u:s3cret@x.org/a'", "(https://x.org/a): name:", id="password"
    ),
]


@pytest.mark.parametrize(("text", "says"), BAD_LISTS)
def test_a_malformed_list_names_file_entry_and_field(tmp_path: Path, text: str, says: str) -> None:
    path = write_list(tmp_path, text)
    with pytest.raises(SourceError) as error:
        load_sources(path)
    assert str(error.value).startswith(str(path))
    assert says in str(error.value)
    assert str(error.value).isprintable()
    assert "s3cret" not in str(error.value)


def test_what_is_named_is_marked_as_the_list_says_and_read_whole(tmp_path: Path) -> None:
    path = tmp_path / "sources.toml"
    path.write_text(
        '[[repo]]\nname = "acme/kernels"\nmarks = ["generated"]\nfork_of = "big/kernels"\n'
        'include = ["/ops/"]\nexclude = ["/ops/old/"]\n'
    )
    words = [f"Acme/Kernels={tmp_path}", "other/kernels"]
    clone, other = as_listed(parse_sources(words), load_sources(path))
    assert (clone.name, clone.path) == ("Acme/Kernels", tmp_path)
    assert clone.marks == ("generated", "fork_of")
    assert (clone.fork_of, clone.include, clone.exclude) == ("big/kernels", (), ())
    assert other == parse_source("other/kernels")


def test_a_list_that_cannot_be_read_is_one_clear_line(tmp_path: Path) -> None:
    for path in (tmp_path / "gone.toml", tmp_path):
        with pytest.raises(SourceError, match=r"; name a list with --sources FILE$"):
            load_sources(path)
    (tmp_path / "latin.toml").write_bytes(b"# \xff")
    with pytest.raises(SourceError, match="is no TOML: 'utf-8' codec"):
        load_sources(tmp_path / "latin.toml")


def test_a_source_opens_as_what_it_is(tmp_path: Path) -> None:
    (tmp_path / "src/tests").mkdir(parents=True)
    for name in ("a.py", "tests/b.py", "LICENSE"):
        (tmp_path / "src" / name).write_text(name)
    text = "[[repo]]\nname = './src'\nexclude = ['tests/']"
    (source,) = load_sources(write_list(tmp_path, text))
    snapshot = open_snapshot(source)
    assert [entry.path for entry in snapshot.entries()] == ["LICENSE", "a.py"]
    assert snapshot.repo == "local/src"
    snapshot.close()


@pytest.mark.parametrize(
    "word", ["./gone", "a/b=./gone", "./go\nne", "local/x=./gone", "a/b=./go\nne", "./\udcffgone"]
)
def test_a_missing_path_is_one_line_when_it_is_opened(word: str) -> None:
    with pytest.raises(SnapshotError, match=r"go(\\n)?ne") as error:
        open_snapshot(parse_source(word))
    assert str(error.value).isprintable()
