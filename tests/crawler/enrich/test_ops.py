from __future__ import annotations

import json
from pathlib import Path

import pytest

from crawler.enrich.op_vocabulary import op_vocabulary, parse_op_vocabulary
from crawler.enrich.ops import backward_reasons, ops_of, tags_of
from crawler.enrich.words import Phrase, PhraseBook, words_of
from crawler.models import KernelRecord, Role
from tests.crawler.enrich.kernels import bare

SAMPLE = Path(__file__).parents[2] / "data" / "ops_sample.jsonl"


def names(kernel: KernelRecord, *, use_path: bool = True) -> set[str]:
    return {found.op for found in ops_of(kernel, use_path=use_path)}


@pytest.mark.parametrize(
    ("name", "ops"),
    [
        ("_rms_norm_fwd_kernel", {"rms_norm"}),
        ("rmsnorm_triton", {"rms_norm"}),
        ("RMSNormKernel", {"rms_norm"}),
        ("_fused_add_rms_norm_kernel", {"fused_add_rms_norm", "rms_norm"}),
        ("_layer_norm_bwd_dwdb", {"layer_norm"}),
        ("log_softmax_kernel", {"log_softmax"}),
        ("liger_cross_entropy_kernel", {"cross_entropy"}),
        ("fused_linear_cross_entropy_fwd", {"fused_linear_cross_entropy", "cross_entropy"}),
        ("_attn_fwd", {"attention"}),
        ("chunk_gated_delta_rule_fwd_kernel_h", {"gated_delta_rule", "delta_rule"}),
        ("chunk_simple_gla_bwd_kernel_dqkg", {"gla"}),
        ("silu_and_mul_kernel", {"swiglu"}),
        ("_geglu_tanh_forward_kernel", {"geglu"}),
        ("gelu_backward_tanh", {"gelu"}),
        ("matmul_kernel_persistent", {"matmul"}),
        ("_per_token_group_quant_fp8", {"quantize", "quantize_fp8"}),
        ("rms_norm_quant_kernel", {"rms_norm", "quantize"}),
        ("apply_rotary_pos_emb_kernel", {"rope"}),
        ("reduce_scatter_kernel", {"reduce_scatter"}),
        ("add_kernel", {"add"}),
        ("mean_dim_kernel_non_inner", {"mean"}),
        ("clamp_func_max", {"clamp"}),
    ],
)
def test_a_name_says_the_op(name: str, ops: set[str]) -> None:
    assert names(bare(name)) == ops


@pytest.mark.parametrize(
    "name",
    [
        "_fwd_kernel",
        "kernel",
        "my_kernel_1",
        "address_kernel",
        "maximal_munch",
        "copy_full_counts_to_peers",
        "add_timestamps_to_log",
        "paged_mqa_logits_metadata",
        "norm_kernel",
    ],
)
def test_a_name_that_says_nothing_gives_nothing(name: str) -> None:
    assert ops_of(bare(name)) == ()


def test_the_launcher_speaks_where_the_name_is_silent() -> None:
    kernel = bare("_fwd_kernel", launchers=["m.py::context_attention_fwd"], tl_calls=["tl.dot"])
    (first, *_) = ops_of(kernel)
    assert names(kernel) == {"attention", "prefill_attention"}
    assert any("launcher context_attention_fwd" in reason for reason in first.reasons)


def test_a_class_that_launches_it_speaks_too() -> None:
    assert names(bare("_bwd", launchers=["m.py::LigerRMSNormFunction.backward"])) == {"rms_norm"}


def test_a_specific_name_is_not_overruled_by_its_file() -> None:
    kernel = bare("_rms_norm_kernel", path="ops/softmax.py", launchers=["m.py::softmax"])
    assert names(kernel) == {"rms_norm"}


def test_a_general_name_gives_way_to_its_launcher() -> None:
    assert names(bare("copy_func", path="ops/flip.py", launchers=["ops/flip.py::flip"])) == {"flip"}


def test_a_launcher_of_another_plain_op_does_not_hide_a_specific_one() -> None:
    assert names(bare("_softmax", launchers=["m.py::add"])) == {"softmax"}


