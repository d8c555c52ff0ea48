"""What helps to learn Triton: where to read, what to write, which kernels to study."""
