from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crawler.enrich.api_table import load_table
from crawler.enrich.guards import alternatives, live_in
from crawler.models import ONE_OF

ALL = "2.0.0-"

TELLS = [
    ("triton.__version__ >= '2.1.0'", "2.1.0-"),
    ("'3.0.0' > triton.__version__", "2.0.0-2.3.1"),
    ("version.parse(triton.__version__) >= version.parse('3.2.0')", "3.2.0-"),
    ("Version(triton.__version__) < Version('3.0')", "2.0.0-2.3.1"),
    ("not Version(triton.__version__) < Version('3.0')", "3.0.0-"),
    ("TRITON_VERSION >= (3, 4)", "3.4.0-"),
    ("compare_version('triton', operator.ge, '3.4.0')", "3.4.0-"),
    ("TRITON_VERSION == '3.3.1'", "3.3.1"),
    ("triton_version != '3.3.1'", "2.0.0-3.3.0, 3.4.0-"),
    ("tuple(map(int, triton.__version__.split('.')[:2])) >= (3, 4)", "3.4.0-"),
    ("tuple((int(x) for x in triton.__version__.split('.')[:2])) < (2, 2)", "2.0.0-2.1.0"),
    ("tuple(map(int, triton.__version__.split('.')[:2])) == (3, 3)", "3.3.0-3.3.1"),
    ("tuple(map(int, triton.__version__.split('.')[:2])) > (3, 3)", "3.4.0-"),
    ("tuple(map(int, triton.__version__.split('.')[:2])) <= (3, 3)", "2.0.0-3.3.1"),
    ("tuple(int(x) for x in triton.__version__.split('.')[:2]) >= (3, 3, 1)", "3.4.0-"),
    ("[int(x) for x in triton.__version__.split('.')[:2]] < [3, 3]", "2.0.0-3.2.0"),
    ("version.parse(triton.__version__).release[:2] == (3, 5)", "3.5.0-3.5.1"),
    ("TRITON_VERSION == (3, 3)", "3.3.0-3.3.1"),
    ("TRITON_VERSION != (3, 3)", "2.0.0-3.2.0, 3.4.0-"),
    ("TRITON_VERSION > (3, 3)", "3.3.0-"),
    ("not TRITON_VERSION > (3, 3)", "2.0.0-3.3.1"),
    ("TRITON_VERSION <= (3, 3)", "2.0.0-3.3.1"),
    ("triton.__version__[:3] == '3.3'", "3.3.0-3.3.1"),
    ("triton.__version__[0] == '3'", "3.0.0-"),
    ("int(triton.__version__.split('.')[1]) >= 3", "2.3.0-2.3.1, 3.3.0-"),
    ("version.parse(triton.__version__).minor == 2", "2.2.0, 3.2.0"),
    ("Version(triton.__version__).major >= 3", "3.0.0-"),
    ("TRITON_MINOR >= 9", "3.9.0-"),
    ("int(triton.__version__.split('.')[0]) >= 3", "3.0.0-"),
    ("TRITON_MAJOR > 2", "3.0.0-"),
    ("triton.__version__.startswith('3.3')", "3.3.0-3.3.1"),
    ("version.parse(importlib.metadata.version('triton')) >= version.parse('3.5')", "3.5.0-"),
    ("hasattr(tl, 'gather')", "3.3.0-"),
    ("not hasattr(triton.language, 'make_tensor_descriptor')", "2.0.0-3.3.1"),
    ("hasattr(tl.math, 'tanh')", "2.1.0-2.3.1"),
    ("'topk' in dir(tl)", "3.4.0-"),
    ("getattr(tl, 'topk', None) is not None", "3.4.0-"),
    ("getattr(tl, 'topk', None) is None", "2.0.0-3.3.1"),
    ("hasattr(tl, 'unheard_of')", ""),
    ("hasattr(tl, 'gather') and IS_HOPPER", "3.3.0-"),
    ("hasattr(tl, 'gather') or IS_HOPPER", ALL),
    ("not (hasattr(tl, 'gather') or IS_HOPPER)", "2.0.0-3.2.0"),
    ("TRITON3", "3.0.0-"),
    ("not TRITON3", "2.0.0-2.3.1"),
    ("IS_TRITON_22 or c_idx > -1", ALL),
    ("not (IS_TRITON_22 and BLOCK <= 128)", ALL),
    ("TRITON_GE_3_4", "3.4.0-"),
    ("tl.constexpr(TRITON_VERSION_GE_3_4)", "3.4.0-"),
    ("is_triton_version_at_least('3.2.0')", "3.2.0-"),
    ("triton_version_at_least(3, 2)", "3.2.0-"),
    ("TRITON_BEFORE_3_1", "2.0.0-3.0.0"),
    ("True", ALL),
    ("False", ""),
    ("OLD_TRITON_VERSION", ""),
]

TELLS_NOTHING = [
    "IS_HOPPER",
    "not IS_HIP",
    "HAS_BIAS",
    "has_triton()",
    "_TRITON_AVAILABLE",
    "torch_version_at_least('2.10.0')",
    "torch.version.hip is not None",
    "hasattr(x, 'dtype')",
    "hasattr(mx_kernels, '_triton_f32')",
    "VERSION == 2",
    "version.parse(torch.__version__) >= version.parse('2.4')",
    "triton.__version__ >= minimum",
    "triton.__version__ >= 'new'",
    "version.parse(triton.__version__) >= version.par",
    "one_of(triton.language.gather, 3)",
    "",
    ")",
]


@pytest.mark.parametrize(("guard", "ranges"), TELLS)
def test_a_condition_tells_releases_apart(guard: str, ranges: str) -> None:
    assert load_table().format_ranges(live_in((guard,))) == ranges


@pytest.mark.parametrize("guard", TELLS_NOTHING)
def test_a_condition_that_says_nothing_of_releases(guard: str) -> None:
    assert live_in((guard,)) == load_table().all


def test_what_a_name_stands_for_is_no_condition() -> None:
    assert alternatives((f"{ONE_OF}triton.language.topk, mine.topk",)) == (
        "triton.language.topk",
        "mine.topk",
    )
    assert alternatives(("one_of(IS_HIP, IS_CUDA)",)) == ()
    assert live_in((f"{ONE_OF}triton.language.topk, mine.topk",)) == load_table().all


def test_all_conditions_have_to_hold() -> None:
    live = live_in(("TRITON_GE_3_0", "not TRITON_GE_3_4", "IS_HOPPER"))
    assert load_table().format_ranges(live) == "3.0.0-3.3.1"


@given(st.text(alphabet="triton.__version__ ><=!()'3.4 not andorhasattr(tl,)[]", max_size=60))
def test_any_text_is_read_without_error(text: str) -> None:
    live_in((text,))


@pytest.mark.parametrize("text", ["(" * 9999, "not " * 9999 + "x", "a or " * 9999 + "b"])
def test_deep_conditions_do_not_raise(text: str) -> None:
    assert live_in((text,)) == load_table().all
