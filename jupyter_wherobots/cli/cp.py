"""``jupyter wherobots cp`` and ``mv``: files and folders into, out of and inside the managed storage."""

from __future__ import annotations

import argparse

from ..errors import InvalidRequest
from .common import Commands, ExitCode, Parser, add_command
from .managed import add_yes, is_managed, opened

_STREAM = "-"
_RULES = ("fail", "replace", "keep-both")

_JSON = "print one JSON object a line for each SOURCE: {source, target, state, objects, bytes, errors, errorCount}"

_WHERE = """
DESTINATION is a folder if it ends with a slash or is one already: each SOURCE is put into it, by its own name. Otherwise it is
the new name.
"""


def add_to(commands: Commands[Parser]) -> None:
    """Add the commands."""
    copy = add_command(
        commands,
        "cp",
        run_copy,
        summary="copy files and folders into, out of and inside the managed storage",
        description=f"""
Copy files and folders. wb:/data/… (or an s3:// path of your organization) is the managed storage, anything else a path of
this machine; one side at least has to be managed. Inside the storage S3 copies, and nothing is downloaded.
{_WHERE}
A download gets its name when it is complete, an upload is there as a whole or not at all, and Ctrl-C leaves nothing half done.
Contents are copied, not times and permissions. Links that you name are followed; links in folders are named and not copied.
""",
        examples="""
  jupyter wherobots cp report.pdf wb:/data/shared/
  jupyter wherobots cp -r results "$USER_S3_PATH"
  jupyter wherobots cp -r wb:/data/shared/tiles .
  jupyter wherobots cp wb:/data/shared/a.csv wb:/data/shared/b.csv
  jupyter wherobots cp *.parquet wb:/data/shared/2025/ --on-conflict replace
  pg_dump cities | gzip | jupyter wherobots cp - wb:/data/shared/cities.sql.gz
  jupyter wherobots cp wb:/data/shared/cities.sql.gz - | zcat | head
""",
        json_help=_JSON,
    )
    copy.add_argument(
        "sources", nargs="+", metavar="SOURCE", help="what to copy; - is standard input"
    )
    copy.add_argument(
        "destination", metavar="DESTINATION", help="where to; - is standard output, for one file"
    )
    copy.add_argument(
        "-r", "-R", "--recursive", action="store_true", help="folders too, with all they hold"
    )
    move = add_command(
        commands,
        "mv",
        run_move,
        summary="move and rename files and folders of the managed storage",
        description=f"""
Move or rename files and folders inside the managed storage. S3 copies, and what was copied is deleted after a look at the
copy: at every moment it is in one place at least.
{_WHERE}""",
        examples="""
  jupyter wherobots mv wb:/data/shared/draft.ipynb wb:/data/shared/final.ipynb
  jupyter wherobots mv "$USER_S3_PATH"results wb:/data/shared/
""",
        json_help=_JSON,
    )
    move.add_argument("sources", nargs="+", metavar="SOURCE", help="wb:/data/… or s3://…")
    move.add_argument("destination", metavar="DESTINATION", help="wb:/data/… or s3://…")
    for command in (copy, move):
        command.add_argument(
            "--on-conflict",
            choices=_RULES,
            default=_RULES[0],
            help="if a name is taken: leave it and fail (the default), replace it (folders are merged), "
            "or keep both ('name (1).csv')",
        )
        add_yes(command, "do not ask before something changes in /spark-logs")


def run_copy(arguments: argparse.Namespace) -> ExitCode:
    """Copy every source."""
    sources, destination = arguments.sources, arguments.destination
    if destination == _STREAM or _STREAM in sources:
        return _stream(arguments)
    local = [text for text in sources if not is_managed(text)]
    if local and not is_managed(destination):
        raise InvalidRequest(
            f"Neither {local[0]} nor {destination} is in the managed storage.",
            hint="Write wb:/data/… for what is; for copies on this machine there is cp.",
        )
    from .transfer import Transfer

    with opened() as storage:
        transfer = Transfer(storage, arguments, recursive=arguments.recursive)
        if is_managed(destination):
            return transfer.into_storage(sources, destination)
        return transfer.out_of_storage(sources, destination)


def run_move(arguments: argparse.Namespace) -> ExitCode:
    """Move every source."""
    for text in (*arguments.sources, arguments.destination):
        if not is_managed(text):
            raise InvalidRequest(
                f"{text} is not in the managed storage, and mv moves inside it only.",
                hint="Use cp, look at the copy, then delete the original.",
            )
    from .transfer import Transfer

    with opened() as storage:
        transfer = Transfer(storage, arguments, recursive=True)
        return transfer.into_storage(arguments.sources, arguments.destination, move=True)


def _stream(arguments: argparse.Namespace) -> ExitCode:
    sources, destination = arguments.sources, arguments.destination
    other = sources[0] if destination == _STREAM else destination
    if len(sources) > 1 or not is_managed(other):
        raise InvalidRequest(
            "- stands for one side of one copy; the other is a file of the managed storage.",
            hint="`jupyter wherobots cat` writes several files to standard output.",
        )
    from .transfer import Transfer

    with opened() as storage:
        transfer = Transfer(storage, arguments, recursive=False)
        if destination == _STREAM:
            return transfer.to_output(other)
        return transfer.from_input(other)
