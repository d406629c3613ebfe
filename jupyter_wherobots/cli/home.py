"""``jupyter wherobots sync | restore``: the home mirror, from a shell. The engine is the server's own."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import InvalidRequest
from . import progress
from .common import (
    DOCTOR,
    Commands,
    ExitCode,
    Parser,
    add_command,
    human_size,
    print_json,
    printable,
    read_configuration,
    require_place,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ..sync.service import HomeSync
    from ..sync.status import (
        Conflict,
        NotDurable,
        PassReport,
        Progress,
        RestoreReport,
        SyncStatus,
    )

_NAMED = 50
"""Files named on a terminal; ``--json`` names more."""


def add_to(commands: Commands[Parser]) -> None:
    """Add the commands."""
    sync = add_command(
        commands,
        "sync",
        run_sync,
        summary="save a home directory in S3",
        description="""
Save a home directory in /notebooks/customer-XXXX, one way, by the engine that the server uses. A home that was never
restored here is restored first. Without --once it goes on until SIGTERM or Ctrl-C, and saves once more then.

Beside a running server that keeps the same home it says so and does nothing: the server saves already.

exit codes:
  0  everything is saved in S3
  1  failed: home could not be restored first, S3 does not answer, a folder cannot be used, another engine has this home
  2  wrong usage or configuration
  3  something is not saved; it is named
  130  Ctrl-C ended --once; what was saved is known, and the next run goes on from there
""",
        examples="""
  jupyter wherobots sync --once
  jupyter wherobots sync --once --home /home/wherobots --state /var/lib/wherobots --json
  jupyter wherobots sync --once --confirm-deletes
  jupyter wherobots sync --interval 30
""",
        json_help="print one JSON line: the report of the pass (without --once: a line at each change of the status)",
    )
    sync.add_argument("--once", action="store_true", help="one complete pass, then end")
    sync.add_argument(
        "--interval",
        type=_seconds,
        metavar="SECONDS",
        help="without --once: seconds between full scans (default: 120, WHEROBOTS_SYNC_INTERVAL)",
    )
    sync.add_argument(
        "--timeout",
        type=_seconds,
        metavar="SECONDS",
        help="with --once: end after so long, and name what is not saved (default: no limit)",
    )
    sync.add_argument(
        "--confirm-deletes",
        action="store_true",
        help="with --once: delete in S3, too, the many files gone from home that wait for this word",
    )
    restore = add_command(
        commands,
        "restore",
        run_restore,
        summary="bring a home directory back from S3",
        description="""
Bring back everything in /notebooks/customer-XXXX. What is interrupted goes on where it was. A file that is in home already and
differs is moved aside, never overwritten.

Exit code 1 if something did not come back (it is named), 2 for wrong usage or configuration.
""",
        examples="""
  jupyter wherobots restore --home /home/wherobots --state /var/lib/wherobots
  jupyter wherobots restore --json
