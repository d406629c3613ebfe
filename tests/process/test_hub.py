"""Behind a real JupyterHub: whoever stops the server, the last edit is in S3, and a new, empty home gets it back.

The hub has its own process spawner and configurable-http-proxy, and is configured as the operator guide says.
Store: the strict S3.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest
from tornado.httpclient import HTTPRequest
from tornado.ioloop import IOLoop
from tornado.websocket import websocket_connect

from tests.conftest import aws_settings
from tests.jupyter_process import Output
from tests.ports import free_ports
from tests.strict_s3 import StrictS3

pytestmark = [pytest.mark.process, pytest.mark.timeout(600)]

ROOT = Path(__file__).parents[2]
PROXY = (
    Path(__file__).parent / "hub/node_modules/configurable-http-proxy/bin/configurable-http-proxy"
)

USER = "ada"
PLATFORM = "token-of-the-platform-in-a-test"
HOME_PREFIX = f"my-team/notebooks/customer-{USER}/"
PATIENCE = 120
"""Seconds to wait for what takes a few on a machine that is not busy."""

CONFIGURATION = """
c.JupyterHub.bind_url = "http://127.0.0.1:{ports[0]}/hub-of-a-test/"
c.JupyterHub.hub_bind_url = "http://127.0.0.1:{ports[1]}"
c.ConfigurableHTTPProxy.api_url = "http://127.0.0.1:{ports[2]}"
c.ConfigurableHTTPProxy.command = ["node", {proxy!r}]
c.JupyterHub.authenticator_class = "dummy"
c.Authenticator.allowed_users = {{{user!r}}}
c.JupyterHub.spawner_class = "simple"
c.SimpleLocalProcessSpawner.home_dir_template = {homes!r}
# Looking for language servers runs npm, which has nothing to do with us.
c.Spawner.args = ["--allow-root", "--LanguageServerManager.autodetect=False"]
c.Spawner.environment.update({environment!r})
c.Spawner.http_timeout = c.Spawner.start_timeout = {patience}
c.JupyterHub.services = [{{"name": "platform", "api_token": {platform!r}}}]
c.JupyterHub.load_roles = [
    {{"name": "platform", "services": ["platform"], "scopes": ["admin:servers", "access:servers", "read:users"]}}
]
"""


def guide() -> str:
    """What the operator guide puts into jupyterhub_config.py."""
    section = (ROOT / "docs" / "operator.md").read_text().partition("### On JupyterHub")[2]
    found = re.search(r"```python\n(.*?)```", section, re.DOTALL)
    assert found is not None
    return found.group(1)


class Hub:
    """A running JupyterHub with one user, whose server's home is ``home``."""

    def __init__(self, folder: Path, s3: StrictS3) -> None:
        self.home = folder / "homes" / USER
        ports = free_ports(3)
        self.url = f"http://127.0.0.1:{ports[0]}/hub-of-a-test/"
        configuration = folder / "jupyterhub_config.py"
        configuration.write_text(
            guide()
            + CONFIGURATION.format(
                ports=ports,
                proxy=str(PROXY),
                user=USER,
                platform=PLATFORM,
                homes=str(folder / "homes" / "{username}"),
                patience=PATIENCE,
                environment={**aws_settings(s3), "WHEROBOTS_BUCKET": s3.bucket},
            )
        )
        kept = {
            name: value
            for name, value in os.environ.items()
            if not name.startswith(("WHEROBOTS_", "AWS_", "JUPYTER", "USER_", "XDG_"))
        }
        binaries = Path(sys.executable).parent
        self.process = subprocess.Popen(
            [binaries / "jupyterhub", "--config", configuration],
            cwd=folder,
            env={**kept, "PATH": f"{binaries}{os.pathsep}{kept['PATH']}"},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
            errors="backslashreplace",
        )
        assert self.process.stderr is not None
        self.output = Output(self.process.stderr)
        self.platform = httpx.Client(
            base_url=self.url,
            headers={"Authorization": f"token {PLATFORM}"},
            timeout=PATIENCE,
            trust_env=False,
        )

    def log_in(self) -> httpx.Client:
        """A person's browser with the hub's cookies; the hub starts the server of whoever logs in."""
        browser = httpx.Client(
            base_url=self.url, follow_redirects=True, timeout=PATIENCE, trust_env=False
        )
        browser.get("hub/login").raise_for_status()
        token = xsrf(browser, "/hub-of-a-test/hub/")
        form = {"username": USER, "password": "any", "_xsrf": token}
        answer = browser.post("hub/login", data=form)
        assert "/hub/login" not in str(answer.url), answer.text
        return browser

    def spawn(self) -> None:
        """Start the user's server as an administrator does, and wait until the hub calls it ready."""
        answer = self.platform.post(f"hub/api/users/{USER}/server")
        assert answer.status_code in (201, 202), answer.text
        self.wait_for_server()

    def wait_for_server(self) -> None:
        """Until the hub calls the user's server ready."""
        with self.platform.stream("GET", f"hub/api/users/{USER}/server/progress") as events:
            for line in events.iter_lines():
                if line.startswith("data:"):
                    event = json.loads(line.removeprefix("data:"))
                    assert not event.get("failed"), f"{event}\n{self.output.text}"
                    if event.get("ready"):
                        return
        raise AssertionError(self.output.text)

    def stop_server(self) -> None:
        """Stop the user's server as an administrator does, and wait until it is gone."""
        answer = self.platform.delete(f"hub/api/users/{USER}/server")
        assert answer.status_code in (202, 204), answer.text
        until = time.monotonic() + PATIENCE
        while self.platform.get(f"hub/api/users/{USER}").json()["server"] is not None:
            assert time.monotonic() < until, self.output.text
            threading.Event().wait(0.05)

    def server(self, method: str, path: str, body: object = None) -> tuple[int, Any]:
        """Status and JSON of a request of the platform to the user's server."""
        answer = self.platform.request(method, f"user/{USER}/{path}", json=body)
        return answer.status_code, answer.json()

    def run_in_kernel(self, code: str) -> str:
        """What a cell prints, in a kernel of its own, through the hub's proxy."""
        status, kernel = self.server("POST", "api/kernels", {"name": "python3"})
        assert status == 201, kernel
        url = f"{self.url.replace('http', 'ws')}user/{USER}/api/kernels/{kernel['id']}/channels"

        async def run() -> str:
            request = HTTPRequest(url, headers={"Authorization": f"token {PLATFORM}"})
            channels = await websocket_connect(request)
            await channels.write_message(json.dumps(execution(code)))
            printed = ""
            while (message := await channels.read_message()) is not None:
                read = json.loads(message)
                mine = read["parent_header"].get("msg_id") == "run"
                if mine and read["msg_type"] == "stream":
                    printed += read["content"]["text"]
                if mine and read["msg_type"] == "execute_reply":
                    assert read["content"]["status"] == "ok", read
                if mine and read["content"].get("execution_state") == "idle":
                    break
            channels.close()
            return printed

        return str(IOLoop(make_current=False).run_sync(run, timeout=PATIENCE))

    def stop(self) -> int:
        """Stop the hub itself, which stops all servers; the exit code."""
        self.process.send_signal(signal.SIGTERM)
        code = self.process.wait(PATIENCE)
        self.output.join()
        return code

    def clear(self) -> None:
        """End what is still running: gently, so that the hub ends its proxy and servers, or else all of them."""
        self.platform.close()
        if self.process.poll() is None:
            family = psutil.Process(self.process.pid).children(recursive=True)
            self.process.terminate()
            try:
                self.process.wait(PATIENCE)
            except subprocess.TimeoutExpired:
                self.process.kill()
                for each in family:
                    with suppress(psutil.NoSuchProcess):
                        each.kill()
                self.process.wait()
        self.output.join()
        assert self.process.stderr is not None
        self.process.stderr.close()


