"""The demo as people and machines start it: it answers, it is filled, and at the end home is in the bucket.

Stores: moto in the process, strict S3.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import boto3
import nbformat
import psutil
import pytest

from tests.conftest import ACCESS_KEY, REGION, SECRET_KEY
from tests.jupyter_process import Output
from tests.strict_s3 import StrictS3

pytestmark = pytest.mark.process

HOME = "acmegeo/notebooks/customer-ada/"
OWN = "acmegeo/data/customer-ada/"


class Demo:
    """A demo in a process of its own; ``said`` is its stdout, ``complained`` its stderr."""

    def __init__(self, folder: Path, *arguments: str, **environment: str) -> None:
        folder.mkdir(exist_ok=True)
        kept = {
            name: value
            for name, value in os.environ.items()
            if not name.startswith(("AWS_", "JUPYTER", "WHEROBOTS_"))
        }
        self.temporary = folder / "tmp"
        self.temporary.mkdir()
        environ = {**kept, "HOME": str(folder), "TMPDIR": str(self.temporary), **environment}
        # As in a shell of somebody who has settings of his own: none of them may matter.
        environ |= {"JUPYTER_TOKEN": "theirs", "WHEROBOTS_HOME_PERSISTENCE": "off"}
        program = Path(sys.executable).with_name("jupyter-wherobots")
        self.process = subprocess.Popen(
            [str(program), "demo", "--no-browser", *arguments],
            env=environ,
            cwd=folder,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        assert self.process.stdout is not None
        assert self.process.stderr is not None
        self.said = Output(self.process.stdout)
        self.complained = Output(self.process.stderr)

    def event(self, name: str) -> dict[str, Any]:
        """The line of JSON with this event, once it is there."""
        line = self.said.wait_for(rf'^{{"event": "{name}".*').group()
        event: dict[str, Any] = json.loads(line)
        return event

    def wait(self) -> int:
        """The exit code, at the end."""
        code = self.process.wait(90)
        self.said.join()
        self.complained.join()
        return code

    def stop(self) -> int:
        """SIGTERM, and the exit code."""
        self.process.terminate()
        return self.wait()


@contextmanager
def demo(folder: Path, *arguments: str, **environment: str) -> Iterator[Demo]:
    running = Demo(folder, *arguments, **environment)
    try:
        yield running
    finally:
        if running.process.poll() is None:
            # With --keep-s3 one signal is not enough; JupyterLab ends with the demo that is killed.
            running.process.kill()
            running.wait()
        for stream in (running.process.stdout, running.process.stderr):
            assert stream is not None
            stream.close()


class Bucket:
    """The demo's bucket, as any program opens it."""

    def __init__(self, ready: Mapping[str, Any]) -> None:
        self.name = ready["bucket"]
        self.client = boto3.client(
            "s3",
            endpoint_url=ready["endpoint"],
            region_name=REGION,
            aws_access_key_id=ACCESS_KEY,
            aws_secret_access_key=SECRET_KEY,
        )

    def keys(self, prefix: str) -> list[str]:
        pages = self.client.get_paginator("list_objects_v2").paginate(
            Bucket=self.name, Prefix=prefix
        )
        return [found["Key"] for page in pages for found in page.get("Contents", ())]

    def contents(self, prefix: str) -> dict[str, bytes]:
        """Name below the prefix -> bytes."""
        return {
            key[len(prefix) :]: self.client.get_object(Bucket=self.name, Key=key)["Body"].read()
            for key in self.keys(prefix)
        }


def request(ready: Mapping[str, Any], path: str, method: str = "GET", body: object = None) -> Any:
    base = ready["url"].partition("lab?")[0]
    asked = urllib.request.Request(
        base + path,
        method=method,
        data=None if body is None else json.dumps(body).encode(),
        headers={"Authorization": f"token {ready['token']}"},
    )
    with urllib.request.urlopen(asked, timeout=30) as answer:
        return json.load(answer)


def free_port() -> int:
    import socket

    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def test_it_prints_its_url_answers_there_and_saves_home_at_sigterm(tmp_path: Path) -> None:
    port = free_port()
    with demo(tmp_path, "--port", str(port), "--token", "T") as running:
        url = running.said.wait_for(r"http://127\.0\.0\.1:\S+").group()
        assert url == f"http://127.0.0.1:{port}/lab?token=T"
        running.said.wait_for("Ctrl-C")
        with urllib.request.urlopen(url) as page:
            assert page.status == 200
        assert running.stop() == 0, running.said.text + running.complained.text
        assert "Home is in the bucket: " in running.said.text
        assert running.complained.text == ""
    assert list(running.temporary.iterdir()) == []


