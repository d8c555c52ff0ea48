"""What holds for every test: none depends on how fast the machine is, or how wide its terminal."""

from __future__ import annotations

import os

from hypothesis import settings

settings.register_profile("any machine", deadline=None)
settings.load_profile("any machine")
os.environ.pop("COLUMNS", None)
