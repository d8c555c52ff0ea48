"""The compile matrix: real kernels build for every target, and a broken one is named."""

import os
import subprocess
import sys

import pytest

pytest.importorskip("torch")


def compile_only(*arguments, **environment):
    # The interpreter replaces the kernels that are to be compiled.
    env = {k: v for k, v in os.environ.items() if k != "TRITON_INTERPRET"} | environment
    command = [sys.executable, "-m", "verified_kernels.compile_only", *arguments]
    return subprocess.run(command, capture_output=True, text=True, env=env, check=False)


@pytest.mark.parametrize("target", ["sm_80", "sm_90", "sm_100", "gfx942"])
def test_transpose_compiles_for(target):
    result = compile_only("transpose", "--target", target)
    assert result.returncode == 0, result.stdout + result.stderr
    assert " 0 failed" in result.stdout


def test_unknown_names_and_the_interpreter_are_refused():
    assert compile_only("transposed").returncode == 2
    assert "TRITON_INTERPRET" in compile_only("transpose", TRITON_INTERPRET="1").stderr
