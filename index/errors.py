"""What goes wrong around the index. Every message says what, where, and what to do next."""

from __future__ import annotations

from crawler.errors import TritonIndexError


class StoreError(TritonIndexError):
    """The index cannot be opened, read or written; what it held before is untouched."""


class VerificationError(TritonIndexError):
    """The bundled kernels cannot be run here, or a file holds no results of running them."""


class QueryError(TritonIndexError):
    """A question to the index is malformed or not allowed."""


class ExportError(TritonIndexError):
    """The file that others are to read cannot be written; what it held before is untouched."""


class OutputError(TritonIndexError):
    """What was found cannot be printed."""


class CompileError(TritonIndexError):
    """Nothing can be compiled as asked: a file, a release or a target is not what it should be."""


class LearnError(TritonIndexError):
    """There is no such stage or exercise, or a file holds nothing that can be checked."""
