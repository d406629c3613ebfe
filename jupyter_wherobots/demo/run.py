"""The order of events of the demo: S3, bucket, home, JupyterLab; wait; save, compare, say so."""

from __future__ import annotations

import os
import secrets
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
import time
import webbrowser
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import InvalidRequest, WherobotsError
from ..layout import Layout, LayoutName, Place
from ..signals import Signals
from .bucket import embedded_s3, fill, s3_environment
from .evidence import compare
from .lab import Folders, Lab, environment
from .narrator import Ended, Narrator, Ready
from .samples import PLACE, first_samples, samples

if TYPE_CHECKING:
    from ..s3.client import S3

_START = 90.0
"""Seconds that JupyterLab may take to answer; a cold disk on a small machine took 30."""

_STOP = 60.0
"""Seconds that JupyterLab may take to stop: its final synchronisation is bounded by 25; kernels and server add a few."""

_AWS_FILES = ("AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE")

_IMPATIENT = 3
"""The so-many-th signal ends JupyterLab at once, saved or not."""


@dataclass(frozen=True)
class Options:
    """What the command line says. ``home`` None: a temporary one. ``endpoint_url`` None: the embedded S3."""

    browser: bool = True
    port: int | None = None
    token: str | None = None
    home: Path | None = None
    endpoint_url: str | None = None
    bucket: str | None = None
    keep_s3: bool = False


class _Stopped(Exception):
    """A signal came before everything was up."""


def run(options: Options, narrator: Narrator) -> Ended | None:
    """Run the demo until it is stopped. None: it was stopped before it was up.

    Main thread only: signals are its business. Raises WherobotsError if it cannot start.
    """
    if options.port is not None:
        _require_free(options.port)
    place = replace(PLACE, bucket=options.bucket or PLACE.bucket)
    if problems := Place.problems(place.bucket, place.organization, place.user):
        raise InvalidRequest(f"{problems[0].message}.")
    with ExitStack() as stack:
        signals = stack.enter_context(Signals())
        demo = _Demo(options, narrator, signals, place, stack)
        try:
            lab = demo.start()
        except _Stopped:
            return None
        except WherobotsError:
            demo.kept.add(demo.folders.log)  # what was raised may name it
            raise
        demo.wait(lab)
        ended = demo.finish()
        if options.keep_s3:
            demo.serve_on()
        return ended


