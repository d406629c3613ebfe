"""``jupyter wherobots status``: how the servers that run on this machine keep their homes."""

from __future__ import annotations

import argparse
import json
import os
import urllib.error
import urllib.request
from collections.abc import Iterator, Sequence, Set
from contextlib import suppress
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from .common import (
    DOCTOR,
    Commands,
    ExitCode,
    Parser,
    add_command,
    human_size,
    print_json,
    printable,
)

_TIMEOUT = 10.0
"""Seconds that a server may take to answer."""
_WAIT = 3
"""Seconds of them that it may wait for S3; what is said of home does not need it."""

# No proxy between us and a server of this machine, whatever the environment says.
_OPENER = urllib.request.build_opener(urllib.request.ProxyHandler({}))


def add_to(commands: Commands[Parser]) -> None:
    """Add the command."""
    add_command(
        commands,
        "status",
        run,
        summary="say how the running servers keep their homes",
        description="""
Ask the Jupyter servers that this user runs on this machine how they are set up, and whether their home is saved.

exit codes (of several servers, the highest):
  0  all is saved that is to be kept in S3
  1  no server with Managed storage is running, or one does not answer
  2  a server's configuration is incomplete or wrong
  3  something of a home is not saved (yet), or it is to be kept in S3 and is not
""",
        examples="""
  jupyter wherobots status
  jupyter wherobots status --json
""",
        json_help='print one JSON object: {"servers": [{url, pid, status, error}]}, with the status as GET /wherobots/status '
        "has it, or null and the error in its place",
    )


@dataclass(frozen=True)
class Running:
    """A running server, and its answer to ``GET /wherobots/status``.

    That is None if it gave none: with an error, or without one if it has not our extension.
    """

    url: str
    pid: int
    status: dict[str, Any] | None
    error: str | None = None


def run(arguments: argparse.Namespace) -> ExitCode:
    """Ask, and print the answers."""
    found = list(running_servers(_runtime_directory()))
    servers = [server for server in found if server.status or server.error]
    if arguments.json:
        print_json({"servers": [asdict(server) for server in servers]})
    elif not servers:
        print("No Jupyter server with Managed storage is running here (for this user).")
        for server in found:
            print(f"{server.url} (process {server.pid}) is one without it; is it enabled there?")
            print("  jupyter server extension list")
    else:
        for server in servers:
            print("\n".join(lines(server)))
    return exit_code(servers)


def running_servers(runtime: Path) -> Iterator[Running]:
    """The servers that say in Jupyter's runtime directory where they listen."""
    for file in sorted(runtime.glob("jpserver-*.json")):
        with suppress(OSError, ValueError, KeyError):  # gone meanwhile, or dead
            said = json.loads(file.read_text())
            url, pid, token = str(said["url"]), int(said["pid"]), str(said["token"])
            os.kill(pid, 0)
            if found := _asked(url, pid, token):
                yield found


def _asked(url: str, pid: int, token: str) -> Running | None:
    """What a server answers; None for one that is not ours to ask. Raises OSError if nobody listens there."""
    request = urllib.request.Request(
        f"{url}wherobots/status?wait={_WAIT}", headers={"Authorization": f"token {token}"}
    )
    try:
        with _OPENER.open(request, timeout=_TIMEOUT) as answer:
            return Running(url, pid, json.load(answer))
    except urllib.error.HTTPError as error:
        error.close()
        if error.code == 404:
            return Running(url, pid, None)
        # The file of one that was killed may name a port, and a process, that are somebody else's by now.
        if error.code == 403 and token:
            return None
        return Running(
            url, pid, None, f"It answered {error.code} {error.reason}; its log says why."
        )
    except TimeoutError:
        return Running(url, pid, None, f"It did not answer within {_TIMEOUT:g} s.")


def _runtime_directory() -> Path:
    from jupyter_core.paths import jupyter_runtime_dir

    return Path(jupyter_runtime_dir())


def is_saved(status: dict[str, Any]) -> bool:
    """Whether nothing of home waits to be saved; true for a home that is not ours to save."""
    sync = status["sync"]
    return sync is None or (
        not sync["error"] and not sync["pendingFiles"] and sync["savedAt"] is not None
    )


def exit_code(servers: Sequence[Running]) -> ExitCode:
    """What the answers of all servers with our extension come to, as the help of the command has it."""
    # Two servers in one home: what of it is saved is for the one to say that keeps it.
    kept = {each.status["home"] for each in servers if each.status and each.status["sync"]}
    return max((_code(server.status, kept) for server in servers), default=ExitCode.FAILED)


def _code(status: dict[str, Any] | None, kept: Set[str]) -> ExitCode:
    if status is None:
        return ExitCode.FAILED
    if not is_saved(status):
        return ExitCode.NOT_DURABLE
    if not status["configured"] or status["problems"]:
        return ExitCode.USAGE
    # A server that runs since before an upgrade does not say whether it failed.
    if status["homePersistence"].get("failed") and status["home"] not in kept:
        return ExitCode.NOT_DURABLE
    return ExitCode.OK


def lines(server: Running) -> list[str]:
    """A server's answer, for people."""
    status = server.status
    found = [f"{server.url} (process {server.pid})"]
    if status is None:
        found.append(f"  problem  {printable(server.error or '')}")
        return found
    if status["configured"]:
        found.append(
            f"  storage  s3://{status['bucket']}/{status['organization']}/, user {status['user']}"
        )
    if status["message"]:
        found.append(f"  problem  {printable(status['message'])}")
    sync = status["sync"]
    if sync is None:
        reason = status["homePersistence"]["reason"]
        found.append(f"  home     {status['home']}, not synchronised: {printable(reason)}")
        return found
    found.append(f"  home     {status['home']}: {_state(sync)}")
    if sync["error"]:
        found.append(f"           {DOCTOR}")
    found += [f"           {printable(note)}" for note in sync["notes"]]
    found += [
        f"  waiting  {printable(file['path'])}: {printable(file['message'])}"
        for file in sync["pending"][:20]
    ]
    found += [
        f"  lost     {printable(file['path'])} (at the last stop): {printable(file['message'])}"
        for file in sync["lostAtLastStop"][:20]
    ]
    return found


def _state(sync: dict[str, Any]) -> str:
    if sync["error"]:
        return f"not synchronised: {printable(sync['error'])}"
    if not sync["restored"]:
        return "being restored"
    if sync["pendingFiles"]:
        return f"{sync['pendingFiles']:,} to save ({human_size(sync['pendingBytes'])})"
    if sync["savedAt"] is None:
        return "not saved yet"
    # Python 3.10 does not read the Z.
    moment = datetime.fromisoformat(sync["savedAt"].replace("Z", "+00:00"))
    return f"saved {moment.astimezone():%H:%M:%S}"
