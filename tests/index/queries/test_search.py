from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import duckdb
import pytest

from crawler.models import Param, ParamKind, Role
from index.database import open_index
from index.errors import QueryError
from index.queries.filters import Filters
from index.queries.search import Found, Sort, search
from tests.index.samples import body, crawled, kernel, names, save

# Sources that spell the same things differently: qualname, path, further facts.
LIBRARY: dict[str, list[tuple[str, str, dict[str, str]]]] = {
    "apart/apart": [
        ("rms_norm_kernel", "ops/rms_norm.py", {}),
        ("layer_norm_fwd_kernel", "ops/layer_norm.py", {}),
        ("layer_norm_bwd_kernel", "ops/layer_norm.py", {}),
        ("flash_attn_fwd", "flash.py", {}),
        ("softmax_kernel", "softmax.py", {}),
        ("top_k_kernel", "sort.py", {}),
    ],
    "joined/joined": [
        ("rmsnorm_kernel", "rmsnorm.py", {}),
        ("_layernorm", "fast.py", {}),
        ("topk_stage1", "sort.py", {}),
        ("swiglu_kernel", "mlp.py", {}),
    ],
    "camel/camel": [
        ("RMSNormFunction.forward.<locals>.body", "modules/fused.py", {}),
        ("SwiGLUBackward", "modules/mlp.py", {}),
        ("FlashAttention.fwd", "modules/attention.py", {}),
    ],
    "prose/prose": [
        ("_k1", "a.py", {"docstring": "Computes the RMS norm of each row."}),
        ("_k2", "b.py", {"docstring": "Quantizes weights to int4 by blocks."}),
        ("max_kernel", "c.py", {}),
    ],
}


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("library") / "index.duckdb"
    save(
        path,
        *(
            crawled(*(kernel(name, repo=repo, path=file, **facts) for name, file, facts in found))
            for repo, found in LIBRARY.items()
        ),
    )
    return path


@pytest.fixture
def con(library: Path) -> Iterator[duckdb.DuckDBPyConnection]:
    with open_index(library) as con:
        yield con


def ask(path: Path, query: str, **more: object) -> list[str]:
    with open_index(path) as con:
        return names(search(con, query, **more).ids)  # type: ignore[arg-type]


RMS_NORM = {"rms_norm_kernel", "rmsnorm_kernel", "RMSNormFunction.forward.<locals>.body", "_k1"}


@pytest.mark.parametrize(
    "spelling",
    ["rmsnorm", "rms_norm", "RMS norm", "RMSNorm", "rms-norm", "RMSNORM", "rms norms", "RmsNorms"],
)
def test_every_spelling_finds_the_same_in_the_same_order(
    con: duckdb.DuckDBPyConnection, spelling: str
) -> None:
    found = search(con, spelling)
    assert set(names(found.ids)) == RMS_NORM
    assert found == search(con, "rms_norm")


@pytest.mark.parametrize(
    ("spellings", "expected"),
    [
        (
            ("layernorm", "layer_norm", "LayerNorm", "Layer Normalization"),
            {"layer_norm_fwd_kernel", "layer_norm_bwd_kernel", "_layernorm"},
        ),
        (("swiglu", "SwiGLU", "swi_glu"), {"swiglu_kernel", "SwiGLUBackward"}),
        (("topk", "top_k", "TopK", "top k"), {"top_k_kernel", "topk_stage1"}),
        (
            ("flash attention", "flash_attn", "FlashAttention", "flashattention", "flashattn"),
            {"flash_attn_fwd", "FlashAttention.fwd"},
        ),
        (("soft max", "softmax", "SoftMax"), {"softmax_kernel"}),
        (
            ("layernorm backward", "layer_norm_bwd", "LayerNormBackward", "layernormbwd"),
            {"layer_norm_bwd_kernel", "layer_norm_fwd_kernel", "_layernorm", "SwiGLUBackward"},
        ),
    ],
)
def test_spellings_agree(
    con: duckdb.DuckDBPyConnection, spellings: tuple[str, ...], expected: set[str]
) -> None:
    answers = [search(con, spelling).ids for spelling in spellings]
    assert set(names(answers[0])) == expected
    assert answers == [answers[0]] * len(spellings)


