"""What runs in the environment of one release of Triton; knows nothing of the rest of the program.

`serve` imports Triton and forks for every job; the fork closes `walls` around itself before code of
others is run in it by `compile_job`. These files are run by path, with the standard library and
Triton alone.
"""
