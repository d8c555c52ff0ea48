from __future__ import annotations

import tomllib
from fnmatch import fnmatchcase
from pathlib import Path

import pytest

from crawler.enrich.op_vocabulary import op_vocabulary
from wishlist.census import (
    families_set_apart,
    family_of,
    model_census,
    op_of_aten,
    variants_in,
)
from wishlist.models import Pass

MODELS = Path(__file__).parent.parent.parent / "scripts" / "traced_models.toml"


def test_enough_architectures_of_all_kinds_were_traced() -> None:
    models = tomllib.loads(MODELS.read_text())["models"]
    assert model_census().architectures == len(models) >= 40
    assert {"text", "vision", "audio", "multimodal", "mixture of experts", "state space"} <= {
        model["kind"] for model in models.values()
    }


def test_the_counts_hold_together() -> None:
    census = model_census()
    for each in census.occurrences:
        assert 0 < each.architectures <= census.architectures, each
        assert each.architectures <= each.calls, each
        assert each.among == tuple(sorted(each.among)), each


def test_what_every_model_does_is_counted_in_both_directions() -> None:
    found = {(each.aten, each.direction): each for each in model_census().occurrences}
    assert found["aten::native_layer_norm", Pass.FORWARD].op == "layer_norm"
    assert found["aten::native_layer_norm_backward", Pass.BACKWARD].op == "layer_norm"
    assert found["aten::mm", Pass.FORWARD].op == "matmul"


@pytest.mark.parametrize(
    ("aten", "op", "direction"),
    [
        ("_softmax", "softmax", Pass.FORWARD),
        ("_softmax_backward_data", "softmax", Pass.BACKWARD),
        ("embedding_dense_backward", "embedding", Pass.BACKWARD),
        ("threshold_backward", "relu", Pass.BACKWARD),
        ("_conv_depthwise2d_backward", "depthwise_conv", Pass.BACKWARD),
        ("nobody_knows_this", "nobody_knows_this", Pass.FORWARD),
    ],
)
def test_an_aten_operator_stands_for_an_op_and_a_direction(
    aten: str, op: str, direction: Pass
) -> None:
    assert op_of_aten(aten) == (op, direction)


@pytest.mark.parametrize("aten", ["view", "_foreach_add", "zeros", "new_empty_strided", "__and__"])
def test_what_nobody_writes_is_set_apart(aten: str) -> None:
    assert family_of(aten) is not None
    assert not any(
        each.aten.removeprefix("aten::").removesuffix("_") == aten
        for each in model_census().occurrences
    )


@pytest.mark.parametrize("aten", ["_softmax", "native_layer_norm", "mm", "topk", "cumsum"])
def test_what_people_write_is_not(aten: str) -> None:
    assert family_of(aten) is None


def test_every_family_has_a_reason_and_no_operator_is_in_two() -> None:
    patterns: dict[str, str] = {}
    for family in families_set_apart():
        assert len(family.reason.split()) > 4, family
        for pattern in family.operators:
            assert patterns.setdefault(pattern, family.name) == family.name, pattern
    plain = [pattern for pattern in patterns if "*" not in pattern]
    for name in plain:
        others = {family for other, family in patterns.items() if fnmatchcase(name, other)}
        assert others == {patterns[name]}, name


def test_all_that_is_not_set_apart_is_in_the_vocabulary() -> None:
    unknown = {
        each.aten for each in model_census().occurrences if each.op not in op_vocabulary().ops
    }
    assert not unknown


def test_variants_are_told_by_dimensions_and_manner() -> None:
    assert variants_in("_upsample_bicubic2d_aa") == {"2d", "aa"}
    assert variants_in("upsample_nearest_exact1d") == {"1d", "exact"}
    assert variants_in("softmax") == frozenset()
    assert variants_in("aarch64_add") == frozenset()
