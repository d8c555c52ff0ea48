"""Whether a kernel is a test's, and whether a machine wrote it.

A test exercises something else; a benchmark measures real kernels, often the only copy of them, so
it is no test.
"""

from __future__ import annotations

import re
from collections.abc import Collection

from crawler.models import KernelRecord

_TEST_FOLDERS = frozenset(
    "test tests testing unittest unittests unit_test unit_tests op_tests pytest_ut "
    "test_cases testcases regression_tests integration_tests fuzz fuzzing".split()
)
_TEST_FILE = re.compile(r"(?:tests?_.*|.*_tests?|tests?|conftest|.*_unittest|ut_.*)\.(?:py|ipynb)")
_TEST_NAME = re.compile(r"_*test(?:_.*|s)?|.*_test|Test(?:[A-Z_].*)?")
_SCOPE = re.compile(r"\.<locals>\.|\.")
_BENCHMARK = re.compile(r"(?:.*_)?bench(?:mark(?:s|ing)?)?(?:_.*)?")

# Names that TorchInductor gives; a person never writes the number at the end.
_INDUCTOR = re.compile(
    r"triton_(?:poi|red|per|tem|unk|mm|spl|for)_fused_\w+|triton_(?:tem|mm|foreach)_\d+"
    r"|(?:poi|red|per)_fused_\w+_\d+"
)
_INDUCTOR_DECORATOR = re.compile(
    r"\b(?:triton_heuristics|inductor_meta|pointwise|reduction|persistent_reduction|template)\("
)
# The wrapper that FlagGems' and others' code generators put around a scalar function.
_GENERATED_NAME = re.compile(r"\w+_kernel_rank_\d+|generated_kernel(?:_\w+)?")
_HEADER = re.compile(
    r"^[ \t]*(?:#|\"\"\"|''')[^\n]{0,80}?\b(?:auto[- ]?generated|automatically generated"
    r"|generated (?:by|from|with|using|automatically)|do not edit|machine[- ]generated)",
    re.IGNORECASE | re.MULTILINE,
)
_GENERATED_PATH = re.compile(
    r"(?:^|/)(?:kernelbench|kernelbook|kernel_bench|generated|_generated|autogen|llm_generated"
    r"|model_new_ex\w*|inductor_cache|torchinductor\w*|synthetic)(?:/|_|\.|$)",
    re.IGNORECASE,
)
HEADER_BYTES = 2000
"""A file says that it is generated in its beginning or not at all."""


def is_test(kernel: KernelRecord) -> bool:
    """Return whether the kernel stands in a test: by its folders, its file, or what encloses it.

    What lies under a benchmark's folder or file is none, nor is a kernel that other code launches
    too, though a folder above it be called `test`.
    """
    *folders, file = kernel.path.split("/")
    if any(_BENCHMARK.fullmatch(part) for part in (*folders, file.rpartition(".")[0])):
        return False
    if any(_TEST_NAME.fullmatch(scope) for scope in _SCOPE.split(kernel.qualname)[:-1]):
        return True
    return _is_test_path(kernel.path) and all(
        _is_test_path(launcher.rpartition("::")[0]) for launcher in kernel.launchers
    )


def is_test_file(path: str) -> bool:
    """Return whether a file is a test's by its path; a benchmark is none."""
    *folders, file = path.split("/")
    parts = (*folders, file.rpartition(".")[0])
    return _is_test_path(path) and not any(_BENCHMARK.fullmatch(part) for part in parts)


def _is_test_path(path: str) -> bool:
    *folders, file = path.split("/")
    return bool(_TEST_FILE.fullmatch(file)) or not _TEST_FOLDERS.isdisjoint(map(str.lower, folders))


def is_generated(
    kernel: KernelRecord, *, header: str = "", repo_marks: Collection[str] = ()
) -> bool:
    """Return whether a machine wrote the kernel.

    Args:
        kernel: the kernel.
        header: the beginning of its file, as far as at hand; `HEADER_BYTES` are looked at.
        repo_marks: the marks of its repository in `sources.toml`; `generated` settles it.
    """
    if "generated" in repo_marks or _GENERATED_PATH.search(kernel.path):
        return True
    if _INDUCTOR.fullmatch(kernel.name) or _GENERATED_NAME.fullmatch(kernel.name):
        return True
    if any(_INDUCTOR_DECORATOR.search(text) for text in kernel.decorators):
        return True
    return bool(_HEADER.search(header[:HEADER_BYTES]))
