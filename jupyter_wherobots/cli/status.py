"""``jupyter wherobots status``: how the servers that run on this machine keep their homes."""

from __future__ import annotations

import argparse
import json
import os
import urllib.request
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from .common import Commands, ExitCode, Parser, add_command, human_size, print_json, printable

_TIMEOUT = 5.0
"""Seconds that a server may take to answer."""

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
Exit code 1 if none with Managed storage is running, 3 if something of a home is not saved (yet).
""",
        examples="""
  jupyter wherobots status
  jupyter wherobots status --json
""",
        json_help='print one JSON object: {"servers": [{url, pid, status}]}, with the status as GET /wherobots/status has it',
    )


@dataclass(frozen=True)
class Running:
    """A running server with Managed storage, and its answer to ``GET /wherobots/status``."""

    url: str
    pid: int
    status: dict[str, Any]


def run(arguments: argparse.Namespace) -> ExitCode:
    """Ask, and print the answers."""
    servers = list(running_servers(_runtime_directory()))
    if arguments.json:
        print_json(
            {
                "servers": [
                    {"url": server.url, "pid": server.pid, "status": server.status}
                    for server in servers
                ]
            }
        )
    elif not servers:
        print("No Jupyter server with Managed storage is running here (for this user).")
    else:
        for server in servers:
            print("\n".join(lines(server)))
    if not servers:
        return ExitCode.FAILED
    saved = all(is_saved(server.status) for server in servers)
    return ExitCode.OK if saved else ExitCode.NOT_DURABLE


def running_servers(runtime: Path) -> Iterator[Running]:
    """The servers that say in Jupyter's runtime directory where they listen, and that know us."""
    for file in sorted(runtime.glob("jpserver-*.json")):
        with suppress(
            OSError, ValueError, KeyError
        ):  # gone meanwhile, dead, or without our extension
            said = json.loads(file.read_text())
            url, pid = str(said["url"]), int(said["pid"])
            os.kill(pid, 0)
            request = urllib.request.Request(
                f"{url}wherobots/status", headers={"Authorization": f"token {said['token']}"}
            )
            with _OPENER.open(request, timeout=_TIMEOUT) as answer:
                yield Running(url, pid, json.load(answer))


def _runtime_directory() -> Path:
    from jupyter_core.paths import jupyter_runtime_dir

    return Path(jupyter_runtime_dir())


def is_saved(status: dict[str, Any]) -> bool:
    """Whether nothing of home waits to be saved; true for a home that is not ours to save."""
    sync = status["sync"]
    return sync is None or (
        not sync["error"] and not sync["pendingFiles"] and sync["savedAt"] is not None
    )


def lines(server: Running) -> list[str]:
    """A server's answer, for people."""
    status = server.status
    found = [f"{server.url} (process {server.pid})"]
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
    found += [f"           {printable(note)}" for note in sync["notes"]]
    unread = [each for each in sync["skipped"] if each["reason"] == "unreadable"]
    found += [
        f"  unread   {printable(each['path'])}: {printable(each['message'])}"
        for each in unread[:20]
    ]
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
