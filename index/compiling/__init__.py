"""Compiling kernels without a GPU: releases, guesses, and the closed box that others' code runs in.

`gate` (in `crawler.plain_kernel`) decides what may be compiled, `guesses` what its arguments are,
`environments` where each release of Triton lives, `workers` talks to the processes of `box`, which
run there.
"""