def test_a_joined_word_is_found_by_its_part_after_those_that_write_it_apart(library: Path) -> None:
    # Sources that are asked for by name are not mixed.
    found = ask(library, "norm", filters=Filters(repos=tuple(LIBRARY)))
    assert {"rmsnorm_kernel", "_layernorm", "rms_norm_kernel"} <= set(found)
    assert found.index("rms_norm_kernel") < found.index("rmsnorm_kernel")


def test_inflected_words_and_short_forms_are_found(library: Path) -> None:
    assert ask(library, "quantization of int4 weights") == ["_k2"]
    assert ask(library, "quant weight block")[0] == "_k2"
    assert ask(library, "attention forward")[0] in {"flash_attn_fwd", "FlashAttention.fwd"}


def test_words_of_a_question_that_tell_nothing_are_not_asked_for(library: Path) -> None:
    assert ask(library, "how do I write a fast softmax kernel in triton?") == ["softmax_kernel"]


def test_words_that_all_kernels_have_are_asked_for_when_there_are_no_others(library: Path) -> None:
    assert "softmax_kernel" in ask(library, "kernel")
    assert ask(library, "the") == ["_k1"]


def test_most_of_what_is_asked_must_be_there(library: Path) -> None:
    assert ask(library, "layernorm backward", sort=Sort.NAME) == ["layer_norm_bwd_kernel"]


def test_where_few_have_most_of_it_the_others_come_last(library: Path) -> None:
    found = ask(library, "layernorm backward")
    assert found[0] == "layer_norm_bwd_kernel"
    assert set(found[1:]) == {"layer_norm_fwd_kernel", "_layernorm", "SwiGLUBackward"}
    assert ask(library, "layernorm backward", limit=1) == found[:1]


def test_where_nothing_has_most_of_it_anything_will_do(library: Path) -> None:
    assert set(ask(library, "softmax swiglu")) == {
        "softmax_kernel",
        "swiglu_kernel",
        "SwiGLUBackward",
    }


@pytest.mark.parametrize(
    ("typo", "meant"),
    [
        ("rmsnrom", "rmsnorm"),
        ("sofmax", "softmax"),
        ("layernrom", "layernorm"),
        ("swigul", "swiglu"),
    ],
)
def test_a_misspelled_word_is_read_as_the_one_that_was_meant(
    con: duckdb.DuckDBPyConnection, typo: str, meant: str
) -> None:
    found = search(con, typo)
    assert found.ids == search(con, meant).ids
    assert (found.unknown, found.read_as) == ((), ((typo, meant),))


def test_of_equally_near_words_the_one_that_most_wrote_is_meant(db: Path) -> None:
    save(db, crawled(*(kernel(f"scale_{n}") for n in range(3)), kernel("stale")))
    with open_index(db) as con:
        assert search(con, "sctale").read_as == (("sctale", "scale"),)


@pytest.mark.parametrize("word", ["gelo", "softmmaaxx", "normie"])
def test_a_word_that_may_be_another_one_is_not_guessed_at(
    con: duckdb.DuckDBPyConnection, word: str
) -> None:
    assert search(con, word).read_as == ()


def test_a_word_like_no_other_gets_no_suggestion(con: duckdb.DuckDBPyConnection) -> None:
    assert search(con, "zzzzqqqq") == Found(ids=(), unknown=(("zzzzqqqq", ()),))


def test_an_unknown_word_does_not_hide_what_the_others_find(
    con: duckdb.DuckDBPyConnection,
) -> None:
    found = search(con, "soapmacks of swiglu")
    assert set(names(found.ids)) == {"swiglu_kernel", "SwiGLUBackward"}
    assert [word for word, _ in found.unknown] == ["soapmacks"]


