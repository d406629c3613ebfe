"""``jupyter wherobots …``: the command line. One module a group of commands; this one parses, runs and reports errors.

Everything heavy (boto3, Jupyter, the mirror) is imported by the command that needs it, so that ``--help`` is quick.
Errors go to stderr as what, where and what to do; never a traceback, unless ``--debug`` asks for it.
"""

from __future__ import annotations

import argparse
import errno
import os
import sys
import traceback
from collections.abc import Sequence

from .. import __version__
from ..errors import (
    ConfirmationRequired,
    InvalidPath,
    InvalidRequest,
    NotConfigured,
    WherobotsError,
)
from . import cat, cp, demo, doctor, env, home, ls, mkdir, rm, status
from .common import ExitCode, Parser, print_error, print_json

_DESCRIPTION = "Managed storage in Jupyter, from the command line."

_EPILOG = """\
examples:
  eval "$(jupyter wherobots env)"                       set USER_S3_PATH and the others in this shell
  jupyter wherobots ls -l /data/shared                  what lies in the shared folder
  jupyter wherobots cp -r results wb:/data/shared/      share a folder
  jupyter wherobots doctor                              is everything set up right, and if not, what to do
  jupyter wherobots sync --once --home ~ --state ~/.local/state/jupyter-wherobots
  jupyter wherobots demo                                try it all, on an S3 server in the process

exit codes:
  0  done                         2  wrong usage or configuration
  1  failed                       3  something of home is not saved in S3 (it is named)
                                  130  stopped by Ctrl-C

The place comes from WHEROBOTS_BUCKET, WHEROBOTS_ORGANIZATION and WHEROBOTS_USER or from Jupyter's configuration
(WherobotsApp); endpoint, region and credentials from the standard AWS ways.
"""

# What a write to standard output fails with where nothing can be written any more.
_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EIO)


def parser() -> Parser:
    """The whole command line."""
    top = Parser(prog="jupyter wherobots", description=_DESCRIPTION, epilog=_EPILOG)
    top.add_argument("--version", action="version", version=f"jupyter-wherobots {__version__}")
    commands = top.add_subparsers(metavar="COMMAND", required=True)
    for group in (env, ls, cp, rm, mkdir, cat, doctor, home, status, demo):
        group.add_to(commands)
    return top


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code (the entry point ``jupyter-wherobots``)."""
    arguments = parser().parse_args(argv)
    for stream in (sys.stdout, sys.stderr):
        # A key may hold what this terminal cannot show; that must not end a listing.
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")
    try:
        code: ExitCode = arguments.run(arguments)
        if sys.stdout is not None:  # as it is for a shell's >&-
            sys.stdout.flush()
    except WherobotsError as error:
        return _report(error, arguments)
    except BrokenPipeError:  # `… | head`: nobody reads on, which is no failure to speak of
        _write_no_more()
        return 141  # as the shell has it for a tool that SIGPIPE ended
    except KeyboardInterrupt:
        print("Stopped.", file=sys.stderr)
        return 130
    except OSError as error:
        if error.errno not in _FULL or error.filename is not None:
            return _report(_unexpected(error, arguments), arguments)
        _write_no_more()
        return _report(
            WherobotsError(f"The output cannot be written: {error.strerror}."), arguments
        )
    except Exception as error:  # noqa: BLE001 - the rim: whatever it is, a person gets a sentence
        return _report(_unexpected(error, arguments), arguments)
    return int(code)


def _write_no_more() -> None:
    """Let what is still to be printed go nowhere, or the interpreter would fail to write it at its end."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _unexpected(error: Exception, arguments: argparse.Namespace) -> WherobotsError:
    if arguments.debug:
        traceback.print_exc()
    return WherobotsError(
        f"Unexpected {type(error).__name__}: {error}",
        hint="This is a fault of the program: repeat with --debug and report what it prints.",
    )


def _report(error: WherobotsError, arguments: argparse.Namespace) -> int:
    if arguments.debug and error.__cause__ is not None:
        traceback.print_exception(error.__cause__)
    if arguments.json:
        print_json({"error": error.to_json()})
    print_error(error)
    usage = isinstance(error, (NotConfigured, InvalidPath, InvalidRequest, ConfirmationRequired))
    return int(ExitCode.USAGE if usage else ExitCode.FAILED)
