"""Debian's haproxy in front of an S3 server: a real network's delays and losses, switched while it runs.

Requests pass unchanged, the Host header included, so that signatures hold.
"""

from __future__ import annotations

import shutil
import socket
import subprocess
import threading
import time
from pathlib import Path
from types import TracebackType
from urllib.parse import urlsplit

from tests.conftest import Endpoint
from tests.ports import free_ports

# "lost" and "hung" count on, so that which answers are hit does not depend on chance.
_ACTIONS = """
local answers = 0
local function due(txn, name)
  local every = tonumber(txn:get_var("proc." .. name))
  return every > 0 and answers % every == 0
end
core.register_action("delay", { "http-req" }, function(txn)
  core.msleep(tonumber(txn:get_var("proc.latency")))
end)
core.register_action("judge", { "http-res" }, function(txn)
  answers = answers + 1
  local hung = due(txn, "hung") and txn:get_var("txn.path"):find(txn:get_var("proc.only"), 1, true)
  if hung then txn:set_var("txn.hung", true) end
  if due(txn, "lost") then txn:done() end
end)
"""
_CONFIGURATION = """
global
  nbthread 1
  stats socket {folder}/control level admin
  lua-load {folder}/actions.lua
  set-var proc.latency int(0)
  set-var proc.lost int(0)
  set-var proc.hung int(0)
  set-var proc.refused int(0)
  set-var proc.only str(/)
defaults
  mode http
  timeout connect 5s
  timeout client 300s
  timeout server 300s
frontend s3
  bind 127.0.0.1:{port}
  http-request lua.delay if {{ var(proc.latency) -m int gt 0 }}
  http-request return status 503 if {{ var(proc.refused) -m int gt 0 }}
  http-request set-var(txn.path) path
  http-request set-var(txn.writes) bool(true) unless {{ method GET HEAD }}
  http-response lua.judge if {{ var(txn.writes) -m bool }}
  http-response silent-drop if {{ var(txn.hung) -m bool }}
  default_backend store
backend store
  server store {host}
"""


class Haproxy:
    """A proxy of one S3 server; is an endpoint itself. Writes are the requests other than GET (and HEAD)."""

    def __init__(self, folder: Path, server: Endpoint) -> None:
        self.bucket = server.bucket
        (self._port,) = free_ports(1)
        self._folder = folder
        self._process: subprocess.Popen[bytes] | None = None
        program = shutil.which("haproxy", path="/usr/sbin:/usr/bin:/usr/local/sbin")
        assert program is not None, "Debian's haproxy is not installed"
        self._program = program
        (folder / "actions.lua").write_text(_ACTIONS)
        configuration = _CONFIGURATION.format(
            folder=folder, port=self._port, host=urlsplit(server.url).netloc
        )
        (folder / "haproxy.cfg").write_text(configuration)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._port}"

    def start(self) -> None:
        """Listen; returns when it does."""
        self._process = subprocess.Popen(
            [self._program, "-db", "-q", "-f", self._folder / "haproxy.cfg"],
            stdin=subprocess.DEVNULL,
        )
        until = time.monotonic() + 30
        while True:
            assert self._process.poll() is None, "haproxy did not start"
            try:
                socket.create_connection(("127.0.0.1", self._port)).close()
            except ConnectionRefusedError:
                assert time.monotonic() < until
                threading.Event().wait(0.02)
            else:
                return

    def stop(self) -> None:
        """Reset every connection, and refuse new ones until it is started again."""
        if self._process is not None:
            self._process.terminate()
            self._process.wait(30)
            self._process = None

    def latency(self, seconds: float) -> None:
        """Keep each request for so long before it is passed on."""
        self._set("latency", round(seconds * 1000))

    def lose(self, every: int) -> None:
        """Cut the connection instead of every so manieth answer to a write; 0 for none."""
        self._set("lost", every)

    def hang(self, every: int, only: str = "/") -> None:
        """Let the client wait for every so manieth answer to a write for ever; 0 for none. ``only``: part of the path."""
        self._set("only", only)
        self._set("hung", every)

    def refuse(self, refuse: bool) -> None:
        """Answer every request with 503, and pass none on."""
        self._set("refused", int(refuse))

    @property
    def requests(self) -> int:
        """How many requests came, passed on or not, since it was started."""
        names, frontend, *_ = (line.split(",") for line in self._say("show stat").splitlines())
        return int(frontend[names.index("req_tot")])

    def _set(self, name: str, value: int | str) -> None:
        kind = "int" if isinstance(value, int) else "str"
        answer = self._say(f"experimental-mode on; set var proc.{name} {kind}({value})")
        assert not answer.strip(), answer

    def _say(self, command: str) -> str:
        with socket.socket(socket.AF_UNIX) as control:
            control.connect(str(self._folder / "control"))
            control.sendall(command.encode() + b"\n")
            control.shutdown(socket.SHUT_WR)
            with control.makefile() as answer:
                return answer.read()

    def __enter__(self) -> Haproxy:
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()
