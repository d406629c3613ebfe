"""A real Jupyter server (or JupyterLab) as its own process, for tests that need real signals, kernels and pages."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import IO, Any

TOKEN = "token-of-a-test"


class Output:
    """What a process writes, line by line, with a way to wait for a line instead of sleeping."""

    def __init__(self, stream: IO[str]) -> None:
        self.lines: list[str] = []
        self._news = threading.Condition()
        self._ended = False
        self._thread = threading.Thread(target=self._read, args=(stream,), daemon=True)
        self._thread.start()

    def _read(self, stream: IO[str]) -> None:
        for line in stream:
            with self._news:
                self.lines.append(line.rstrip("\n"))
                self._news.notify_all()
        with self._news:
            self._ended = True
            self._news.notify_all()

    @property
    def text(self) -> str:
        """All of it so far."""
        return "\n".join(self.lines)

    def wait_for(self, pattern: str, timeout: float = 60) -> re.Match[str]:
        """The first line that matches; raises AssertionError with all output if none comes."""
        until = time.monotonic() + timeout
        seen = 0
        with self._news:
            while True:
                for line in self.lines[seen:]:
                    if found := re.search(pattern, line):
                        return found
                seen = len(self.lines)
                left = until - time.monotonic()
                if self._ended or left <= 0:
                    raise AssertionError(f"no line matches {pattern!r}:\n{self.text}")
                self._news.wait(left)

    def join(self) -> None:
        """Wait until the process has closed its end."""
        self._thread.join(10)


class JupyterProcess:
    """A server with its own home, configuration and runtime directories, on a free port of 127.0.0.1 (or the one given)."""

    def __init__(
        self,
        folder: Path,
        environment: Mapping[str, str],
        *,
        app: str = "server",
        arguments: Sequence[str] = (),
        home: Path | None = None,
        port: int = 0,
        python: str = sys.executable,
    ) -> None:
        self.home = home or folder / "home"
        self.home.mkdir(parents=True, exist_ok=True)
        kept = {
            name: value
            for name, value in os.environ.items()
            if not name.startswith(("WHEROBOTS_", "AWS_", "JUPYTER", "USER_", "XDG_"))
        }
        self.environment = {
            **kept,
            "PATH": f"{Path(python).parent}{os.pathsep}{kept['PATH']}",
            "HOME": str(self.home),
            "JUPYTER_CONFIG_DIR": str(folder / "config"),
            "JUPYTER_DATA_DIR": str(folder / "data"),
            "JUPYTER_RUNTIME_DIR": str(folder / "runtime"),
            "IPYTHONDIR": str(folder / "ipython"),
            "XDG_STATE_HOME": str(folder / "state"),
            "PYTHONUNBUFFERED": "1",
            "SHELL": "/bin/bash",
            **environment,
        }
        command = [python, "-m", "jupyter", app, "--no-browser", "--allow-root"]
        command += ["--ip=127.0.0.1", f"--port={port}", f"--IdentityProvider.token={TOKEN}"]
        command += [f"--ServerApp.root_dir={self.home}", *arguments]
        self.process = subprocess.Popen(
            command,
            env=self.environment,
            cwd=self.home,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
            errors="backslashreplace",
        )
        assert self.process.stderr is not None
        self.output = Output(self.process.stderr)
        self.url = ""

    def wait_until_ready(self, timeout: float = 90) -> None:
        """Until the server says where it listens, and answers there."""
        self.url = self.output.wait_for(
            r"(http://127\.0\.0\.1:\d+/\S*?)(?:lab|tree)?\?token=", timeout
        ).group(1)
        # The line comes a moment before the port listens.
        until = time.monotonic() + 10
        while not self._answers():
            assert time.monotonic() < until, self.output.text
            threading.Event().wait(0.02)

    def _answers(self) -> bool:
        try:
            return self.request("GET", "api/status")[0] == 200
        except urllib.error.URLError:
            return False

    def request(
        self, method: str, path: str, body: object = None, *, timeout: float = 60
    ) -> tuple[int, Any]:
        """Status and JSON (or bytes) of an authenticated request; ``path`` is relative to the base URL."""
        request = urllib.request.Request(self.url + path, method=method)
        request.add_header("Authorization", f"token {TOKEN}")
        data = None if body is None else json.dumps(body).encode()
        try:
            with urllib.request.urlopen(request, data, timeout=timeout) as response:
                status, raw = response.status, response.read()
        except urllib.error.HTTPError as error:
            with error:
                status, raw = error.code, error.read()
        try:
            return status, json.loads(raw)
        except ValueError:
            return status, raw

    def stop(self, sig: signal.Signals = signal.SIGTERM, timeout: float = 60) -> int:
        """Send a signal and wait for the end; the exit code."""
        self.process.send_signal(sig)
        return self.wait(timeout)

    def wait(self, timeout: float = 60) -> int:
        """Wait for the end of the process; the exit code."""
        code = self.process.wait(timeout)
        self.output.join()
        return code

    def __enter__(self) -> JupyterProcess:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait(10)
        assert self.process.stderr is not None
        self.output.join()
        self.process.stderr.close()


@contextmanager
def jupyter(
    folder: Path,
    environment: Mapping[str, str],
    *,
    app: str = "server",
    arguments: Sequence[str] = (),
    home: Path | None = None,
    port: int = 0,
    python: str = sys.executable,
) -> Iterator[JupyterProcess]:
    """A server that is ready; killed at the end if it is still there."""
    with JupyterProcess(
        folder, environment, app=app, arguments=arguments, home=home, port=port, python=python
    ) as server:
        server.wait_until_ready()
        yield server