class _Demo:
    def __init__(
        self,
        options: Options,
        narrator: Narrator,
        signals: Signals,
        place: Place,
        stack: ExitStack,
    ) -> None:
        self.options = options
        self.narrator = narrator
        self.signals = signals
        self.place = place
        self.layout = Layout(place, LayoutName.V2024)
        base = Path(tempfile.mkdtemp(prefix="jupyter-wherobots-demo-"))
        self.folders = Folders(base, options.home or base / "home")
        self.kept: set[Path] = set()
        """What of the temporary folder stays when the demo ends."""
        stack.callback(_clean, base, self.kept)
        self.endpoint = options.endpoint_url or stack.enter_context(embedded_s3())
        self._stack = stack
        self.s3: S3

    def start(self) -> Lab:
        """Everything up to the moment in which it answers. Raises _Stopped and WherobotsError."""
        from ..s3.bucket import ensure_bucket
        from ..s3.client import S3

        embedded = self.options.endpoint_url is None
        self.folders.prepare()
        self.narrator.starting("Starting JupyterLab and filling the bucket …")
        parent = dict(os.environ)
        values = s3_environment(parent, self.endpoint, embedded=embedded)
        # boto3 in this process is configured as everywhere, by the environment; the lab finds its files in its own home.
        _set(values | (dict.fromkeys(_AWS_FILES, os.devnull) if embedded else {}))
        self.s3 = S3(self.place.bucket)
        self._stack.callback(self.s3.close)
        ensure_bucket(self.s3)
        first = list(first_samples(self.place))
        for error in fill(self.s3, first, self._stopped):
            raise error  # plain names: an S3 that refuses these takes nothing
        self._check()
        token = self.options.token or secrets.token_hex(16)
        environ = environment(parent, values, self.place, self.folders, token, own_state=embedded)
        lab = Lab.start(self.folders, environ, token, self.options.port)
        self._stack.callback(_end, lab)
        rest = list(samples(self.place))
        refused = fill(self.s3, rest, self._stopped)
        url = self._wait_ready(lab)
        ready = Ready(
            url=lab.address(url),
            token=token,
            pid=os.getpid(),
            lab_pid=lab.process.pid,
            endpoint=self.endpoint,
            embedded=embedded,
            place=self.place,
            home=self.folders.home,
            temporary_home=self.options.home is None,
            log=self.folders.log,
            objects=len(first) + len(rest) - len(refused),
            refused=refused,
        )
        self.narrator.ready(ready)
        if self.options.browser:
            _open(lab.address(url, "lab/tree/Welcome.ipynb"))
        return lab

    def _wait_ready(self, lab: Lab) -> str:
        until = time.monotonic() + _START
        while (url := lab.ready()) is None:
            self._check()
            if time.monotonic() > until:
                raise WherobotsError(
                    f"JupyterLab did not answer within {_START:g} seconds:\n{lab.last_words()}"
                )
            self.signals.wait(0.1)
        self._check()
        return url

    def _stopped(self) -> bool:
        return self.signals.stops > 0

    def _check(self) -> None:
        if self._stopped():
            raise _Stopped

    def wait(self, lab: Lab) -> None:
        """Until JupyterLab has ended, by itself or because a signal came here and was passed on."""
        told = 0
        until: float | None = None
        while lab.process.poll() is None:
            if self.signals.stops > told:
                told = self.signals.stops
                if until is None:
                    until = time.monotonic() + _STOP
                    lab.process.terminate()
                    self.narrator.stopping("Stopping JupyterLab, which saves home once more …")
                elif told >= _IMPATIENT:
                    lab.process.kill()
                else:
                    self.narrator.stopping("Still saving; once more gives up on it.")
            if until is None:
                self.signals.wait()
                continue
            left = until - time.monotonic()
            if left <= 0:
                self.narrator.stopping(
                    f"JupyterLab did not stop within {_STOP:g} seconds; killing it."
                )
                lab.process.kill()
            self.signals.wait(max(left, 0.1))

    def finish(self) -> Ended:
        """Compare home with the bucket, and say so. A temporary home that is not in the bucket in full is not removed."""
        home = self.folders.home
        try:
            evidence = compare(self.s3, self.layout.home_prefix, home, self.folders.state)
            error = None
        except WherobotsError as failure:
            evidence, error = None, failure
        if evidence is None or not evidence.complete:
            self.kept |= {home, self.folders.log}
        stays = home in self.kept or self.options.home is not None
        uri = self.layout.uri(self.layout.home_path)
        ended = Ended(evidence, error, home, uri, stays)
        self.narrator.ended(ended)
        return ended

    def serve_on(self) -> None:
        """Keep S3 and home until a further signal, or Enter."""
        before = self.signals.stops
        keyboard = sys.stdin is not None and sys.stdin.isatty()
        self.narrator.serving(self.endpoint, keyboard=keyboard)
        while self.signals.stops == before and not self.signals.wait(keyboard=keyboard):
            pass


def _clean(base: Path, kept: set[Path]) -> None:
    for entry in base.iterdir():
        if entry not in kept:
            shutil.rmtree(entry, ignore_errors=True) if entry.is_dir() else entry.unlink()
    if not any(base.iterdir()):
        base.rmdir()


def _end(lab: Lab) -> None:
    """Leave no JupyterLab behind when the demo could not start."""
    if lab.process.poll() is None:
        lab.process.terminate()
        try:
            lab.process.wait(10)
        except subprocess.TimeoutExpired:
            lab.process.kill()
            lab.process.wait()


def _set(values: dict[str, str | None]) -> None:
    for name, value in values.items():
        if value is None:
            os.environ.pop(name, None)
        else:
            os.environ[name] = value


def _require_free(port: int) -> None:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError as error:
            raise InvalidRequest(
                f"Port {port} of 127.0.0.1 cannot be used: {error.strerror}.",
                hint="Choose another with --port, or leave it out.",
            ) from error


def _open(url: str) -> None:
    # In a thread: a text browser would hold us until it is left.
    threading.Thread(target=webbrowser.open, args=(url,), daemon=True).start()