""",
        json_help="print one JSON line: the report",
    )
    for command in (sync, restore):
        command.add_argument(
            "--home", type=Path, metavar="DIR", help="the home directory (default: as the server)"
        )
        command.add_argument(
            "--state",
            type=Path,
            metavar="DIR",
            help="where the engine keeps its journal, between runs (default: as the server)",
        )


def run_sync(arguments: argparse.Namespace) -> ExitCode:
    """One pass, or passes until a signal comes."""
    if arguments.once and arguments.interval is not None:
        raise InvalidRequest("--interval has no meaning with --once.")
    if not arguments.once and arguments.timeout is not None:
        raise InvalidRequest("--timeout has no meaning without --once.")
    if not arguments.once and arguments.confirm_deletes:
        raise InvalidRequest("--confirm-deletes has no meaning without --once.")
    if arguments.once:
        with _engine(arguments, hints=False) as mirror:
            with progress.shown(lambda: _progress(mirror.sync)):
                report = mirror.sync.run_pass(deadline=arguments.timeout)
                if arguments.confirm_deletes and mirror.sync.confirm_deletes():
                    report = mirror.sync.run_pass(deadline=arguments.timeout)
            return _tell_pass(report, mirror, as_json=arguments.json)
    with _engine(arguments, hints=True) as mirror:
        return _run_on(mirror, as_json=arguments.json)


def run_restore(arguments: argparse.Namespace) -> ExitCode:
    """Restore, and say what came of it."""
    with _engine(arguments, hints=False, create=True) as mirror:
        with progress.shown(lambda: _progress(mirror.sync)):
            report = mirror.sync.restore()
        return _tell_restore(report, mirror, as_json=arguments.json)


@dataclass(frozen=True)
class _Mirror:
    sync: HomeSync
    uri: str
    stop_timeout: float


@contextmanager
def _engine(
    arguments: argparse.Namespace, *, hints: bool, create: bool = False
) -> Iterator[_Mirror]:
    """The engine with its lock taken. Raises NotConfigured, InvalidRequest and AlreadyRunning.

    Asked for in so many words, it needs neither the 2024 layout nor ``home_persistence=sync``.
    """
    from ..settings import is_home

    configuration = read_configuration()
    place = require_place(configuration)
    home = _absolute(arguments.home) or configuration.home
    state = _absolute(arguments.state) or configuration.state
    _require_directory(home, create=create)
    if is_home(state, home):
        raise InvalidRequest(
            f"The state cannot lie in {state}, which is home itself.",
            hint="Name another folder with --state, or one below home.",
        )

    from ..layout import Layout, LayoutName
    from ..s3.client import S3
    from ..sync.service import HomeSync, SyncOptions

    layout = Layout(place, LayoutName.V2024)
    interval = getattr(arguments, "interval", None) or configuration.sync_interval
    options = SyncOptions(interval=interval, hints=hints)
    s3 = S3(place.bucket)
    try:
        with HomeSync(s3, layout.home_prefix, home, state, options=options) as sync:
            yield _Mirror(sync, layout.uri(layout.home_path), configuration.stop_timeout)
    finally:
        s3.close()


def _absolute(path: Path | None) -> Path | None:
    return None if path is None else path.expanduser().absolute()


def _require_directory(home: Path, *, create: bool) -> None:
    try:
        if create:
            home.mkdir(parents=True, exist_ok=True)
        elif not home.is_dir():
            raise NotADirectoryError
    except OSError as error:
        raise InvalidRequest(
            f"The home directory {home} is not a directory that can be used.",
            hint="Name an existing one with --home.",
        ) from error


def _progress(sync: HomeSync) -> tuple[str, Progress | None] | None:
    from ..sync.status import Phase

    status = sync.status()
    if status.phase is Phase.RESTORING:
        return "Restoring", status.restore
    return ("Saving", status.push) if status.phase is Phase.PUSHING else None


# -- one pass --------------------------------------------------------------------------------------


def _tell_pass(report: PassReport, mirror: _Mirror, *, as_json: bool) -> ExitCode:
    if as_json:
        print_json({"uri": mirror.uri, "home": str(mirror.sync.home), **report.to_json()})
    else:
        if report.complete:
            print(
                f"Everything in {mirror.sync.home} is saved in {mirror.uri}: {report.files:,} files "
                f"({report.uploaded:,} uploaded, {human_size(report.uploaded_bytes)}, {report.seconds:.1f} s)."
            )
        _tell_conflicts(report.conflicts)
        if report.pending_deletes.count:
            print(
                f"{report.pending_deletes.message} They stay in S3 until you say that it is meant:"
            )
            print("  jupyter wherobots sync --once --confirm-deletes")
        for note in report.notes:
            print(f"note: {printable(note)}")
    _tell_errors(report.restore.error if report.restore else None, report.error)
    if report.restore is not None:
        _tell_not_restored(report.restore)
    if count := report.not_durable_count:
        print(f"{count:,} {'file is' if count == 1 else 'files are'} not saved:", file=sys.stderr)
        _tell_files(report.not_durable, count)
    if report.complete:
        return ExitCode.OK
    return ExitCode.NOT_DURABLE if report.not_durable_count else ExitCode.FAILED


def _tell_restore(report: RestoreReport, mirror: _Mirror, *, as_json: bool) -> ExitCode:
    if as_json:
        print_json({"uri": mirror.uri, "home": str(mirror.sync.home), **report.to_json()})
    elif report.listed:
        print(
            f"{report.restored:,} of {report.objects:,} files restored from {mirror.uri} to {mirror.sync.home} "
            f"({human_size(report.restored_bytes)}, {report.already_there:,} were there already, {report.seconds:.1f} s)."
        )
        _tell_conflicts(report.conflicts)
    _tell_errors(report.error)
    _tell_not_restored(report)
    return ExitCode.OK if report.complete else ExitCode.FAILED


def _tell_not_restored(report: RestoreReport) -> None:
    if report.failed_count:
        print(f"{report.failed_count:,} not restored:", file=sys.stderr)
        _tell_files(report.failed, report.failed_count)


def _tell_errors(*errors: str | None) -> None:
    told = [error for error in errors if error]
    for error in told:
        print(f"error: {printable(error)}", file=sys.stderr)
    if told:
        print(f"  {DOCTOR}", file=sys.stderr)


def _tell_files(files: Sequence[NotDurable], count: int) -> None:
    for file in files[:_NAMED]:
        print(f"  {printable(file.path)}: {printable(file.message)}", file=sys.stderr)
    if count > _NAMED:
        print(
            f"  and {count - min(_NAMED, len(files)):,} more (--json names more)", file=sys.stderr
        )


def _tell_conflicts(conflicts: Sequence[Conflict]) -> None:
    for conflict in conflicts[:_NAMED]:
        kept = f" (kept as {printable(conflict.kept_as)})" if conflict.kept_as else ""
        print(f"  {printable(conflict.path)}: {printable(conflict.message)}{kept}")


# -- until a signal --------------------------------------------------------------------------------


def _run_on(mirror: _Mirror, *, as_json: bool) -> ExitCode:
    from ..signals import Signals

    last = ""

    def tell(status: SyncStatus) -> None:
        nonlocal last
        text = json.dumps(status.to_json()) if as_json else status_line(status)
        if text != last:
            print(text, flush=True)
            last = text

    with Signals() as signals:
        mirror.sync.on_change = tell
        mirror.sync.start()
        while not signals.stops:
            signals.wait()
        report = mirror.sync.final(mirror.stop_timeout)
    return _tell_pass(report, mirror, as_json=as_json)


def status_line(status: SyncStatus) -> str:
    """The status in one line, as the page's status bar has it."""
    if status.error:
        return f"Not synchronised: {status.error}"
    if not status.restored and status.restore is not None:
        return progress.bar("Restoring", status.restore)
    if status.pending_files:
        return f"{status.pending_files:,} to save ({human_size(status.pending_bytes)})"
    if status.saved_at is not None:
        return f"Saved {datetime.fromtimestamp(status.saved_at).astimezone():%H:%M:%S}"
    return "Starting"


def _seconds(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = -1
    if not 0 < value < 86_400:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number of seconds between 0 and 86400")
    return value
