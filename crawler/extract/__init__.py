"""One kernel of a project as one self-contained file: pure, nothing that is read is run."""

from __future__ import annotations

from crawler.extract.kernel import extract_kernel
from crawler.extract.project import Project
from crawler.extract.result import Extraction, NotExtractable, Part

__all__ = ["Extraction", "NotExtractable", "Part", "Project", "extract_kernel"]