def test_of_many_launchers_half_must_agree() -> None:
    launchers = ["m.py::batch_norm_backward", "m.py::linear_act", "m.py::dropout_act", "m.py::f"]
    assert ops_of(bare("act_func_kernel", launchers=launchers)) == ()
    assert names(bare("act_func_kernel", launchers=launchers[:1])) == {"batch_norm"}


def test_a_launcher_of_many_ops_does_not_tell_which_is_which() -> None:
    kernel = bare("_phase1", launchers=["m.py::hadamard_rope_softmax_dropout"], tl_calls=["tl.exp"])
    assert ops_of(kernel) == ()


def test_tests_are_heard_only_where_nobody_else_launches() -> None:
    launchers = ["tests/test_gelu.py::test_gelu", "m.py::silu"]
    assert names(bare("_kernel", launchers=launchers)) == {"silu"}
    assert names(bare("_kernel", launchers=launchers[:1])) == {"gelu"}


def test_the_file_speaks_only_for_a_silent_name() -> None:
    assert names(bare("_fwd_kernel", path="ops/swiglu.py")) == {"swiglu"}
    assert ops_of(bare("_shuffle_lanes", path="ops/swiglu.py")) == ()
    assert ops_of(bare("_fwd_kernel", path="ops/swiglu.py"), use_path=False) == ()


def test_the_folder_speaks_where_the_file_is_silent() -> None:
    assert names(bare("_fwd_kernel", path="ops/rwkv6/chunk.py")) == {"rwkv6"}


def test_a_kernel_named_by_its_surroundings_must_be_able_to_compute_the_op() -> None:
    launchers = ["m.py::matmul"]
    assert ops_of(bare("_zap", launchers=launchers, tl_calls=["tl.store"])) == ()
    assert names(bare("_zap", launchers=launchers, tl_calls=["tl.dot"])) == {"matmul"}


def test_a_device_function_is_known_by_its_name_or_its_file_where_it_computes() -> None:
    inner = bare("_inner", path="ops/flash_attention.py", role=Role.DEVICE_FUNCTION)
    assert ops_of(inner) == ()
    product = bare(
        "_inner",
        path="ops/flash_attention.py",
        role=Role.DEVICE_FUNCTION,
        tl_calls=["tl.dot", "tl.exp"],
    )
    assert names(product) == {"attention"}
    assert names(bare("tanh", role=Role.DEVICE_FUNCTION)) == {"tanh"}


def test_a_kernel_that_prepares_something_has_no_op_unless_it_computes() -> None:
    assert ops_of(bare("attention_metadata_kernel", tl_calls=["tl.load"])) == ()
    assert names(bare("matmul_ogs_offsets_kernel", tl_calls=["tl.dot"])) == {"matmul"}


@pytest.mark.parametrize(
    ("name", "op"),
    [
        ("ztrmm_kernel", "trmm"),
        ("bfgemm_kernel", "matmul"),
        ("strsv_lower_kernel", "trsv"),
        ("cspmv_kernel", "spmv"),
        ("sdot_kernel", "dot_product"),
        ("cher2k_kernel", "syr2k"),
    ],
)
def test_routines_of_blas_are_known_with_the_letter_of_their_type(name: str, op: str) -> None:
    assert op in names(bare(name))


def test_parameters_and_calls_tell_where_all_names_are_silent() -> None:
    attention = bare(
        "_fwd_kernel",
        params=["Q", "K", "V", "sm_scale", "Out"],
        tl_calls=["tl.dot", "tl.exp"],
    )
    (found,) = ops_of(attention)
    assert found.op == "attention"
    assert found.reasons == ("it takes k, out, q, v",)
    assert ops_of(bare("_fwd_kernel", params=["Q", "K", "V", "Out"])) == ()


def test_the_documentation_is_heard_last() -> None:
    assert names(bare("_k", docstring="Computes a layer norm over rows.\n\nNot a softmax.")) == {
        "layer_norm"
    }
    assert names(bare("_gelu", docstring="A softmax.")) == {"gelu"}
    assert ops_of(bare("_act", docstring="Applies a function, optionally fusing dropout.")) == ()


def test_a_word_beside_an_op_makes_it_more_specific() -> None:
    assert names(bare("int8_matmul_kernel")) == {"matmul", "quantized_matmul"}
    assert names(bare("sparse_gqa_attn_fwd")) == {"attention", "sparse_attention"}


