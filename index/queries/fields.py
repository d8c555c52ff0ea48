"""The records, field by field: what every command shows, and what the README says of it."""

from __future__ import annotations

FORMAT_VERSION = 1
"""Of all records; raised when a field goes or means another thing, not when one is added."""

KERNEL_FIELDS = {
    "id": "`owner/name:path::qualname`",
    "repo": "the repository, or `pypi:dist`",
    "path": "the file",
    "cell": "0-based index of a notebook's cell, else null",
    "qualname": "the function's qualified name, in Python's sense (`make.<locals>.k`)",
    "name": "the last part of it",
    "dialect": "`triton` or `gluon`",
    "form": "`decorator`, `call` (`f = triton.jit(f)`) or `wrapper` (the project's own around jit)",
    "role": "`kernel` (launched with a grid), `device_function` (called from other jit functions), "
    "`pointwise` (a scalar function that a decorator expands) or `unknown`",
    "start_line": "line of the first decorator, 1-based; in a notebook, within the cell",
    "def_line": "line of the `def`",
    "end_line": "last line",
    "commit": "40 hex digits",
    "permalink": "where these lines stand at that commit",
    "summary": "first sentence of the docstring",
    "docstring": "docstring, else the comment right above the kernel",
    "params": "list of `{name, kind, default}`; kind is `pointer`, `descriptor`, `scalar`, "
    "`constexpr` or `unknown`",
    "autotune": "null, or `{n_configs, key, configs}`; `n_configs` is null when not statically "
    "known, `configs` are the first 64",
    "heuristics": "parameters that a heuristics decorator sets",
    "decorators": "as written, the outermost first",
    "tl_calls": "what it calls of `triton.language` (`tl.`) and Gluon's language (`gl.`)",
    "features": "techniques it uses",
    "dtypes": "dtypes it names",
    "ops": "operators it computes",
    "tags": "categories",
    "hardware": "the backend it is for (`nvidia`, `amd`, `ascend` …) and the architectures it asks "
    "for (`sm_90`, `gfx942`); empty for any",
    "triton_min": "first Triton release that has all it uses",
    "triton_max": "last one; null when the newest still has it",
    "triton_declared": "the requirement that the source states",
    "license": "SPDX expression, the file's own before the repository's; null when unknown",
    "authors": "who wrote its file, most commits first; empty when unknown",
    "stars": "of the repository",
    "is_test": "whether it is part of a test",
    "is_generated": "whether it is machine-written",
    "launchers": "functions that launch it, as `path::qualname`; a method's has its class",
    "operations": "ids of the public functions and modules that run it, the nearest to a user "
    "first",
    "usage": "how to import and call the nearest public function that runs it; of a device "
    "function, the import",
    "backward": "id of the (main) backward kernel of a forward one",
    "forward": "id of the forward kernel of a backward one",
    "clone_group": "the group of copies that it belongs to, null if it has none",
    "n_copies": "how many other kernels are copies of it, exact after renaming or nearly so",
    "origin": "id of the likely original, its own if it is that; null where none can be told",
    "first_seen": "when the index first had it (UTC)",
    "last_seen": "when a crawl last saw it",
    "removed_at": "when it was found gone, else null",
    "verified": "null, or the result of verification with GPU and versions",
    "compiled": "list of `{triton, target, outcome}`: what compiling it without a GPU gave",
    "hazards": "rules of `check` that find something in its code (`int32-offset` …); empty where "
    "its code is not stored",
    "standing": "0 to 1: what tells a kernel that others trust from an exercise; `show` has "
    "the reasons",
}
"""What each field means, in the order of the view's columns and of the JSON's keys."""

OPERATION_FIELDS = {
    "id": "`owner/name:path::name`",
    "repo": "the repository, or `pypi:dist`",
    "path": "the file",
    "name": "of the function or class",
    "kind": "`function`, `autograd` (a function under autograd, by `apply`) or `module`",
    "start_line": "line of the first decorator, 1-based",
    "end_line": "last line",
    "commit": "40 hex digits",
    "permalink": "where these lines stand at that commit",
    "signature": "names and plain defaults; of a module how it is made, then how it is called",
    "summary": "first sentence of the docstring; null where its facts alone came",
    "doc_chars": "length of the docstring",
    "forward": "ids of the kernels it launches, the nearest first",
    "backward": "ids of those launched when gradients are asked for",
    "is_differentiable": "whether gradients flow through it",
    "ops": "operators it computes",
    "license": "that of its nearest kernel",
    "stars": "of the repository",
}
"""What each field of an operation means, in the order of the JSON's keys."""

WISH_FIELDS = {
    "number": "of the issue",
    "url": "where it is",
    "title": "as written",
    "ops": "operators that it is for, in words of the kernels' `ops`",
    "status": "`open`, `claimed`, `in_progress`, `fulfilled`, `declined` or `duplicate`",
    "votes": "people who want it besides who asked first, those of its duplicates included",
    "passes": "`forward`, `backward`; empty when it does not say",
    "dtypes": "in words of the kernels' `dtypes`",
    "hardware": "families of accelerators; empty for any",
    "reference": "PyTorch code that computes it, or null",
    "created_at": "when it was asked (UTC)",
    "updated_at": "when the issue was last touched",
    "priority": "what speaks for serving it next; 0 when it is settled",
    "matches": "list of `{id, score, reason}`, the best kernel first; score is 0 to 1",
    "duplicate_of": "number of the wish that it repeats, or null",
}
"""What each field of a wish means, in the order of the JSON's keys."""
