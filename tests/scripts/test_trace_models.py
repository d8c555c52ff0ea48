from __future__ import annotations

from typing import Any

import pytest

torch = pytest.importorskip("torch")

from scripts import trace_models  # noqa: E402 (needs torch)

INPUTS = {"pixels": {"pixels": "float32 2 3 16 16"}, "rows": {"x": "float32 4 8"}}


def traced(model: str, inputs: str, **entry: Any) -> tuple[dict[str, int], dict[str, int]]:
    entry |= {"model": f"tests.scripts.tiny_models.{model}", "inputs": inputs}
    forward, backward = trace_models.trace(entry, INPUTS)
    return dict(forward), dict(backward)


def test_each_convolution_is_counted_as_what_it_is() -> None:
    forward, backward = traced("Convolutions", "pixels")
    assert (forward["aten::conv2d"], forward["aten::_conv_depthwise2d"]) == (3, 1)
    assert forward["aten::conv_transpose2d"] == 1
    assert backward["aten::conv2d_backward"] == 2
    assert backward["aten::_conv_depthwise2d_backward"] == 1
    assert backward["aten::conv_transpose2d_backward"] == 1
    assert not {"aten::convolution", "aten::convolution_backward"} & {*forward, *backward}


def test_a_model_that_asks_for_values_is_traced_to_its_end() -> None:
    forward, backward = traced("Choosy", "rows")
    assert {"aten::index", "aten::nonzero", "aten::linear", "aten::addmm"} <= forward.keys()
    assert "aten::mm" in backward
    assert not any(name.startswith("prim::") for name in forward)


def test_tracing_again_gives_the_same() -> None:
    assert traced("Choosy", "rows") == traced("Choosy", "rows")


def test_configuration_and_dtype_are_passed_on() -> None:
    _, backward = traced(
        "Convolutions",
        "pixels",
        config={"channels": 2},
        dtype="bfloat16",
        **{"with": {"pixels": "bfloat16 1 3 9 9"}},
    )
    assert backward["aten::conv_transpose2d_backward"] == 1


def test_the_data_names_the_architectures_of_a_few() -> None:
    entry = {"kind": "vision"}
    counts = trace_models.Counter({"aten::mm": 2})
    traced = {"a": (counts, counts), "b": (counts, trace_models.Counter())}
    text = trace_models._data({"a": entry, "b": entry}, traced, {"torch": "2"})
    data = trace_models.json.loads(text)
    assert data["architectures"] == {"a": "vision", "b": "vision"}
    assert data["operators"]["aten::mm"]["forward"] == {
        "architectures": 2,
        "calls": 4,
        "among": ["a", "b"],
    }
