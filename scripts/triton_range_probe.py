"""Compile each kernel of `tests/data/triton_range` under several releases of Triton.

    python scripts/triton_range_probe.py /path/to/venv/bin/python ...

Each interpreter has one release of Triton and `packaging`; no GPU is needed, since nothing runs:
the kernels are compiled for an NVIDIA Hopper. What compiled where is written to `outcome.json`
beside them, and a test holds the ranges that are inferred from the source to it.
"""

from __future__ import annotations

import argparse
import contextlib
import importlib.util
import inspect
import json
import multiprocessing
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

DATA = Path(__file__).parent.parent / "tests" / "data" / "triton_range"
TYPES = {"x_ptr": "*fp32", "h_ptr": "*fp16", "i_ptr": "*i32", "b_ptr": "*u8", "n": "i32"}
SECONDS_A_KERNEL = 120


def cases(module: Any) -> Iterator[tuple[str, Any]]:
    """Yield the kernels to compile: those whose every parameter has a known type."""
    for name, kernel in vars(module).items():
        function = getattr(kernel, "fn", None)
        if function is not None and getattr(function, "__module__", "") == module.__name__:
            parameters = inspect.signature(function).parameters.values()
            if all(p.name in TYPES or p.default is not p.empty for p in parameters):
                yield name, kernel


def compile_kernel(kernel: Any) -> None:
    """Compile one kernel for a GPU that need not be there.

    Raises:
        Exception: Triton's own, whatever it is.
    """
    import triton
    from triton.backends.compiler import GPUTarget
    from triton.compiler import ASTSource

    parameters = inspect.signature(kernel.fn).parameters
    constants = {n: p.default for n, p in parameters.items() if n not in TYPES}
    signature = {n: TYPES.get(n, "constexpr") for n in parameters}
    if "constexprs" in inspect.signature(ASTSource.__init__).parameters:
        source = ASTSource(fn=kernel, signature=signature, constexprs=constants)
    else:
        signature = {n: kind for n, kind in signature.items() if n in TYPES}
        source = ASTSource(fn=kernel, signature=signature, constants=constants)
    triton.compile(source, target=GPUTarget("cuda", 90, 32))


def try_one(kernel: Any, errors: Any) -> None:
    """Compile a kernel in a process of its own, since a compiler may crash; tell what it said."""
    with Path(os.devnull).open("w") as nothing:
        os.dup2(nothing.fileno(), 2)
    try:
        compile_kernel(kernel)
    except BaseException as error:  # whatever it is, the kernel does not compile here
        lines = [line for line in f"{type(error).__name__}: {error}".splitlines() if line.strip()]
        errors.put(lines[-1][-160:])
        errors.close()
        errors.join_thread()
        os._exit(1)
    os._exit(0)


def probe_here() -> None:
    """Print `{"version": ..., "failed": {kernel: error}, "compiled": [...]}`."""
    import triton

    spec = importlib.util.spec_from_file_location("kernels", DATA / "kernels.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["kernels"] = module
    spec.loader.exec_module(module)
    context = multiprocessing.get_context("fork")
    compiled, failed = [], {}
    for name, kernel in cases(module):
        errors = context.Queue()
        process = context.Process(target=try_one, args=(kernel, errors))
        process.start()
        process.join(SECONDS_A_KERNEL)
        if process.exitcode == 0:
            compiled.append(name)
            continue
        process.kill()
        with contextlib.suppress(Exception):
            failed[name] = errors.get(timeout=1)
        failed.setdefault(name, f"ended with {process.exitcode}")
    print(json.dumps({"version": triton.__version__, "compiled": compiled, "failed": failed}))


def probe(python: str) -> dict[str, Any]:
    """Return what `probe_here` prints under another interpreter."""
    with tempfile.TemporaryDirectory() as cache:
        environment = {**os.environ, "TRITON_CACHE_DIR": cache}
        command = [python, __file__, "--here"]
        done = subprocess.run(command, env=environment, stdout=subprocess.PIPE, check=True)
    answer: dict[str, Any] = json.loads(done.stdout)
    return answer


def main() -> int:
    """Probe each interpreter and write the outcome."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("python", nargs="*")
    parser.add_argument("--here", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.here:
        probe_here()
        return 0
    answers = [probe(python) for python in options.python]
    names = sorted({n for a in answers for n in (*a["compiled"], *a["failed"])})
    outcome = {
        "releases": [a["version"] for a in answers],
        "compiles": {n: [a["version"] for a in answers if n in a["compiled"]] for n in names},
    }
    (DATA / "outcome.json").write_text(json.dumps(outcome, indent=1) + "\n", "utf-8")
    for answer in answers:
        print(f"triton {answer['version']}: {len(answer['compiled'])} compiled")
        for name, error in sorted(answer["failed"].items()):
            print(f"  {name}: {error}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
