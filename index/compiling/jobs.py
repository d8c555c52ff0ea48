"""Source text of a kernel -> the jobs that compile it, or why it is not compiled."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from crawler.models import Param, ScanSkip
from crawler.plain_kernel import NotPlain, jit_functions, plain_kernel
from crawler.scan import link_snapshot, scan_file
from crawler.scan.parse import read_source
from index.compiling.guesses import Value, attempts_for, launched_values
from index.compiling.repairs import repairs_for
from index.compiling.results import CompileJob, CompileResult, Outcome, sha_of
from index.errors import CompileError


def jobs_of_source(
    source: str,
    kernel: str,
    *,
    id: str,
    releases: Sequence[str],
    targets: Sequence[str],
    dtypes: Sequence[str] = (),
    launched: Mapping[str, Value] | None = None,
) -> list[CompileJob] | list[CompileResult]:
    """Return a job for each release and target, or, where the gate is shut, a result for each."""
    plain = plain_kernel(source, kernel)
    if isinstance(plain, NotPlain):
        return [
            not_extractable(id, release, target, plain.reason)
            for release in releases
            for target in targets
        ]
    said = launched_values(source, kernel) | dict(launched or {})
    params = params_of(plain.source, kernel)
    attempts = attempts_for(plain.source, kernel, params, dtypes=dtypes, launched=said)
    repairs = repairs_for(plain.source, kernel, params, tuple(said))
    return [
        CompileJob(
            id=id,
            source=plain.source,
            kernel=kernel,
            triton=release,
            target=target,
            attempts=attempts,
            repairs=repairs,
        )
        for release in releases
        for target in targets
    ]


def not_extractable(id: str, release: str, target: str, reason: str) -> CompileResult:
    """Return the result of a kernel of which there is nothing to compile.

    There is no source that its digest could be of; that of its id and the reason stands for it.
    """
    return CompileResult(
        id=id,
        triton=release,
        target=target,
        outcome=Outcome.NOT_EXTRACTABLE,
        reason=reason,
        source_sha=sha_of(f"{id}\n{reason}"),
    )


def kernels_of_file(word: str) -> tuple[str, tuple[tuple[str, str], ...]]:
    """Return the text of a file, and id and name of each kernel that `FILE[:QUALNAME]` names.

    Without a QUALNAME it is every kernel that no other of the file calls.

    Raises:
        CompileError: there is no such file or kernel.
    """
    path, _, wanted = word.rpartition(":") if ".py:" in word else (word, "", "")
    try:
        data = Path(path).read_bytes()
    except OSError as error:
        raise CompileError(f"{path}: {error.strerror}; name a Python file or an id") from error
    source = read_source(path, data)
    if isinstance(source, ScanSkip):
        raise CompileError(f"{path}: {source.reason}")
    found = jit_functions(source)
    if wanted:
        if wanted not in found:
            near = f"; it has {', '.join(found)}" if found else ""
            raise CompileError(f"{path}: no jit function {wanted} at the top of the file{near}")
        names: tuple[str, ...] = (wanted,)
    else:
        called = _called(path, data)
        names = tuple(n for n in found if n not in called) or found
    if not names:
        raise CompileError(f"{path}: no jit function at the top of the file")
    return source, tuple((f"{path}::{name}", name) for name in names)


def params_of(source: str, kernel: str) -> tuple[Param, ...]:
    """Return the kinds of a kernel's parameters, as the scanner tells them."""
    facts = scan_file("kernel.py", source.encode())
    if isinstance(facts, ScanSkip):
        return ()
    found = link_snapshot({"kernel.py": facts})
    return next((each.params for each in found if each.qualname == kernel), ())


def _called(path: str, data: bytes) -> set[str]:
    facts = scan_file("kernel.py", data)
    if isinstance(facts, ScanSkip):
        raise CompileError(f"{path}: {facts.reason}")
    kernels = link_snapshot({"kernel.py": facts})
    return {id.partition("::")[2] for kernel in kernels for id in kernel.calls}
