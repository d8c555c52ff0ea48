"""The collected parts as text: a header that tells all, imports, constants, functions."""

from __future__ import annotations

import re

from crawler.extract.assembly import Assembly

_NOTICE = re.compile(r"copyright|licen[cs]e|spdx|\(c\)|all rights reserved", re.IGNORECASE)
MAX_HEAD_LINES = 60


def written_file(assembly: Assembly, id: str) -> str:
    """Return the whole file as source text."""
    imports = assembly.names.import_lines()
    if assembly.needs_future:
        imports.insert(0, "from __future__ import annotations\n")
    blocks = ["\n".join(_header(assembly, id)), "\n".join(imports)]
    if assembly.constants:
        blocks.append("\n".join(assembly.constants))
    body = "\n\n".join(blocks)
    functions = (f"# {link}\n{text}" for link, text in assembly.functions)
    return "\n\n\n".join([body, *functions]).rstrip("\n") + "\n"


def _header(assembly: Assembly, id: str) -> list[str]:
    kernel = next((p for p in assembly.parts if p.kind == "kernel"), assembly.parts[-1])
    setting = assembly.setting
    lines = [
        f"# {_one(id)}",
        f"# {kernel.permalink}",
        f"# Taken over by triton-index for Triton {setting.triton}, "
        f"{setting.backend}:{setting.arch}.",
        "#",
        "# NOTICE: the parts and their licences",
    ]
    for part in dict.fromkeys(assembly.parts):
        license = part.license or "licence unknown"
        lines.append(f"# - {part.name} ({part.kind}): {license}, {part.permalink}")
    for title, entries in (
        ("replaced", assembly.replaced),
        ("left out", assembly.left_out),
    ):
        if entries:
            lines += ["#", f"# What was {title}:", *(f"# - {_one(entry)}" for entry in entries)]
    for path in assembly.paths:
        file = assembly.project.file(path)
        head = "" if file is None else file.head()
        if _NOTICE.search(head):
            lines += ["#", f"# The head of {_one(path)}:", *head.split("\n")[:MAX_HEAD_LINES]]
    return [line.rstrip() for line in lines]


def _one(text: str) -> str:
    return " ".join(text.split())
