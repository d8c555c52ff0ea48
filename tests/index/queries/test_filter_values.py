from __future__ import annotations

from pathlib import Path

import duckdb
import pytest

from index.cli import main
from index.database import open_index
from index.queries.filter_values import read_filters
from index.queries.filters import Filters
from tests.index.samples import crawled, kernel, save


@pytest.fixture
def library(db: Path) -> Path:
    sources = ("acme/fast-kernels", "other/fastkernels", "pypi:fast-dist")
    save(db, *(crawled(kernel("rms_norm_kernel", repo=repo)) for repo in sources))
    with duckdb.connect(db) as con:
        con.execute(
            "UPDATE kernel_rows SET ops = ['rms_norm'], tags = ['norm'], "
            "features = ['online_softmax'], dtypes = ['bfloat16', 'float8'], "
            "license = 'Apache-2.0 OR MIT'"
        )
    return db


@pytest.mark.parametrize(
    ("written", "read"),
    [
        (Filters(ops=("RMSNorm",)), Filters(ops=("rms_norm",))),
        (Filters(ops=("rms-norm", "rms norm")), Filters(ops=("rms_norm", "rms_norm"))),
        (Filters(dtypes=("bf16", "fp8")), Filters(dtypes=("bfloat16", "float8"))),
        (Filters(features=("Online-Softmax",)), Filters(features=("online_softmax",))),
        (Filters(repos=("other/FastKernels",)), Filters(repos=("other/fastkernels",))),
        (Filters(repos=("fast-kernels",)), Filters(repos=("fast-kernels",))),
        (Filters(repos=("fast-dist",)), Filters(repos=("fast-dist",))),
        (Filters(licenses=("apache 2.0", "mit")), Filters(licenses=("Apache-2.0", "MIT"))),
        (Filters(licenses=("apache-2.0 or mit",)), Filters(licenses=("Apache-2.0 OR MIT",))),
    ],
    ids=str,
)
def test_values_are_read_in_any_spelling(library: Path, written: Filters, read: Filters) -> None:
    with open_index(library) as con:
        assert read_filters(con, written) == (read, ())


def test_what_no_kernel_has_stays_and_is_told_with_what_is_near(library: Path) -> None:
    asked = Filters(
        ops=("rms_nrom",),
        tags=("norm", "\x1b[31mzebra"),
        dtypes=("fp64",),
        licenses=("apache", "or"),
    )
    with open_index(library) as con:
        filters, unknown = read_filters(con, asked)
    assert filters == asked
    assert [(each.kind, each.value, each.near) for each in unknown] == [
        ("op", "rms_nrom", ("rms_norm",)),
        ("tag", "\x1b[31mzebra", ()),
        ("dtype", "fp64", ()),
        ("licence", "apache", ("Apache-2.0", "Apache-2.0 OR MIT")),
        ("licence", "or", ()),
    ]


def test_a_search_says_which_filter_no_kernel_passes(
    library: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["--db", str(library), "search", "--op", "rmsnorms", "--dtype", "bf16"]
    assert main([*words, "--format", "json"]) == 1
    out, err = capsys.readouterr()
    assert out == "[]\n"
    assert "no kernel has the op 'rmsnorms'; did you mean rms_norm?" in err.splitlines()[0]


def test_a_release_newer_than_all_that_are_known_finds_nothing_and_says_so(
    library: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with duckdb.connect(library) as con:
        con.execute("UPDATE kernel_rows SET triton_min = '3.0.0'")
    assert main(["--db", str(library), "search", "norm", "--triton", "3.44"]) == 1
    out, err = capsys.readouterr()
    assert out == ""
    assert err == "no kernel has the Triton release '3.44'; did you mean 3.4?\n"
    assert main(["--db", str(library), "search", "norm", "--triton", "3.4"]) == 0
