"""`triton-index verify`."""

from __future__ import annotations

from pathlib import Path

import click

from index.cli.group import Settings


@click.command()
@click.argument("names", metavar="[NAME]... | import FILE", nargs=-1)
@click.option(
    "--device",
    type=click.Choice(["cpu", "cuda"]),
    default="cpu",
    show_default=True,
    help="Run them interpreted, or on a GPU.",
)
@click.option(
    "--candidate",
    metavar="FILE.py:FUNCTION",
    help="Hold this function to what NAME is held to, in its place.",
)
@click.option("--forward", is_flag=True, help="Of a candidate, its results alone, no gradients.")
@click.option("--bench", is_flag=True, help="Time them too, beside their peers (GPU).")
@click.option("--mutants", is_flag=True, help="Plant bugs too, which the check must reject.")
@click.option("--seeds", type=click.IntRange(min=1), default=2, help="Random inputs a case.")
@click.option("--jobs", type=click.IntRange(min=1), default=1, metavar="N", help="Files at a time.")
@click.option(
    "--seconds",
    type=click.FloatRange(min=0, min_open=True),
    default=600.0,
    show_default=True,
    help="Limit of time of each file's process.",
)
@click.option("--out", type=click.Path(dir_okay=False, path_type=Path), help="Records as JSON.")
@click.option("--plots", type=click.Path(file_okay=False, path_type=Path), help="Timings as SVG.")
@click.pass_obj
def command(
    settings: Settings,
    /,
    names: tuple[str, ...],
    device: str,
    candidate: str | None,
    forward: bool,
    bench: bool,
    mutants: bool,
    seeds: int,
    jobs: int,
    seconds: float,
    out: Path | None,
    plots: Path | None,
) -> int:
    """Prove the bundled kernels, or a function of yours, against PyTorch.

    NAME is a function of `verified_kernels`; without any, all are run, each file in a process of
    its own. Needs the extra `kernels`. With --candidate a function of yours is held to the same
    reference, inputs and promises, and with --bench to the same clock. `verify import FILE` records
    in the index what a run elsewhere wrote with --out. Exits with 1 if a kernel fails.
    """
    if names[:1] == ("import",):
        return _import(settings, names[1:])

    from index.cli.output import note
    from index.errors import VerificationError
    from verified_kernels.report import show, write
    from verified_kernels.verify import Options, VerifyError, verify

    if out is not None and not out.absolute().parent.is_dir():
        raise VerificationError(f"{out}: its folder is not there; make it first")

    def progress(text: str) -> None:
        for line in text.splitlines():
            note(line)

    options = Options(
        device=device,
        candidate=candidate,
        forward=forward,
        bench=bench,
        mutants=mutants,
        seeds=seeds,
        jobs=jobs,
        seconds=seconds,
    )
    try:
        found = verify(names, options, progress=progress)
    except VerifyError as error:
        raise VerificationError(str(error)) from error
    write(found.records, out=out, plots=plots)
    show(found.records, candidate=candidate)
    return 0 if found.passed else 1


def _import(settings: Settings, files: tuple[str, ...]) -> int:
    from index.cli.output import note
    from index.files.location import index_to_write
    from index.store import Store
    from index.tables.verifications import HOME, read_verifications

    if len(files) != 1:
        raise click.UsageError("verify import takes one FILE")
    records = read_verifications(Path(files[0]))
    path, seed = index_to_write(settings.db, note)
    with Store.open_for_writing(path, seed=seed) as store:
        marked = store.save_verifications(records)
    failed = sum(not record.passed for record in records)
    note(f"{len(records):,} records, {failed:,} failed; {marked:,} kernels marked; index: {path}")
    if not marked:
        note(f"the index has none of the kernels yet: `triton-index crawl {HOME}` brings them")
    return 0
