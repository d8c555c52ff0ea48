"""Kernels made by hand, as far as wishes care for them."""

from __future__ import annotations

from typing import Any

from crawler.models import Role
from wishlist.candidates import Candidate


def candidate(name: str = "softmax_kernel", *ops: str, **facts: Any) -> Candidate:
    """Return a forward kernel under a permissive licence that works with the newest Triton."""
    repo, path = facts.pop("repo", "acme/kernels"), facts.pop("path", "ops.py")
    defaults: dict[str, Any] = {"role": Role.KERNEL, "license": "MIT", "triton_min": "3.0.0"}
    return Candidate(id=f"{repo}:{path}::{name}", name=name, ops=ops, **(defaults | facts))