def execution(code: str) -> dict[str, Any]:
    header = {"msg_id": "run", "msg_type": "execute_request", "username": "", "session": "test"}
    return {
        "header": {**header, "date": "2025-01-01T00:00:00Z", "version": "5.3"},
        "parent_header": {},
        "metadata": {},
        "content": {"code": code, "silent": False, "store_history": False, "allow_stdin": False},
        "buffers": [],
        "channel": "shell",
    }


def xsrf(browser: httpx.Client, path: str) -> str:
    """The token that a page below ``path`` has to send with a form, or as a header."""
    (value,) = {
        str(cookie.value)
        for cookie in browser.cookies.jar
        if cookie.name == "_xsrf" and cookie.path == path
    }
    return value


@contextmanager
def jupyterhub(folder: Path, s3: StrictS3) -> Iterator[Hub]:
    """A hub that is ready; ended with all its children if it is still there."""
    hub = Hub(folder, s3)
    try:
        hub.output.wait_for("JupyterHub is now running", PATIENCE)
        yield hub
    finally:
        hub.clear()


def notebook(text: str) -> dict[str, Any]:
    cell = {"cell_type": "markdown", "id": "one", "metadata": {}, "source": text}
    return {"cells": [cell], "metadata": {}, "nbformat": 4, "nbformat_minor": 5}


