"""JupyterLab of the demo, as a child process whose settings, runtime files and home are its own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import urllib.request
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from urllib.error import HTTPError
from urllib.parse import quote

from ..errors import InvalidRequest, WherobotsError
from ..layout import Place

_NOT_INHERITED = ("AWS_", "JPY_", "JUPYTER", "USER_S3_", "USER_WAREHOUSE_", "WHEROBOTS_", "XDG_")
"""Variables of the person's own that would reach into the demo begin so (``AWS_`` ones come back as set for the demo)."""


@dataclass(frozen=True)
class Folders:
    """Where one demo keeps what is not in S3. ``base`` is temporary; ``home`` may be the person's."""

    base: Path
    home: Path

    @property
    def log(self) -> Path:
        """Where JupyterLab writes what it has to say."""
        return self.base / "jupyterlab.log"

    @property
    def state(self) -> Path:
        """Where the mirror keeps its journal of a home that lasts."""
        return self.home / ".local/state/jupyter-wherobots"

    @property
    def runtime(self) -> Path:
        """Jupyter's runtime directory, in which the server says where it listens."""
        return self.base / "jupyter" / "runtime"

    def prepare(self) -> None:
        """Make the directories, and settings that keep JupyterLab from asking and from looking for news.

        Raises InvalidRequest if home cannot be used.
        """
        try:
            self.home.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise InvalidRequest(
                f"The home directory {self.home} cannot be used: {error.strerror}.",
                hint="Name another with --home, or leave it out for a temporary one.",
            ) from error
        self.runtime.mkdir(parents=True, mode=0o700)
        settings = self.base / "jupyter/config/lab/user-settings/@jupyterlab/apputils-extension"
        settings.mkdir(parents=True)
        (settings / "notification.jupyterlab-settings").write_text(
            json.dumps({"fetchNews": "false", "checkForUpdates": False})
        )


def environment(
    parent: Mapping[str, str],
    s3: Mapping[str, str | None],
    place: Place,
    folders: Folders,
    token: str,
    *,
    own_state: bool,
) -> dict[str, str]:
    """The environment of the lab. With ``own_state`` the mirror's journal is the demo's, as for an S3 that is new each time."""
    values = {
        name: value
        for name, value in parent.items()
        if not name.startswith(_NOT_INHERITED) or (name.startswith("AWS_") and name not in s3)
    }
    values |= {name: value for name, value in s3.items() if value is not None}
    jupyter = folders.base / "jupyter"
    values |= {
        "HOME": str(folders.home),
        "JUPYTER_CONFIG_DIR": str(jupyter / "config"),
        "JUPYTER_DATA_DIR": str(jupyter / "data"),
        "JUPYTER_RUNTIME_DIR": str(folders.runtime),
        "JUPYTER_TOKEN": token,
        # So that `jupyter wherobots …` in a terminal is this one.
        "PATH": os.pathsep.join([str(Path(sys.executable).parent), parent.get("PATH", os.defpath)]),
        "WHEROBOTS_BUCKET": place.bucket,
        "WHEROBOTS_ORGANIZATION": place.organization,
        "WHEROBOTS_USER": place.user,
        "WHEROBOTS_LAYOUT": "2024",
        "WHEROBOTS_HOME": str(folders.home),
        "WHEROBOTS_HOME_PERSISTENCE": "sync",
        # Language servers run npm, which would write its log into home at any moment, even after the final pass.
        "NPM_CONFIG_CACHE": str(folders.base / "npm"),
    }
    values["WHEROBOTS_STATE"] = str(folders.base / "state" if own_state else folders.state)
    return values


def command(folders: Folders, port: int | None) -> list[str]:
    """How the lab is started. Without a port it takes Jupyter's usual one, or the next that is free."""
    arguments = [
        "--ServerApp.ip=127.0.0.1",
        "--ServerApp.open_browser=False",
        f"--ServerApp.root_dir={folders.home}",
    ]
    if port is not None:
        arguments += [f"--ServerApp.port={port}", "--ServerApp.port_retries=0"]
    if os.geteuid() == 0:
        arguments.append("--ServerApp.allow_root=True")
    child = "jupyter_wherobots.demo.lab_process"
    return [sys.executable, "-m", child, str(os.getpid()), *arguments]


class Lab:
    """A running JupyterLab."""

    def __init__(self, process: subprocess.Popen[bytes], folders: Folders, token: str) -> None:
        self.process = process
        self._folders = folders
        self._token = token
        # No proxy between us and 127.0.0.1, whatever the environment says.
        self._opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))

    @classmethod
    def start(
        cls, folders: Folders, environ: Mapping[str, str], token: str, port: int | None
    ) -> Lab:
        """Start it. In a session of its own, so that Ctrl-C reaches it through us alone."""
        with folders.log.open("wb") as log:
            process = subprocess.Popen(
                command(folders, port),
                cwd=folders.home,
                env=dict(environ),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        return cls(process, folders, token)

    def ready(self) -> str | None:
        """Its base URL once it answers, else None. Raises WherobotsError if it has ended or lacks our extension."""
        if self.process.poll() is not None:
            raise WherobotsError(
                f"JupyterLab ended (code {self.process.returncode}) before it was ready:\n{self.last_words()}",
                hint=f"Its whole log: {self._folders.log}",
            )
        url = self._announced()
        return url if url is not None and self._answers(url) else None

    def _announced(self) -> str | None:
        for file in self._folders.runtime.glob("jpserver-*.json"):
            with suppress(ValueError, KeyError):  # seen while it is being written
                return str(json.loads(file.read_text())["url"])
        return None

    def _answers(self, url: str) -> bool:
        request = urllib.request.Request(
            f"{url}wherobots/status", headers={"Authorization": f"token {self._token}"}
        )
        try:
            with self._opener.open(request, timeout=5):
                return True
        except HTTPError as error:
            if error.code == 404:
                raise WherobotsError(
                    "JupyterLab runs, but without the server extension jupyter_wherobots.",
                    hint=f"`jupyter server extension list` and its log say why: {self._folders.log}",
                ) from error
            return False
        except OSError:
            return False

    def address(self, url: str, path: str = "lab") -> str:
        """A link that logs in."""
        return f"{url}{path}?token={quote(self._token, safe='')}"

    def last_words(self, lines: int = 15) -> str:
        """The end of its log."""
        text = self._folders.log.read_text(errors="replace")
        return "\n".join(text.splitlines()[-lines:])
