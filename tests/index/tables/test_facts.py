from __future__ import annotations

import pytest

from index.tables.facts import plain_code, plain_config


@pytest.mark.parametrize(
    "code",
    [
        "triton.jit",
        "None",
        "-1",
        "1e-05",
        "tl.float32",
        "'ieee'",
        "[1, 2, -3]",
        "triton.jit(do_not_specialize=['N', 'T'], debug=True)",
        "triton.jit()",
    ],
)
def test_names_and_plain_values_stay(code: str) -> None:
    assert plain_code(code) == code


@pytest.mark.parametrize(
    ("code", "left"),
    [
        ("1 + 2", "..."),
        ("'two words'", "..."),
        ("b'raw'", "..."),
        ("lambda args: args['N']", "..."),
        ("[x for x in xs]", "..."),
        ("f'{a}'", "..."),
        ("[[1], 2]", "..."),
        (f"[{'1, ' * 99}]", "..."),
        ("BLOCK * 2", "..."),
        ("get(a)(b)", "..."),
        ("configs[0](b)", "..."),
        ("tl.constexpr(BLOCK * 2)", "tl.constexpr(...)"),
        ("triton.heuristics({'EVEN': lambda a: a['N'] % 2 == 0})", "triton.heuristics(...)"),
        ("autotune(configs=make(1), key=['N'], **more)", "autotune(configs=..., key=['N'], ...)"),
        ("jit(*wrappers)", "jit(...)"),
        ("not python at all", "..."),
        ("jit(unfinished", "jit(...)"),
        ("(" * 5000, "..."),
        ("jit(" + "(" * 900, "jit(...)"),
        ("jit(" + "-" * 5000 + "1)", "jit(...)"),
        ("-" * 1500 + "1", "..."),
        ("", "..."),
        ("\0", "..."),
    ],
)
def test_what_somebody_composed_goes(code: str, left: str) -> None:
    assert plain_code(code) == left


def test_a_config_keeps_its_names_and_numbers() -> None:
    config = {"kwargs": {"BLOCK": 64, "STAGES": "2 if hip else 3"}, "options": {"num_warps": 4}}
    assert plain_config(config) == {
        "kwargs": {"BLOCK": 64, "STAGES": "..."},
        "options": {"num_warps": 4},
    }