def save(browser: httpx.Client, text: str) -> None:
    """Save the notebook as JupyterLab's page does, with the cookies of the server."""
    browser.get(f"user/{USER}/lab").raise_for_status()
    answer = browser.put(
        f"user/{USER}/api/contents/last.ipynb",
        json={"type": "notebook", "format": "json", "content": notebook(text)},
        headers={"X-XSRFToken": xsrf(browser, f"/hub-of-a-test/user/{USER}/")},
    )
    assert answer.status_code in (200, 201), answer.text


def saved(s3: StrictS3) -> dict[str, bytes]:
    """The user's files in S3, by their path in home."""
    found = s3.contents(HOME_PREFIX)
    return {key.removeprefix(HOME_PREFIX): body for key, body in found.items()}


def test_whoever_stops_the_server_the_last_edit_survives_in_a_new_home(
    strict_s3: StrictS3, tmp_path: Path
) -> None:
    with jupyterhub(tmp_path, strict_s3) as hub:
        browser = hub.log_in()
        hub.wait_for_server()

        # The API answers below the server's own prefix, and kernels know the storage.
        status, sync = hub.server("GET", "wherobots/sync")
        assert (status, sync["restored"]) == (200, True)
        printed = hub.run_in_kernel(
            "import atexit, os, pathlib\n"
            "kept = pathlib.Path.home() / 'at-exit.txt'\n"
            "atexit.register(lambda: kept.write_text('by the kernel, after the signal'))\n"
            "print(os.environ['USER_S3_PATH'])"
        )
        assert printed.strip() == f"s3://{strict_s3.bucket}/my-team/data/customer-{USER}/"

        # The command line, in a kernel or a terminal, is let in by the hub's token; home may not be saved yet.
        code, said = hub.run_in_kernel(
            "import subprocess\n"
            "told = subprocess.run(['jupyter', 'wherobots', 'status'], capture_output=True, text=True)\n"
            "print(told.returncode, told.stdout + told.stderr)"
        ).split(" ", 1)
        assert f"s3://{strict_s3.bucket}/my-team/, user {USER}" in said, said
        assert code in ("0", "3"), said

        # The hub's API stops the user's server.
        save(browser, "written right before the server was stopped")
        hub.stop_server()
        before = (hub.home / "last.ipynb").read_bytes()
        assert b"right before the server was stopped" in before
        assert saved(strict_s3)["last.ipynb"] == before
        assert saved(strict_s3)["at-exit.txt"] == b"by the kernel, after the signal"

        # A new server finds it in a home that was empty; then the hub itself is stopped.
        shutil.rmtree(hub.home)
        hub.spawn()
        assert (hub.home / "last.ipynb").read_bytes() == before
        save(browser, "written right before the hub was stopped")
        browser.close()
        assert hub.stop() == 0
        last = (hub.home / "last.ipynb").read_bytes()
        assert b"right before the hub was stopped" in last
        assert saved(strict_s3)["last.ipynb"] == last

    shutil.rmtree(hub.home)
    with jupyterhub(tmp_path, strict_s3) as hub:
        hub.spawn()
        assert (hub.home / "last.ipynb").read_bytes() == last
        status, sync = hub.server("GET", "wherobots/sync")
        assert (status, sync["restored"], sync["conflicts"]) == (200, True, [])
