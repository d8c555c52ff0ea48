"""Kernels of one source, with its documents -> what more is known of each: the enrichments.

Everything here is a function of records and documents that the index keeps, so a change of a rule
or a vocabulary is applied to what is stored, without reading a file again.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from crawler.check.rules import hazards_of
from crawler.check.rules.code import kernel_codes
from crawler.enrich.api_table import load_table
from crawler.enrich.dtypes import dtypes_of
from crawler.enrich.features import features_of
from crawler.enrich.hardware import Claim, hardware_of
from crawler.enrich.license import nearest_license, read_licenses
from crawler.enrich.marks import is_generated, is_test
from crawler.enrich.ops import OpEvidence, ops_of, tags_of
from crawler.enrich.pairs import Pair, pair_kernels
from crawler.enrich.requirement import nearest_requirement, read_requirements
from crawler.enrich.stated_license import read_stated_licenses
from crawler.enrich.versions import VersionRange, version_ranges
from crawler.models import Document, DocumentKind, KernelRecord
from crawler.stages import stage_version

MAX_CALLED = 64
"""Device functions that are looked at for one kernel; real ones call a dozen."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Enrichment:
    """What the enrichments say of one kernel; names as in its record. `reasons` tell why."""

    id: str
    features: tuple[str, ...]
    dtypes: tuple[str, ...]
    ops: tuple[str, ...]
    tags: tuple[str, ...]
    hardware: tuple[str, ...]
    hazards: tuple[str, ...]
    """Ids of rules of a check, sorted."""
    triton_min: str | None
    triton_max: str | None
    triton_declared: str | None
    license: str | None
    is_test: bool
    is_generated: bool
    backward: str | None
    forward: str | None
    reasons: tuple[tuple[str, str], ...]
    """Pairs of a field and a sentence for a person, in the order of the fields."""


_DATA = tuple(
    f"crawler/data/{name}"
    for name in (
        "ops.toml",
        "features.toml",
        "hardware.toml",
        "triton_api.json",
        "triton_dialects.toml",
    )
)


def enrichment_version() -> str:
    """Return what changes whenever a rule or a vocabulary does."""
    return stage_version("crawler.enrich.kernels", data=_DATA)


def enrich_kernels(
    kernels: Sequence[KernelRecord],
    documents: Sequence[Document],
    *,
    repo_license: str | None = None,
    repo_marks: Sequence[str] = (),
) -> Iterator[Enrichment]:
    """Yield the enrichment of each kernel of one source, in the order given.

    Args:
        kernels: all live kernels of the source; they may call each other.
        documents: its licence files, manifests and the heads of its files.
        repo_license: the licence that its host reports, an SPDX id.
        repo_marks: its marks in the list of sources.
    """
    texts = {d.path: d.text for d in documents if d.kind is DocumentKind.FILE}
    heads = {d.path: d.text for d in documents if d.kind is DocumentKind.HEAD}
    # A licence file speaks before the manifest beside it.
    licenses: dict[str, str | None] = {**read_stated_licenses(texts)}
    licenses |= read_licenses({path: text for path, text in texts.items() if _is_license(path)})
    requirements = read_requirements(texts)
    by_name: dict[str, list[KernelRecord]] = {}
    for kernel in kernels:
        by_name.setdefault(f"{kernel.path}::{kernel.qualname}", []).append(kernel)
    each = zip(
        kernels,
        version_ranges(kernels),
        pair_kernels(kernels),
        kernel_codes(kernels),
        strict=True,
    )
    for kernel, span, pair, code in each:
        called = _called(kernel, by_name)
        evidence = ops_of(kernel)
        head = heads.get(kernel.path, b"")
        requirement = nearest_requirement(kernel.path, requirements)
        ops = tuple(found.op for found in evidence)
        features, dtypes = features_of(kernel, called), dtypes_of(kernel, called)
        hardware = _hardware(kernel, features, dtypes)
        yield Enrichment(
            id=kernel.id,
            features=features,
            dtypes=dtypes,
            ops=ops,
            tags=tags_of(ops),
            hardware=tuple(claim.hardware for claim in hardware),
            hazards=hazards_of(code),
            triton_min=span.min,
            triton_max=span.max,
            triton_declared=requirement.text if requirement is not None else None,
            license=nearest_license(kernel.path, head, licenses, repo_license),
            is_test=is_test(kernel),
            is_generated=is_generated(
                kernel, header=head.decode("utf-8", "replace"), repo_marks=repo_marks
            ),
            backward=pair.backward,
            forward=pair.forward,
            reasons=(
                *_reasons(evidence, span, pair),
                *(("hardware", f"{claim.hardware}: {claim.reason}") for claim in hardware),
            ),
        )


def _called(
    kernel: KernelRecord, by_name: Mapping[str, Sequence[KernelRecord]]
) -> tuple[KernelRecord, ...]:
    """Return the jit functions that a kernel calls, and those that they call."""
    found: dict[str, KernelRecord] = {}
    waiting = list(kernel.calls)
    while waiting and len(found) < MAX_CALLED:
        for record in by_name.get(waiting.pop(), ()):
            if record.id not in found and record.id != kernel.id:
                found[record.id] = record
                waiting.extend(record.calls)
    return tuple(found.values())


def _hardware(
    kernel: KernelRecord, features: Sequence[str], dtypes: Sequence[str]
) -> tuple[Claim, ...]:
    configs = () if kernel.autotune is None else kernel.autotune.configs
    return hardware_of(
        repo=kernel.repo,
        path=kernel.path,
        qualname=kernel.qualname,
        tl_calls=kernel.tl_calls,
        features=features,
        dtypes=dtypes,
        configs=[tuple(name for name, _ in config.options) for config in configs],
    )


def _reasons(
    evidence: Sequence[OpEvidence], span: VersionRange, pair: Pair
) -> Iterator[tuple[str, str]]:
    for found in evidence:
        yield "ops", f"{found.op}: {'; '.join(found.reasons)}"
    if span.min_symbol is not None:
        yield "triton_min", f"{span.min_symbol} came with {span.min}"
    if span.max_symbol is not None:
        yield "triton_max", f"{span.max_symbol} is gone after {span.max}"
    if span.unknown:
        yield "triton_min", _of_no_release(span)
    if span.conflict:
        yield "triton_min", f"no release has all of {', '.join(span.conflict)}"
    if pair.backward is not None:
        yield "backward", pair.reason
    if pair.forward is not None:
        yield "forward", pair.reason


def _of_no_release(span: VersionRange) -> str:
    newest = load_table().releases[-1]
    whose = f" (dialect: {', '.join(span.dialects)})" if span.dialects else ""
    return f"no release up to {newest} has {', '.join(span.unknown)}{whose}"


def _is_license(path: str) -> bool:
    name = path.rpartition("/")[2].lower()
    return name.startswith(("license", "licence", "copying")) or name == "metadata"
