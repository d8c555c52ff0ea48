"""Bytes of a file in, jit functions out: pure, nothing is imported or run."""
