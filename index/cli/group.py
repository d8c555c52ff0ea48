"""The `triton-index` command, which knows its subcommands by name and imports them late."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

import click

# How alike (0 to 1) a command must be to be offered for a word that is none.
NEAR_ENOUGH = 0.6

# Name -> first line of help; the module of that name in this package holds `command`.
COMMANDS = {
    "crawl": "Scan sources into the index.",
    "search": "Find kernels, the likeliest first.",
    "show": "Show all that is known of one kernel.",
    "get": "Print one kernel as one self-contained file.",
    "similar": "List the copies of one kernel, the likely original first.",
    "check": "Tell which Triton releases have all that your own kernels use.",
    "api": "Tell since and until when Triton has a name, and who uses it.",
    "repos": "List the indexed sources.",
    "tags": "List the tags and how many kernels carry them.",
    "stats": "Count what is indexed.",
    "runs": "List the crawls, or what one of them changed.",
    "gaps": "List the operators that people need and no indexed kernel serves.",
    "sql": "Ask the index in SQL, read-only.",
    "export": "Write the kernels to a file.",
    "site": "Make the static page of the index.",
    "wish": "Follow which kernels people wish for.",
    "verify": "Prove the bundled kernels, or a function of yours, against PyTorch.",
    "compile": "Compile kernels without a GPU, by release and target.",
    "learn": "Show the learning path, or check your answer to an exercise.",
    "resources": "List articles, papers, videos, tools and people to learn Triton from.",
    "mcp": "Serve coding agents over MCP, on stdio.",
    "update": "Fetch the published index and swap it in.",
    "forget": "Take a source out of the index.",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """What holds for every command: the index named with `--db`, and whether errors show where."""

    db: Path | None = None
    debug: bool = False


class LateGroup(click.Group):
    """A group whose commands are imported when they are run, not when they are listed.

    `late` holds names and first lines of help; `package` is where their modules are.
    """

    def __init__(self, *args: Any, late: Mapping[str, str], package: str, **more: Any) -> None:
        super().__init__(*args, **more)
        self._late = late
        self._package = package

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the names in the order of the help."""
        return list(self._late)

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find the command that the first word names; of a slip, say what was likely meant."""
        name = args[0]
        if name not in self._late and not name.startswith("-"):
            from difflib import get_close_matches

            near = get_close_matches(name, self._late, 2, NEAR_ENOUGH)
            if near:
                ctx.fail(f"No such command {name!r}; did you mean {' or '.join(near)}?")
        return super().resolve_command(ctx, args)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import and return the command, None if there is none of that name."""
        if cmd_name not in self._late:
            return None
        command = import_module(f"{self._package}.{cmd_name}").command
        return command if isinstance(command, click.Command) else None

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """List the commands without importing any."""
        with formatter.section("Commands"):
            formatter.write_dl(list(self._late.items()))


@click.group(
    cls=LateGroup,
    late=COMMANDS,
    package="index.cli",
    context_settings={"help_option_names": ["-h", "--help"]},
)
@click.option(
    "--db",
    type=click.Path(path_type=Path),
    envvar="TRITON_INDEX_DB",
    show_envvar=True,
    help="The index file. Without it: your own index, else the one that came with the package.",
)
@click.option("-v", "--verbose", is_flag=True, help="Log each step on stderr, with its time.")
@click.option("--debug", is_flag=True, help="Show the traceback of an error.")
@click.version_option(package_name="triton-index", message="%(prog)s %(version)s")
@click.pass_context
def triton_index(ctx: click.Context, db: Path | None, verbose: bool, debug: bool) -> None:
    """Index and search open Triton kernels."""
    if verbose:
        from index.cli.log import show_log

        show_log()
    ctx.obj = Settings(db=db, debug=debug)