@pytest.mark.parametrize("query", ["zzzzqqqq sofmax", "how to sofmax my zzzzqqqq kernel"])
def test_of_a_question_of_another_field_no_word_is_guessed(
    con: duckdb.DuckDBPyConnection, query: str
) -> None:
    found = search(con, query)
    assert (found.ids, found.read_as) == ((), ())
    assert {word for word, _ in found.unknown} == {"sofmax", "zzzzqqqq"}


def test_who_asks_is_no_part_of_the_question(con: duckdb.DuckDBPyConnection) -> None:
    assert search(con, "softmax kernel for a beginner") == search(con, "softmax kernel")


def test_that_no_kernel_has_most_of_it_is_told(con: duckdb.DuckDBPyConnection) -> None:
    assert search(con, "softmax swiglu").is_partial
    assert not search(con, "softmax").is_partial


def test_the_forward_kernel_comes_first_where_no_pass_is_asked_for(db: Path) -> None:
    save(db, crawled(*(kernel(name, path="k.py") for name in ("gelu_bwd", "gelu_fwd"))))
    assert ask(db, "gelu") == ["gelu_fwd", "gelu_bwd"]
    assert ask(db, "gelu gradient backward")[0] == ask(db, "gelu bwd")[0] == "gelu_bwd"


def test_an_op_that_is_part_of_another_one_says_no_more_than_one_alone(db: Path) -> None:
    found = ("rms_norm_fwd", "modulated_rms_norm_fwd", "fused_add_rms_norm_fwd")
    save(db, crawled(*(kernel(name, path="k.py") for name in found)))
    assert ask(db, "rms norm")[0] == "rms_norm_fwd"


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("jensen shannon divergence", ["_jsd_kernel", "divergence_kernel"]),
        ("silu and mul", ["silu_and_mul_kernel", "swiglu_kernel"]),
        ("native_layer_norm", ["layer_norm_kernel"]),
        # Its own name is no other name.
        ("swiglu", ["swiglu_kernel", "silu_and_mul_kernel"]),
    ],
)
def test_an_op_is_found_by_its_other_names_too(db: Path, query: str, expected: list[str]) -> None:
    kernels = "_jsd_kernel swiglu_kernel silu_and_mul_kernel layer_norm_kernel divergence_kernel"
    save(db, crawled(*(kernel(name, path="k.py") for name in kernels.split())))
    with open_index(db) as con:
        found = search(con, query)
    assert (names(found.ids), found.unknown, found.read_as) == (expected, (), ())


@pytest.mark.parametrize(
    "query",
    ["'", '"; DROP TABLE kernels; --', "%", "\\", "\0", "\ud800", "日本語", "( [ {", "a" * 100_000,
     "norm " * 10_000, "$wanted", "🙂"],
    ids=lambda query: ascii(query)[:20],
)  # fmt: skip
def test_any_text_is_a_question(con: duckdb.DuckDBPyConnection, query: str) -> None:
    assert isinstance(search(con, query), Found)


def test_dimensions_are_a_word_of_their_own(db: Path) -> None:
    save(db, crawled(kernel("conv2d_kernel"), kernel("conv_3d_kernel"), kernel("int8_kernel")))
    assert set(ask(db, "convolution")) == {"conv2d_kernel", "conv_3d_kernel"}
    assert ask(db, "conv 2d") == ask(db, "Conv2d") == ask(db, "conv2d")
    assert ask(db, "conv2d")[0] == "conv2d_kernel"
    assert ask(db, "int") == []


def test_a_word_that_only_stands_before_dimensions_is_found(db: Path) -> None:
    save(db, crawled(kernel("conv2d_kernel"), kernel("pad1d")))
    assert ask(db, "conv") == ask(db, "convolutions") == ["conv2d_kernel"]
    assert ask(db, "2d conv")[0] == "conv2d_kernel"