def test_reasons_and_scores_are_for_people() -> None:
    kernel = bare("_gelu_kernel", path="gelu.py", launchers=["gelu.py::gelu"])
    (found,) = ops_of(kernel)
    assert found.reasons == (
        "its name says 'gelu'",
        "its launcher gelu says 'gelu'",
        "its file gelu.py says 'gelu'",
    )
    (less,) = ops_of(bare("_gelu_kernel"))
    assert 0 < less.score < found.score < 1


def test_tags_are_those_of_the_ops_in_order() -> None:
    assert tags_of(["quantized_matmul", "matmul", "no_such_op"]) == ("matmul", "quant/dequant")
    assert "attention" in tags_of(["paged_attention"])


@pytest.mark.parametrize(
    ("name", "launchers", "backward"),
    [
        ("_layer_norm_bwd_dx", (), True),
        ("_attn_bwd_dkdv", (), True),
        ("softmax_backward_kernel", (), True),
        ("_group_dW_kernel", (), True),
        ("_attn_fwd", ("m.py::_attention.backward",), False),
        ("_kernel", ("m.py::F.backward",), True),
        ("_kernel", ("m.py::F.backward", "m.py::F.forward"), False),
        ("dot_kernel", (), False),
    ],
)
def test_names_tell_of_the_backward_pass(
    name: str, launchers: tuple[str, ...], backward: bool
) -> None:
    assert bool(backward_reasons(bare(name, launchers=launchers))) is backward


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("LigerRMSNormFunction", "liger rms norm function"),
        ("_fwd_kernel_splitK", "fwd kernel splitk"),
        ("mm_split_k", "mm splitk"),
        ("conv2d_forward", "conv2d forward"),
        ("_grouped_gemm_dX_kernel", "grouped gemm dx kernel"),
        ("w8a8_block_fp8", "w8a8 block fp8"),
        ("", ""),
        ("___", ""),
    ],
)
def test_names_are_read_as_words(name: str, words: str) -> None:
    assert words_of(name) == tuple(words.split())


def test_a_huge_name_is_read_in_part() -> None:
    assert len(words_of("a_" * 100_000)) <= 100


def test_two_ops_may_not_share_a_phrase() -> None:
    book = PhraseBook(frozenset())
    book.add(Phrase("layer_norm", "layer norm"))
    with pytest.raises(ValueError, match=r"layernorm.*means both layer_norm and other"):
        book.add(Phrase("other", "layernorm"))


def test_the_vocabulary_refuses_references_to_nothing() -> None:
    table = {
        "general": [],
        "plain": [],
        "companions": [],
        "noise": [],
        "aside": [],
        "signatures": [],
        "ops": {"norm": {"a": {"implies": ["b"]}}},
    }
    with pytest.raises(ValueError, match="refers to b, which is no op"):
        parse_op_vocabulary(table)


def test_the_vocabulary_is_large_and_every_op_can_be_named() -> None:
    vocabulary = op_vocabulary()
    assert len(vocabulary.ops) >= 120
    unheard = [op for op in vocabulary.ops if op not in names(bare(op))]
    assert not unheard


def test_every_aten_name_stands_for_one_op() -> None:
    aten = [name for op in op_vocabulary().ops.values() for name in op.aten]
    assert len(aten) == len(set(aten))
    assert all(name.startswith("aten::") for name in aten)


def test_the_sample_of_the_wild_is_right() -> None:
    """Two draws of 100 kernels at random, judged one by one; of each only facts are kept."""
    pairs = right = known = found_some = 0
    for line in SAMPLE.read_text(encoding="utf-8").splitlines():
        facts = json.loads(line)
        path, _, qualname = facts["id"].partition(":")[2].partition("::")
        kernel = bare(
            qualname.rpartition(".")[2],
            path=path,
            qualname=qualname,
            role=Role(facts["role"]),
            params=facts["params"],
            tl_calls=facts["tl_calls"],
            launchers=facts["launchers"],
            calls=facts["calls"],
        )
        found = names(kernel)
        pairs += len(found)
        right += len(found & set(facts["ops"]))
        known += bool(facts["ops"])
        found_some += bool(found and facts["ops"])
    assert pairs > 200
    assert right / pairs >= 0.95
    assert found_some / known >= 0.85
