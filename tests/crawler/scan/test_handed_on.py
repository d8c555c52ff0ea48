"""Triton under its own name, from a package that is not at hand."""

from __future__ import annotations

import pytest

from crawler.scan import FileFacts, link_snapshot, scan_file

KERNEL = "@{jit}\ndef k(x_ptr):\n    tl.store(x_ptr, 1)\n"


def found(head: str, jit: str = "triton.jit") -> list[tuple[str, tuple[str, ...]]]:
    facts = scan_file("a.py", f"{head}\n{KERNEL.format(jit=jit)}".encode())
    assert isinstance(facts, FileFacts)
    return [(kernel.dialect.value, kernel.tl_calls) for kernel in link_snapshot({"a.py": facts})]


@pytest.mark.parametrize(
    "head",
    [
        pytest.param("from vllm.triton_utils import tl, triton", id="another package hands it on"),
        pytest.param(
            'import pytest\ntriton = pytest.importorskip("triton")\n'
            'tl = pytest.importorskip("triton.language")',
            id="a test that is skipped without it",
        ),
        pytest.param(
            'from mine import safe_import\nHAVE, triton = safe_import("triton")',
            id="an importer that also says whether it is there",
        ),
    ],
)
def test_triton_handed_on_is_triton(head: str) -> None:
    assert found(head) == [("triton", ("tl.store",))]


def test_gluon_handed_on_is_gluon() -> None:
    assert found("from elsewhere.utils import gluon, gl as tl", "gluon.jit")[0][0] == "gluon"


@pytest.mark.parametrize(
    "head",
    [
        pytest.param("import triton_pre_mlir as triton", id="another package under its name"),
        pytest.param("from tilelang import triton", id="a package known to be no Triton"),
        pytest.param('triton = make("triton")', id="made by something that imports nothing"),
    ],
)
def test_what_only_looks_like_it_is_not(head: str) -> None:
    assert found(head) == []
