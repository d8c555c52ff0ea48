"""The command line: parses, calls, prints. Each command is a module, imported when it is run."""

from __future__ import annotations

import sys
from collections.abc import Sequence

import click

from crawler.errors import TritonIndexError
from index.cli.group import triton_index
from index.cli.streams import drop_stdout, leave_threads_behind, open_missing_streams
from index.plain_text import one_line

PROGRAM = "triton-index"


def main(arguments: Sequence[str] | None = None) -> int:
    """Run `triton-index` and return its exit code, as `run_command` does."""
    return run_command(triton_index, arguments, program=PROGRAM)


def run_command(
    command: click.Command, arguments: Sequence[str] | None = None, *, program: str
) -> int:
    """Run a command line and return its exit code.

    0: done. 1: done, but the answer is no. 2: the input or the usage is wrong. 130: interrupted.
    What went wrong is one line on stderr; `--debug` shows where instead. Who gives no command gets
    the help.
    """
    open_missing_streams()
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")
    words = list(sys.argv[1:] if arguments is None else arguments)
    debug = "--debug" in words
    try:
        code = command.main(words, prog_name=program, standalone_mode=False)
        sys.stdout.flush()
        return code if isinstance(code, int) else 0
    except BrokenPipeError:
        # Who reads the output has had enough.
        drop_stdout()
        return 0
    except (KeyboardInterrupt, click.Abort):
        code = _fail(program, "interrupted", code=130)
        leave_threads_behind(code)
        return code
    except click.exceptions.NoArgsIsHelpError as error:
        sys.stderr.write(f"{error.format_message()}\n")
        return 2
    except click.ClickException as error:
        return _fail(program, _usage(error, program))
    except TritonIndexError as error:
        if debug:
            raise
        return _fail(program, str(error))
    except OSError as error:
        if debug:
            raise
        return _fail(program, f"{error.filename or 'input or output'}: {error.strerror}")
    except Exception as error:
        if debug:
            raise
        return _fail(
            program,
            f"unexpected {type(error).__name__}: {error}; this is a fault of {PROGRAM}, "
            f"`{PROGRAM} --debug ...` shows where",
        )


def _usage(error: click.ClickException, program: str) -> str:
    text = error.format_message().rstrip(".?")
    context = getattr(error, "ctx", None)
    command = context.command_path if context is not None else program
    return f"{text}; see `{command} --help`"


def _fail(program: str, message: str, *, code: int = 2) -> int:
    sys.stderr.write(f"{program}: {one_line(message)}\n")
    return code
