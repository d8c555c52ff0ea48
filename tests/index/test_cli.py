from __future__ import annotations

import json
import os
import pty
import subprocess
import sys
from pathlib import Path

import duckdb
import pytest

from crawler.models import Param, ParamKind, RepoStatus
from index.cli import main
from index.cli.group import COMMANDS, triton_index
from index.database import SCHEMA_VERSION
from index.queries.kernels import KERNEL_COLUMNS
from tests.index.samples import body, crawled, kernel, save

SOURCE = """
import triton
import triton.language as tl

@triton.jit
def softmax_kernel(x_ptr, n_cols, BLOCK: tl.constexpr = 128):
    \"\"\"Softmax of each row.\"\"\"
    offsets = tl.arange(0, BLOCK)
    x = tl.load(x_ptr + offsets, mask=offsets < n_cols)
    tl.store(x_ptr + offsets, tl.exp(x) / tl.sum(tl.exp(x)))

def softmax(x):
    softmax_kernel[(1,)](x, x.shape[1])
"""

HOSTILE_NAME = "evil\x1b]0;owned\x07"


class Cli:
    """Runs the command line and keeps what it said."""

    def __init__(self, db: Path, capsys: pytest.CaptureFixture[str]) -> None:
        self.db = db
        self._capsys = capsys

    def __call__(self, *words: str) -> int:
        self._capsys.readouterr()
        code = main(["--db", str(self.db), *words])
        self.out, self.err = self._capsys.readouterr()
        return code


@pytest.fixture
def cli(db: Path, capsys: pytest.CaptureFixture[str]) -> Cli:
    return Cli(db, capsys)


