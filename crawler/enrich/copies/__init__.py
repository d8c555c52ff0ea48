"""Copies of kernels: fingerprints, groups, and the likely original of each."""