def test_the_ending_of_a_word_is_no_word(db: Path) -> None:
    save(db, crawled(kernel("count_heads"), kernel("head_s_kernel"), kernel("max_n_kernel")))
    with open_index(db) as con:
        terms = dict(con.execute("SELECT word, term FROM search_words").fetchall())
    assert terms["heads"] == terms["head"] == "head"


def test_an_exact_op_comes_first(db: Path) -> None:
    said = kernel("_k2", path="x.py", docstring="Whose rms is no norm.")
    save(db, crawled(kernel("_kernel_a", path="x.py"), said))
    with duckdb.connect(db) as con:
        con.execute("UPDATE kernel_rows SET ops = ['rms_norm'] WHERE name = '_kernel_a'")
        con.execute("UPDATE meta SET value = 'stale' WHERE key = 'search_version'")
    save(db)
    assert ask(db, "RMSNorm") == ["_kernel_a", "_k2"]


def test_an_exact_name_comes_first(db: Path) -> None:
    save(
        db,
        crawled(
            kernel("softmax_backward_fused_kernel", path="softmax.py", docstring="softmax " * 9),
            kernel("_softmax_kernel", path="misc/z.py"),
            kernel("log_softmax_kernel", path="softmax.py"),
        ),
    )
    assert ask(db, "softmax")[0] == "_softmax_kernel"
    assert ask(db, "log softmax")[0] == "log_softmax_kernel"


def test_a_name_tells_more_than_prose_and_a_parameter_least(db: Path) -> None:
    save(
        db,
        crawled(
            kernel("a", path="x.py", params=(Param(name="dropout", kind=ParamKind.SCALAR),)),
            kernel("b", path="y.py", docstring="Applies dropout."),
            kernel("dropout", path="z.py"),
        ),
    )
    assert ask(db, "dropout") == ["dropout", "b", "a"]


def test_what_can_be_launched_comes_before_what_is_called(db: Path) -> None:
    roles = (Role.DEVICE_FUNCTION, Role.UNKNOWN, Role.KERNEL, Role.POINTWISE)
    save(db, *(crawled(kernel("gelu", repo=f"r/{role}", role=role)) for role in roles))
    with open_index(db) as con:
        ids = search(con, "gelu").ids
        assert search(con, "").ids[-2:] == ids[-2:]
    assert [id.split("/")[1].split(":")[0] for id in ids] == [
        "kernel",
        "pointwise",
        "unknown",
        "device_function",
    ]