@pytest.fixture(scope="module")
def shared_library(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("library") / "index.duckdb"
    first = crawled(
        kernel("softmax_kernel", path="ops/softmax.py", summary="Softmax of each row."),
        kernel("gelu", path="ops/act.py"),
        kernel("gelu", path="ops/other.py", source=body("gelu", "pass")),
        name="acme/kernels",
    )
    hostile = kernel(
        HOSTILE_NAME,
        repo="evil/evil",
        path=f"\u202e{HOSTILE_NAME}.py",
        docstring=f"{HOSTILE_NAME}\x9b31m",
        summary=HOSTILE_NAME,
        params=(Param(name=HOSTILE_NAME, kind=ParamKind.UNKNOWN, default=HOSTILE_NAME),),
        source=f"def evil(): '{HOSTILE_NAME}'\n\tpass\n",
    )
    save(path, first, crawled(hostile, error=HOSTILE_NAME))
    save(path, crawled(status=RepoStatus.FAILED, name="gone/gone", commit=None, error="not there"))
    return path


@pytest.fixture
def library(shared_library: Path, capsys: pytest.CaptureFixture[str]) -> Cli:
    return Cli(shared_library, capsys)


def test_help_tells_what_each_command_tells_of_itself(library: Cli) -> None:
    assert library("--help") == 0
    context = triton_index.make_context("triton-index", [], resilient_parsing=True)
    widest = max(map(len, COMMANDS))
    for name, text in COMMANDS.items():
        assert f"  {name:<{widest}}  {text[:40]}" in library.out
        command = triton_index.get_command(context, name)
        assert command is not None
        assert command.help is not None
        assert command.help.startswith(f"{text}\n")


def test_version(library: Cli) -> None:
    assert library("--version") == 0
    assert library.out.startswith("triton-index 0.")


def test_search_prints_what_it_found(library: Cli) -> None:
    assert library("search", "soft", "max") == 0
    head, line = library.out.splitlines()
    assert head.split() == ["id", "role", "ops", "triton_min", "n_copies", "summary"]
    assert line.startswith("acme/kernels:ops/softmax.py::softmax_kernel  kernel")
    assert library.err == ""


def test_search_gives_programs_whole_records(library: Cli) -> None:
    assert library("search", "softmax", "--format", "json") == 0
    (record,) = json.loads(library.out)
    assert list(record) == list(KERNEL_COLUMNS)
    assert record["first_seen"].endswith("Z")
    assert library("search", "softmax", "--format", "jsonl") == 0
    assert json.loads(library.out) == record


def test_search_that_finds_nothing_says_no_and_offers_the_nearest(library: Cli) -> None:
    assert library("search", "softnaz", "--format", "json") == 1
    assert library.out == "[]\n"
    assert library.err == "no kernel has the word 'softnaz'; did you mean softmax?\n"
    assert library("search", "softmax", "--tag", "norm") == 1
    assert (library.out, library.err) == ("", "no kernel has the tag 'norm'\n")
    assert library("search", "softmax", "--dialect", "gluon") == 1
    assert (library.out, library.err) == ("", "nothing found; try fewer filters\n")


def test_search_says_what_a_misspelled_word_was_taken_for(library: Cli) -> None:
    assert library("search", "sofmax", "--format", "jsonl") == 0
    assert len(library.out.splitlines()) > 0
    assert library.err == "no kernel has the word 'sofmax'; searched for 'softmax'\n"


def test_search_takes_every_filter(library: Cli) -> None:
    filters = (
        "--tag a --tag b --op a --repo a/b --license MIT --role kernel --role pointwise "
        "--dialect gluon --dtype fp16 --feature dot --triton 3.4 --verified --has-backward "
        "--include-tests --sort stars --limit 3 --format csv"
    ).split()
    assert library("search", *filters) == 1
    assert library.out.startswith("id,repo,path,")
    assert library("search", "--role", "kernel", "--repo", "acme/kernels", "--sort", "name") == 0
    assert len(library.out.splitlines()) == 4


def test_limit(library: Cli) -> None:
    assert library("search", "--limit", "2", "--format", "jsonl") == 0
    assert len(library.out.splitlines()) == 2
    assert library("search", "--limit", "0", "--format", "jsonl") == 0
    assert len(library.out.splitlines()) == 4
    assert library("search", "--limit", str(10**30), "--format", "json") == 0
    assert len(json.loads(library.out)) > 1


def test_show_is_a_page_or_an_object(library: Cli) -> None:
    id = "acme/kernels:ops/softmax.py::softmax_kernel"
    assert library("show", id) == 0
    assert library.out.splitlines()[:2] == ["softmax_kernel", id]
    assert "x_ptr: pointer" in library.out
    assert library("show", id, "--format", "json") == 0
    assert list(json.loads(library.out)) == list(KERNEL_COLUMNS)


@pytest.mark.parametrize(
    "part", ["softmax_kernel", "softmax.py::softmax_kernel", "ops/softmax.py::softmax_kernel"]
)
def test_show_takes_the_end_of_an_id(library: Cli, part: str) -> None:
    assert library("show", part, "--source") == 0
    assert library.out == body("softmax_kernel")


def test_show_says_which_were_meant(library: Cli) -> None:
    assert library("show", "gelu") == 2
    assert library.err.splitlines() == [
        "gelu: 2 kernels are called so; give more of the id:",
        "- acme/kernels:ops/act.py::gelu",
        "- acme/kernels:ops/other.py::gelu",
    ]
    assert library("show", "sofmax_kernel") == 1
    assert "no such kernel" in library.err
    assert "acme/kernels:ops/softmax.py::softmax_kernel" in library.err
    assert library("show", "zzzzzzzz") == 1
    assert library.err.count("\n") == 1
    assert library.out == ""


def test_show_prefers_the_living(cli: Cli) -> None:
    save(cli.db, crawled(kernel("k", path="a.py"), kernel("k", path="b.py", source="def k(): 1")))
    save(cli.db, crawled(kernel("k", path="a.py")))
    assert cli("show", "k") == 0
    assert "a.py::k" in cli.out
    assert cli("show", "b.py::k") == 0
    assert "removed" in cli.out


def test_catalogue(library: Cli) -> None:
    assert library("repos", "--format", "json") == 0
    repos = {repo["repo"]: repo for repo in json.loads(library.out)}
    assert repos["acme/kernels"]["kernels"] == 3
    assert (repos["gone/gone"]["status"], repos["gone/gone"]["error"]) == ("failed", "not there")
    assert library("stats", "--format", "json") == 0
    stats = {(s["what"], s["value"]): s["count"] for s in json.loads(library.out)}
    assert stats["total", "kernels"] == 4
    assert stats["role", "kernel"] == 4
    assert library("tags", "--format", "csv") == 0
    assert library.out.split() == ["tag,kernels", "activation,2", "softmax,1"]


def test_runs_and_what_they_changed(library: Cli) -> None:
    assert library("runs", "--format", "json") == 0
    latest, first = json.loads(library.out)
    assert (latest["failed"], first["added"]) == (1, 4)
    assert library("runs", "--changes", "--format", "json") == 0
    assert json.loads(library.out) == []
    assert library("runs", "--changes", first["run_id"], "--format", "json") == 0
    assert {change["kind"] for change in json.loads(library.out)} == {"added"}
    assert library("runs", "--changes", "19990101") == 2
    assert library.err == "triton-index: no run 19990101; `triton-index runs` lists them\n"
    assert library("runs", "--changes", "2") == 2
    assert "2 runs begin with 2" in library.err


def test_sql(library: Cli) -> None:
    assert library("sql", "SELECT count(*) AS n FROM kernels", "--format", "json") == 0
    assert json.loads(library.out) == [{"n": 4}]
    assert library("sql", "DROP TABLE kernel_rows") == 2
    assert library.err == ("triton-index: DROP is not allowed; the index is read with SELECT\n")


def test_export(library: Cli, tmp_path: Path) -> None:
    assert library("export", str(tmp_path / "k.jsonl"), "--facts") == 0
    assert library.out == ""
    assert "4 kernels written to" in library.err
    assert library("export", str(tmp_path / "k.doc")) == 2
    assert "unknown format .doc" in library.err


READING = [
    ["search"],
    ["search", "evil"],
    ["search", "--format", "csv"],
    ["search", "--format", "md"],
    ["search", "--format", "json"],
    ["show", "acme/kernels:ops/softmax.py::softmax_kernel"],
    ["show", HOSTILE_NAME],
    ["show", HOSTILE_NAME, "--source"],
    ["show", HOSTILE_NAME, "--format", "json"],
    ["show", f"nothing like it {HOSTILE_NAME}"],
    ["repos"],
    ["stats"],
    ["runs"],
    ["runs", "--changes"],
    ["sql", "SELECT * FROM kernel_rows"],
    ["sql", f"SELECT '{HOSTILE_NAME}' AS \"{HOSTILE_NAME}\""],
    ["sql", f"SELECT {HOSTILE_NAME}"],
    [HOSTILE_NAME],
    ["search", "--role", HOSTILE_NAME],
    ["search", "--triton", HOSTILE_NAME],
    ["search", HOSTILE_NAME],
    ["runs", "--changes", HOSTILE_NAME],
    ["export", f"/nowhere/{HOSTILE_NAME}.json"],
]


@pytest.mark.parametrize("words", READING, ids=lambda words: ascii(" ".join(words))[:50])
def test_nothing_indexed_steers_the_terminal(library: Cli, words: list[str]) -> None:
    library(*words)
    assert [c for c in library.out + library.err if c not in "\n\t" and not c.isprintable()] == []
    assert library.out + library.err


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["serch"], "No such command 'serch'; did you mean search"),
        (["serach"], "did you mean search"),
        (["wish", "lst"], "No such command 'lst'; did you mean list"),
        (["zzz"], "No such command 'zzz'; see `triton-index --help`"),
        (["search", "--limit", "-1"], "--limit"),
        (["search", "--limit", "many"], "--limit"),
        (["search", "--role", "boss"], "--role"),
        (["search", "--triton", "banana"], "not a version; give one like 3.4"),
        (["search", "--nonsense"], "--nonsense"),
        (["show"], "ID"),
        (["sql"], "QUERY"),
        (["export"], "DEST"),
        (["crawl", "x", "--sources", "y"], "not both"),
        (["crawl", "--jobs", "0", "."], "--jobs"),
        (["crawl", "pypi:not a name"], "not a name"),
        (["crawl", "--sources", "/nowhere/sources.toml"], "/nowhere/sources.toml"),
        (["search", "--op", "\udcff"], "not in UTF-8"),
        (["show", "\udcff"], "not in UTF-8"),
        (["sql", "SELECT '\udcff'"], "not in UTF-8"),
        (["runs", "--changes", "zzz"], "no run zzz; `triton-index runs` lists them"),
        (["wish", "reply", "5"], "5: no such wish; `triton-index wish list` shows them"),
        (["export", "/nowhere/x.json"], "/nowhere/x.json: No such file or directory; name another"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_wrong_usage_is_one_line(library: Cli, words: list[str], message: str) -> None:
    assert library(*words) == 2
    assert library.out == ""
    assert library.err.count("\n") == 1
    assert library.err.startswith("triton-index: ")
    assert message in library.err


@pytest.mark.parametrize(
    "words", [["search", "x"], ["show", "x"], ["repos"], ["sql", "SELECT 1"], ["export", "x.json"]]
)
def test_without_an_index_the_next_step_is_told(cli: Cli, words: list[str]) -> None:
    assert cli(*words) == 2
    assert cli.err == (
        f"triton-index: {cli.db}: no index here yet; make it with "
        f"`triton-index --db {cli.db} crawl SOURCE`\n"
    )


@pytest.mark.parametrize("words", [["search", "x"], ["sql", "SELECT 1"], ["crawl", "."]])
def test_a_file_that_is_no_index_of_ours_is_one_line(cli: Cli, words: list[str]) -> None:
    for content, message in (
        (b"not a database", "not a DuckDB database; name another file with --db"),
        (newer_index(cli.db.with_name("newer.duckdb")), "newer than this program's"),
    ):
        cli.db.write_bytes(content)
        assert cli(*words) == 2
        assert (cli.out, cli.err.count("\n")) == ("", 1)
        assert cli.err.startswith(f"triton-index: {cli.db}: ")
        assert message in cli.err
        assert cli.db.read_bytes() == content


def newer_index(path: Path) -> bytes:
    save(path, crawled(kernel()))
    with duckdb.connect(path) as con:
        con.execute("UPDATE meta SET value = '999' WHERE key = 'schema_version'")
    return path.read_bytes()


def test_a_folder_is_no_index(cli: Cli, tmp_path: Path) -> None:
    cli.db = tmp_path
    for words in (["search", "x"], ["crawl", "."]):
        assert cli(*words) == 2
        assert (
            cli.err
            == f"triton-index: {tmp_path}: a folder, not an index file; name a file with --db\n"
        )


def test_a_pipe_is_no_index_and_is_not_waited_for(cli: Cli) -> None:
    os.mkfifo(cli.db)
    for words in (["stats"], ["sql", "SELECT 1"], ["crawl", "."]):
        assert cli(*words) == 2
        assert cli.err == (
            f"triton-index: {cli.db}: no file but a device or a pipe; name a file with --db\n"
        )


def test_damage_is_told_with_the_way_out(cli: Cli) -> None:
    save(cli.db, crawled(kernel()))
    cli.db.write_bytes(cli.db.read_bytes()[:100])
    for words in (["stats"], ["crawl", "."]):
        assert cli(*words) == 2
        assert cli.err.startswith(f"triton-index: {cli.db}: damaged (")
        assert cli.err.count("\n") == 1
        assert "move it away" in cli.err


@pytest.mark.parametrize("words", [["stats"], ["search", "x"], ["crawl", "."]])
def test_an_index_without_its_tables_is_one_line(cli: Cli, words: list[str]) -> None:
    with duckdb.connect(cli.db) as con:
        con.execute("CREATE TABLE meta (key VARCHAR PRIMARY KEY, value VARCHAR)")
        con.execute("INSERT INTO meta VALUES ('schema_version', ?)", [str(SCHEMA_VERSION)])
    assert cli(*words) == 2
    assert cli.err.startswith(f"triton-index: {cli.db}: not the tables of this program (")
    assert cli.err.count("\n") == 1


@pytest.mark.parametrize("words", [[], ["wish"]], ids=str)
def test_who_gives_no_command_gets_the_help(
    words: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(words) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert "\nCommands:\n" in err


def test_debug_shows_where(library: Cli) -> None:
    with pytest.raises(Exception, match="DROP is not allowed"):
        main(["--debug", "--db", str(library.db), "sql", "DROP TABLE x"])


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    path = tmp_path / "project"
    path.mkdir()
    (path / "softmax.py").write_text(SOURCE)
    return path


def test_a_crawl_end_to_end(cli: Cli, folder: Path) -> None:
    assert cli("crawl", str(folder)) == 0
    assert cli.out == ""
    line, summary = cli.err.splitlines()
    assert line == "updated: local/project: 1 kernels (1 added, 0 changed, 0 removed)"
    assert summary.startswith("1 source in ")
    assert summary.endswith(f"1 files parsed; index: {cli.db}")
    assert cli("search", "SoftMax") == 0
    assert "local/project:softmax.py::softmax_kernel" in cli.out
    assert cli("crawl", str(folder)) == 0
    assert cli.err.startswith("unchanged: local/project: 1 kernels\n")
    assert "0 files parsed" in cli.err


def test_a_crawl_reports_as_promised_and_goes_on(cli: Cli, folder: Path, tmp_path: Path) -> None:
    missing = tmp_path / "missing"
    assert cli("crawl", str(missing), str(folder), "--format", "json", "--jobs", "1") == 1
    report = json.loads(cli.out)
    assert list(report) == ["run_id", "started_at", "seconds", "repos"]
    failed, updated = report["repos"]
    assert (
        list(updated)
        == (
            "repo status commit files_seen files_parsed kernels added changed removed skipped "
            "requests error renamed_from"
        ).split()
    )
    assert (failed["repo"], failed["status"]) == ("local/missing", "failed")
    assert str(missing) in failed["error"]
    assert (updated["status"], updated["kernels"], updated["error"]) == ("updated", 1, None)
    assert "1 failed" in cli.err
    assert cli("search", "softmax") == 0


def test_a_crawl_of_a_list(cli: Cli, folder: Path, tmp_path: Path) -> None:
    listed = tmp_path / "list.toml"
    listed.write_text('[[repo]]\nname = "local/mine=project"\n')
    assert cli("crawl", "--sources", str(listed)) == 0
    assert cli("repos") == 0
    assert "local/mine" in cli.out


def test_without_a_source_the_list_here_is_crawled(
    cli: Cli, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "sources.toml").write_text('[[repo]]\nname = "local/mine=project"\n')
    monkeypatch.chdir(tmp_path)
    assert cli("crawl") == 0
    assert cli("repos") == 0
    assert "local/mine" in cli.out


def test_the_users_own_index_is_made_and_then_read(
    tmp_path: Path,
    folder: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.delenv("TRITON_INDEX_DB", raising=False)
    monkeypatch.setattr("index.files.location.BUNDLE", tmp_path / "nothing")
    assert main(["search", "x"]) == 2
    assert "no index yet; make it with `triton-index crawl SOURCE`" in capsys.readouterr().err
    assert main(["crawl", str(folder)]) == 0
    assert main(["search", "softmax"]) == 0
    assert len(list(tmp_path.rglob("index.duckdb"))) == 1


def test_the_index_may_be_named_in_the_environment(
    shared_library: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("TRITON_INDEX_DB", str(shared_library))
    assert main(["show", "softmax_kernel", "--source"]) == 0
    assert capsys.readouterr().out == body("softmax_kernel")


def run(*words: str, **more: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run(  # type: ignore[call-overload, no-any-return]
        [sys.executable, "-m", "index", *words],
        capture_output="stdout" not in more,
        text=True,
        timeout=60,
        **more,
    )


def test_python_m_index_is_the_same_command(shared_library: Path) -> None:
    done = run("--db", str(shared_library), "search", "softnaz")
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith("no kernel has the word 'softnaz'")
    assert "Usage: triton-index " in run("--help").stdout


def test_a_reader_that_has_enough_is_no_error(shared_library: Path) -> None:
    read_end, write_end = os.pipe()
    os.close(read_end)
    with os.fdopen(write_end, "w") as out:
        done = run(
            "--db", str(shared_library), "sql", "FROM range(100000)",
            stdout=out, stderr=subprocess.PIPE,
        )  # fmt: skip
    assert (done.returncode, done.stderr) == (0, "")


def test_a_full_stdout_is_not_taken_for_a_full_index(shared_library: Path) -> None:
    with Path("/dev/full").open("w") as out:
        for words in (["tags"], ["search"], ["sql", "SELECT 1"]):
            done = run("--db", str(shared_library), *words, stdout=out, stderr=subprocess.PIPE)
            assert done.returncode == 2
            assert done.stderr == (
                "triton-index: stdout: No space left on device; what it got is not whole\n"
            )


@pytest.mark.parametrize("closed", ["<&-", ">&-", "2>&-", "<&- >&- 2>&-"])
def test_closed_streams_lead_nowhere(shared_library: Path, closed: str) -> None:
    command = [sys.executable, "-m", "index", "--db", str(shared_library)]
    for words, code in ((["stats"], 0), (["show", "nothing"], 1)):
        done = subprocess.run(
            ["sh", "-c", f'"$@" {closed}', "sh", *command, *words],
            capture_output=True, text=True, timeout=60, check=False,
        )  # fmt: skip
        assert done.returncode == code
        assert "unexpected" not in done.stderr


def test_any_locale_can_print_any_name(shared_library: Path) -> None:
    done = run(
        "--db", str(shared_library), "sql", "SELECT 'é日本'",
        env={**os.environ, "PYTHONIOENCODING": "ascii", "LC_ALL": "C"},
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (0, "")
    assert r"\xe9\u65e5\u672c" in done.stdout


def test_a_terminal_gets_a_bar_and_stdout_nothing(db: Path, folder: Path) -> None:
    controller, terminal = pty.openpty()
    crawl = subprocess.Popen(
        [sys.executable, "-m", "index", "--db", str(db), "crawl", str(folder)],
        stdout=subprocess.PIPE,
        stderr=terminal,
        env={**os.environ, "TERM": "xterm-256color"},
    )
    os.close(terminal)
    shown = b""
    try:
        while chunk := os.read(controller, 65536):
            shown += chunk
    except OSError:
        pass  # so Linux tells that nobody writes any more
    out, _ = crawl.communicate(timeout=60)
    os.close(controller)
    assert (crawl.returncode, out) == (0, b"")
    assert b"\x1b[" in shown
    assert b"updated: local/project: 1 kernels" in shown


@pytest.mark.parametrize(
    ("words", "absent"),
    [
        (["--help"], {"duckdb", "rich", "libcst", "msgspec", "github", "filelock", "packaging"}),
        (["search", "softmax"], {"rich", "libcst", "github", "filelock", "requests"}),
        (["show", "softmax_kernel"], {"rich", "libcst", "github", "filelock"}),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_nothing_heavy_is_imported_before_it_is_needed(
    shared_library: Path, words: list[str], absent: set[str]
) -> None:
    code = (
        "import sys; from index.cli import main; code = main(sys.argv[1:]); "
        "print(*sys.modules, file=sys.stderr); sys.exit(code)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, "--db", str(shared_library), *words],
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    assert absent & set(done.stderr.split()) == set()


def test_a_source_that_was_typed_wrong_is_forgotten(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    cli = Cli(tmp_path / "index.duckdb", capsys)
    failed = crawled(status=RepoStatus.FAILED, name="acme/kernls", commit=None, error="not there")
    save(cli.db, failed, crawled(kernel("softmax_kernel")))
    assert cli("forget", "Acme/Kernls") == 0
    assert cli.err == "forgotten: acme/kernls, 0 kernels\n"
    assert cli("repos", "--format", "jsonl") == 0
    assert [json.loads(line)["repo"] for line in cli.out.splitlines()] == ["acme/kernels"]
    assert cli("forget", "acme/kernls") == 1
    assert cli.err == "acme/kernls: no such source; `triton-index repos` lists them\n"


def test_kernels_are_forgotten_only_when_that_is_said(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    cli = Cli(tmp_path / "index.duckdb", capsys)
    save(cli.db, crawled(kernel("softmax_kernel")), crawled(kernel("gelu", repo="b/b")))
    assert cli("forget", "acme/kernels") == 1
    assert cli.err == "acme/kernels: 1 kernels are known of it; they go with --kernels\n"
    assert cli("search", "softmax", "--format", "json") == 0
    assert cli("forget", "https://github.com/acme/kernels", "--kernels") == 0
    assert cli("search", "softmax", "--format", "json") == 1
    assert cli("search", "gelu", "--format", "json") == 0


def test_debug_shows_where_a_crawl_went_wrong(cli: Cli, tmp_path: Path) -> None:
    missing = f"x/y={tmp_path / 'missing'}"
    assert cli("crawl", missing) == 1
    assert "Traceback" not in cli.err
    assert cli("--debug", "crawl", missing) == 1
    assert "Traceback (most recent call last):" in cli.err
    assert f"SnapshotError: x/y: there is no folder {tmp_path / 'missing'}" in cli.err
