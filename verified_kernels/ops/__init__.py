"""The kernels: one file an operator, each a lesson, a launcher, a reference and a spec."""