@pytest.fixture(scope="module")
def enriched(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An index as it will be when all that the columns are for is known."""
    db = tmp_path_factory.mktemp("enriched") / "index.duckdb"
    save(
        db,
        *(
            crawled(kernel(name, repo=repo, source=body(name, repo)))
            for repo, name in [("a/one", "norm_a"), ("b/two", "norm_b"), ("pypi:dist", "norm_c")]
        ),
    )
    with duckdb.connect(db) as con:
        con.execute(
            "UPDATE repos SET stars = CASE name WHEN 'a/one' THEN 5 WHEN 'b/two' THEN 90 END"
        )
        con.execute(
            "UPDATE kernel_rows SET ops = [], tags = [], features = [], dtypes = [], "
            "license = NULL, triton_min = NULL, triton_max = NULL, is_test = NULL"
        )
        con.execute(
            """
            UPDATE kernel_rows SET ops = ['rms_norm'], tags = ['norm', 'Fused'],
                features = ['autotuned', 'dot'], dtypes = ['fp16', 'bf16'], license = 'MIT',
                triton_min = '2.1.0', triton_max = '3.1.0', backward = 'x',
                verified = {'result': 'passed', 'gpu': 'H200', 'torch': '2', 'triton': '3'},
                hardware = ['ascend'],
                dialect = 'gluon', role = 'pointwise', first_seen = TIMESTAMP '2030-01-01'
            WHERE name = 'norm_a'
            """
        )
        con.execute(
            """
            UPDATE kernel_rows SET ops = ['layer_norm'], tags = ['norm'], dtypes = ['fp16'],
                license = 'Apache-2.0 OR BSD-3-Clause', triton_min = '3.10.0',
                hardware = ['nvidia', 'sm_90'], is_test = true,
                verified = {'result': 'failed', 'gpu': 'H200', 'torch': '2', 'triton': '3'}
            WHERE name = 'norm_b'
            """
        )
    return db


@pytest.mark.parametrize(
    ("filters", "expected"),
    [
        (Filters(), {"norm_a", "norm_c"}),
        (Filters(include_tests=True), {"norm_a", "norm_b", "norm_c"}),
        (Filters(tags=("norm",), include_tests=True), {"norm_a", "norm_b"}),
        (Filters(tags=("NORM", "fused"), include_tests=True), {"norm_a"}),
        (Filters(ops=("layer_norm",), include_tests=True), {"norm_b"}),
        (Filters(ops=("layer_norm", "rms_norm"), include_tests=True), set()),
        (Filters(dtypes=("fp16", "bf16"), include_tests=True), {"norm_a"}),
        (Filters(features=("dot",)), {"norm_a"}),
        (Filters(repos=("A/One",)), {"norm_a"}),
        (Filters(repos=("one", "two"), include_tests=True), {"norm_a", "norm_b"}),
        (Filters(repos=("pypi:dist",)), {"norm_c"}),
        (Filters(repos=("dist",)), {"norm_c"}),
        (Filters(licenses=("mit",)), {"norm_a"}),
        (Filters(licenses=("BSD-3-Clause",), include_tests=True), {"norm_b"}),
        (Filters(licenses=("BSD",), include_tests=True), set()),
        (Filters(licenses=("permissive",)), {"norm_a"}),
        (Filters(licenses=("any-open",), include_tests=True), {"norm_a", "norm_b"}),
        (Filters(licenses=("copyleft", "MIT")), {"norm_a"}),
        (Filters(licenses=("weak-copyleft",), include_tests=True), set()),
        (Filters(hardware=("ascend",)), {"norm_a"}),
        (Filters(hardware=("any",)), {"norm_c"}),
        (Filters(hardware=("sm_90", "ascend"), include_tests=True), {"norm_a", "norm_b"}),
        (Filters(roles=("pointwise",)), {"norm_a"}),
        (Filters(roles=("pointwise", "kernel")), {"norm_a", "norm_c"}),
        (Filters(dialects=("gluon",)), {"norm_a"}),
        (Filters(verified=True, include_tests=True), {"norm_a"}),
        (Filters(has_backward=True), {"norm_a"}),
        (Filters(triton="2.1"), {"norm_a"}),
        (Filters(triton="3.1"), {"norm_a"}),
        (Filters(triton="3.2", include_tests=True), set()),
        (Filters(triton="3.9", include_tests=True), set()),
        (Filters(triton="3.10", include_tests=True), {"norm_b"}),
        (Filters(triton="2.0.0"), set()),
        (Filters(tags=("norm",), licenses=("MIT",), dtypes=("bf16",), triton="3.0"), {"norm_a"}),
        (Filters(tags=("norm",), licenses=("MIT",), roles=("kernel",)), set()),
    ],
    ids=lambda value: str(value)[:80] if isinstance(value, Filters) else None,
)
def test_filters_narrow_and_combine(enriched: Path, filters: Filters, expected: set[str]) -> None:
    assert set(ask(enriched, "norm", filters=filters)) == expected
    assert set(ask(enriched, "", filters=filters)) == expected


def test_a_version_that_is_none_is_refused(library: Path) -> None:
    with pytest.raises(QueryError, match="--triton banana: not a version; give one like"):
        ask(library, "norm", filters=Filters(triton="banana"))


@pytest.mark.parametrize(
    ("sort", "expected"),
    [
        (Sort.STARS, ["norm_b", "norm_a", "norm_c"]),
        (Sort.RECENT, ["norm_a"]),
        (Sort.NAME, ["norm_a", "norm_b", "norm_c"]),
    ],
)
def test_sorts(enriched: Path, sort: Sort, expected: list[str]) -> None:
    everything = Filters(include_tests=True)
    for query in ("norm", ""):
        found = ask(enriched, query, filters=everything, sort=sort)
        assert found[: len(expected)] == expected


def test_equal_scores_come_by_stars_then_by_id(db: Path) -> None:
    save(db, *(crawled(kernel("gelu", repo=f"r/{n}")) for n in range(4)))
    with duckdb.connect(db) as con:
        con.execute("UPDATE repos SET stars = 10 WHERE name = 'r/2'")
    with open_index(db) as con:
        repos = [id.split(":")[0] for id in search(con, "gelu").ids]
    assert repos == ["r/2", "r/0", "r/1", "r/3"]


def test_limit_cuts_the_tail(library: Path) -> None:
    assert ask(library, "norm", limit=2) == ask(library, "norm")[:2]
    assert len(ask(library, "", limit=3)) == 3


def test_removed_kernels_are_not_found(db: Path) -> None:
    save(db, crawled(kernel("gelu"), kernel("relu", source=body("relu", "pass"))))
    save(db, crawled(kernel("relu", source=body("relu", "pass"))))
    assert ask(db, "gelu") == []
    assert ask(db, "") == ["relu"]


def test_what_a_moved_kernel_was_called_is_forgotten(db: Path) -> None:
    save(db, crawled(kernel("gelu")))
    save(db, crawled(kernel("mish")))
    assert ask(db, "mish") == ["mish"]
    assert ask(db, "gelu") == []


def test_the_same_kernels_give_the_same_search_tables_whatever_came_before(
    db: Path, tmp_path: Path
) -> None:
    other = tmp_path / "other.duckdb"
    records = [kernel(name, repo=r, path=p) for r, k in LIBRARY.items() for name, p, _ in k]
    save(db, *(crawled(*(k for k in records if k.repo == repo)) for repo in LIBRARY))
    for repo in reversed(LIBRARY):
        junk = kernel("junk_word_soup", repo=repo, source="def junk_word_soup(): rubbish")
        save(other, crawled(junk))
    for repo in reversed(LIBRARY):
        save(other, crawled(*(k for k in records if k.repo == repo)))
    for query in (
        "SELECT id, term, weight FROM search_postings JOIN search_documents USING (num) "
        "ORDER BY ALL",
        "SELECT id, joined FROM search_documents ORDER BY ALL",
        "SELECT * FROM search_words ORDER BY ALL",
    ):
        with open_index(db) as a, open_index(other) as b:
            assert a.execute(query).fetchall() == b.execute(query).fetchall()


def test_a_kernel_for_another_backend_comes_last_unless_it_is_asked_for(db: Path) -> None:
    places = {"softmax_a": "_ascend", "softmax_b": "amd", "softmax_c": "nvidia", "softmax_d": "ops"}
    save(db, crawled(*(kernel(name, path=f"{at}/k.py") for name, at in places.items())))
    assert set(ask(db, "softmax")[:2]) == {"softmax_c", "softmax_d"}
    assert ask(db, "softmax npu")[0] == "softmax_a"
    assert ask(db, "softmax rocm")[0] == "softmax_b"
    assert ask(db, "softmax", filters=Filters(hardware=("amd",))) == ["softmax_b"]


def test_of_one_source_three_at_most_are_seen_first_where_others_answer(db: Path) -> None:
    save(
        db,
        crawled(*(kernel(f"softmax_{n}", repo="a/many") for n in "abcdef")),
        *(crawled(kernel("softmax_kernel_of_another", repo=f"b/{n}")) for n in "xy"),
    )
    found = ask(db, "softmax")
    assert len(found) == 8
    assert found[:5].count("softmax_kernel_of_another") == 2
    alone = ask(db, "softmax", filters=Filters(repos=("a/many",)))
    assert len(alone) == 6
