"""What the scheduled workflows run: `python -m index.automation COMMAND`.

start -> crawl -> check -> assets -> release, or one issue that says why not. Everything that a
workflow does beyond calling `triton-index` is here, so that tests run it without GitHub Actions.
"""
