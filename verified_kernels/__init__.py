"""Verified kernels: Triton kernels proved against PyTorch references."""
