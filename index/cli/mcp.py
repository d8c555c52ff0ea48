"""`triton-index mcp`."""

from __future__ import annotations

import click

from index.cli.group import Settings


@click.command()
@click.pass_obj
def command(settings: Settings) -> int:
    """Serve coding agents over MCP, on stdio.

    Seven read-only tools (search_kernels, get_kernel, extract_kernel, similar_kernels, check_code,
    what_is_missing, query) and the resources kernel://, op:// and release://. Needs the extra
    `mcp`: `uv tool install "triton-index[mcp] @ git+https://github.com/gpu-mode/triton-index"`.
    """
    from importlib.metadata import PackageNotFoundError, version

    from index.cli.output import note
    from index.files.location import index_to_read

    try:
        from index.agents.server import make_server
    except ImportError as error:
        raise click.UsageError(f"{error}; install the extra: triton-index[mcp]") from error
    try:
        own = version("triton-index")
    except PackageNotFoundError:
        own = ""
    make_server(index_to_read(settings.db, note), own).run("stdio")
    return 0