def test_the_bucket_can_be_inspected_while_it_runs_and_after_the_lab_has_ended(
    tmp_path: Path,
) -> None:
    with demo(tmp_path, "--json", "--keep-s3") as running:
        ready = running.event("ready")
        bucket = Bucket(ready)
        assert len(bucket.keys(OWN)) > 2500
        home = Path(ready["home"])
        assert (home / "Welcome.ipynb").read_bytes() == bucket.contents(HOME)["Welcome.ipynb"]

        outputs = run_notebook(ready, home / "Welcome.ipynb")
        assert f"s3://{ready['bucket']}/{OWN}" in outputs
        assert bucket.contents(f"{OWN}results/")["swings.csv"].startswith(b"city,swing_celsius")

        # The very last moment: nothing but the final pass can have seen this.
        request(
            ready,
            "api/contents/late.txt",
            "PUT",
            {"type": "file", "format": "text", "content": "x"},
        )
        os.kill(ready["lab_pid"], signal.SIGTERM)
        ended = running.event("ended")
        assert ended["saved"], ended
        assert (ended["missing"], ended["different"]) == ([], [])
        left_out = tuple(ended["leftOut"])
        mirrored = {
            str(path.relative_to(home)): path.read_bytes()
            for path in home.rglob("*")
            if path.is_file() and not path.is_symlink()
            if not str(path.relative_to(home)).startswith(left_out)
        }
        assert ended["files"] == len(mirrored)
        remote = bucket.contents(HOME)
        assert {"Welcome.ipynb", "late.txt", "notes/ideas.md"} <= set(mirrored)
        assert {name: remote[name] for name in mirrored} == mirrored
        assert running.process.poll() is None
        running.process.send_signal(signal.SIGINT)
        assert running.wait() == 0, running.complained.text
    assert list(running.temporary.iterdir()) == []


def run_notebook(ready: Mapping[str, Any], notebook: Path) -> str:
    """Run all cells as a kernel of the lab would, and give what they print."""
    with open(f"/proc/{ready['lab_pid']}/environ", encoding="utf-8") as opened:
        environ = dict(line.partition("=")[::2] for line in opened.read().split("\0") if line)
    environ |= request(ready, "wherobots/status")["environment"]
    command = [sys.executable, "-m", "nbconvert", "--to", "notebook", "--execute", "--stdout"]
    done = subprocess.run(
        [*command, str(notebook)], env=environ, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    cells = nbformat.reads(done.stdout, as_version=4).cells  # type: ignore[no-untyped-call]
    return json.dumps([cell.get("outputs") for cell in cells])


def test_another_s3_gets_its_bucket_and_keeps_everything(
    tmp_path: Path, strict_s3: StrictS3
) -> None:
    home = tmp_path / "my home"
    options = ["--endpoint-url", strict_s3.url, "--bucket", "demo-bucket", "--home", str(home)]
    keys = {"AWS_ACCESS_KEY_ID": ACCESS_KEY, "AWS_SECRET_ACCESS_KEY": SECRET_KEY}
    with demo(tmp_path / "demo", "--json", *options, **keys) as running:
        ready = running.event("ready")
        assert (ready["endpoint"], ready["refused"]) == (strict_s3.url, [])
        (home / "mine.txt").write_text("mine")
        assert running.stop() == 0, running.said.text + running.complained.text
        assert running.event("ended")["home"] == str(home)
    remote = Bucket(ready).contents(HOME)
    assert remote["mine.txt"] == b"mine"
    assert remote["Welcome.ipynb"] == (home / "Welcome.ipynb").read_bytes()


def test_a_signal_while_it_starts_ends_it_at_once(tmp_path: Path) -> None:
    with demo(tmp_path) as running:
        running.said.wait_for("Starting JupyterLab")
        assert running.stop() == 0, running.said.text + running.complained.text
        assert running.complained.text == ""
    assert list(running.temporary.iterdir()) == []


def test_a_demo_that_is_killed_leaves_no_jupyterlab_behind(tmp_path: Path) -> None:
    with demo(tmp_path, "--json") as running:
        lab = psutil.Process(running.event("ready")["lab_pid"])
        running.process.kill()
        running.wait()
        _, alive = psutil.wait_procs([lab], timeout=60)
        assert not alive


def test_a_port_that_is_taken_is_said_at_once(tmp_path: Path) -> None:
    import socket

    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with demo(tmp_path, "--port", str(port)) as running:
            assert running.wait() == 2
            assert f"Port {port}" in running.complained.text
            assert "--port" in running.complained.text
