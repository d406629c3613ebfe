"""The storage commands as processes: signals, pipes, a terminal, memory; and the examples of the REST page.

Stores: strict S3, `rclone serve s3` for what is large.
"""

from __future__ import annotations

import hashlib
import json
import os
import pty
import re
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.commanded import Point, pointing
from tests.conftest import S3Environment, Server
from tests.jupyter_process import TOKEN, jupyter
from tests.strict_s3 import Fault, StrictS3

pytestmark = pytest.mark.process

PROGRAM = str(Path(sys.executable).with_name("jupyter-wherobots"))
DOCS = Path(__file__).parents[2] / "docs"
SHARED = "org/data/shared/"
MIB = 1024 * 1024

Start = Callable[..., "subprocess.Popen[bytes]"]


@pytest.fixture
def place(s3_env: S3Environment, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Point:
    return pointing(s3_env, monkeypatch, tmp_path)


@pytest.fixture
def start(place: Point, strict_s3: StrictS3, request: pytest.FixtureRequest) -> Start:
    """Starts a command on the strict S3; ended with the test."""
    place(strict_s3)

    def run(*arguments: str, **keywords: Any) -> subprocess.Popen[bytes]:
        pipes = dict.fromkeys(("stdin", "stdout", "stderr"), subprocess.PIPE)
        process = subprocess.Popen([PROGRAM, *arguments], **{**pipes, **keywords})

        def end() -> None:
            process.kill()
            process.wait()
            for stream in (process.stdin, process.stdout, process.stderr):
                if stream is not None:
                    stream.close()

        request.addfinalizer(end)
        return process

    return run


def until(true: Callable[[], object]) -> None:
    """Wait for what no event tells of."""
    end = time.monotonic() + 30
    while not true():
        assert time.monotonic() < end
        threading.Event().wait(0.01)


# -- signals ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(("sent", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_an_upload_that_is_stopped_leaves_nothing_in_s3(
    sent: signal.Signals, code: int, start: Start, strict_s3: StrictS3, tmp_path: Path
) -> None:
    Path("large").write_bytes(os.urandom(64 * MIB))
    Path("small").write_bytes(b"x")
    with strict_s3.gate("UploadPart") as gate:
        upload = start("cp", "small", "large", f"wb:/{SHARED[4:]}", "--json")
        gate.wait_for_arrivals(2)
        strict_s3.wait_for("PutObject")
        assert len(strict_s3.uploads()) == 1
        upload.send_signal(sent)
        out, err = upload.communicate(timeout=30)
    assert upload.returncode == code, err
    assert strict_s3.uploads() == []
    assert strict_s3.contents() == {f"{SHARED}small": b"x"}
    assert b"Traceback" not in err
    states = {each["source"]: each["state"] for each in map(json.loads, out.splitlines())}
    assert states == {"small": "done", "large": "cancelled"}
    assert list((tmp_path / "state").rglob("*.json")) == []  # nothing is left for a janitor


def test_a_download_that_is_stopped_leaves_no_file(start: Start, strict_s3: StrictS3) -> None:
    strict_s3.put(f"{SHARED}x", os.urandom(10 * MIB))
    Path("x").write_bytes(b"old")
    strict_s3.fail("GetObject", Fault.SLOW_BODY, seconds=60)
    replace = ("--on-conflict", "replace")
    download = start("cp", f"wb:/{SHARED[4:]}x", ".", *replace)
    until(
        lambda: any(path.name.startswith(".~") and path.stat().st_size for path in Path().iterdir())
    )
    began = time.monotonic()
    download.send_signal(signal.SIGINT)
    _, err = download.communicate(timeout=30)
    assert (download.returncode, err) == (130, b"Stopped.\n")
    assert time.monotonic() - began < 10  # the rest of the body is still on its way
    assert {path.name: path.read_bytes() for path in Path().iterdir()} == {"x": b"old"}


def test_a_copy_that_is_stopped_leaves_whole_objects(start: Start, strict_s3: StrictS3) -> None:
    strict_s3.put_many({f"{SHARED}f/{number:03}": b"x" * 10 for number in range(100)})
    with strict_s3.gate("CopyObject", key=f"{SHARED}g/05*") as gate:
        copy = start("cp", "-r", f"wb:/{SHARED[4:]}f", f"wb:/{SHARED[4:]}g")
        gate.wait_for_arrivals()
        copy.send_signal(signal.SIGINT)
        assert copy.stderr is not None
        assert copy.stderr.readline() == "Stopping; Ctrl-C again leaves at once …\n".encode()
        gate.release()
        assert copy.wait(30) == 130
    copied = strict_s3.contents(f"{SHARED}g/")
    assert 0 < len(copied) < 100
    assert set(copied.values()) == {b"x" * 10}


def test_a_reader_that_waits_does_not_hold_ctrl_c_up(start: Start, strict_s3: StrictS3) -> None:
    strict_s3.put_synthetic(f"{SHARED}x", 100 * MIB)
    cat = start("cat", f"wb:/{SHARED[4:]}x")
    assert cat.stdout is not None
    assert len(cat.stdout.read(1000)) == 1000
    cat.send_signal(signal.SIGINT)
    assert cat.wait(30) == 130
    assert cat.stderr is not None
    assert cat.stderr.read() == b"Stopped.\n"


# -- pipes -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("size", [0, 1, 20 * MIB + 1])
def test_bytes_go_through_standard_input_and_output(
    size: int, start: Start, strict_s3: StrictS3
) -> None:
    body = os.urandom(size)
    path = f"wb:/{SHARED[4:]}a b+%.bin"
    upload = start("cp", "-", path, "--json")
    out, err = upload.communicate(body, timeout=60)
    assert upload.returncode == 0, err
    told = {"source": "-", "target": path, "state": "done", "objects": 1, "bytes": size}
    assert json.loads(out) == {**told, "errors": [], "errorCount": 0}
    assert hashlib.sha256(strict_s3.body(f"{SHARED}a b+%.bin")).digest() == (
        hashlib.sha256(body).digest()
    )
    download = start("cp", path, "-")
    out, err = download.communicate(timeout=60)
    assert (download.returncode, err) == (0, b"")
    assert hashlib.sha256(out).digest() == hashlib.sha256(body).digest()
    assert list(Path().iterdir()) == []


def test_what_is_refused_is_refused_before_standard_input_is_read(
    start: Start, strict_s3: StrictS3
) -> None:
    strict_s3.put(f"{SHARED}x", b"old")
    for target, code, words in (
        ("/data/shared/x", 1, b"--on-conflict replace"),
        ("/data/new", 1, b"/data/ is read-only"),
        ("/spark-logs/x", 2, b"Add --yes"),
    ):
        upload = start("cp", "-", f"wb:{target}")
        # Its standard input stays open: it must not wait for the end of it.
        assert upload.wait(30) == code
        assert upload.stderr is not None
        assert words in upload.stderr.read()
    assert strict_s3.contents() == {f"{SHARED}x": b"old"}


def test_a_pipe_that_is_closed_is_no_error(start: Start, strict_s3: StrictS3) -> None:
    strict_s3.put_synthetic(f"{SHARED}x", 100 * MIB)
    for command in (["cat", f"wb:/{SHARED[4:]}x"], ["cp", f"wb:/{SHARED[4:]}x", "-"]):
        reading = start(*command)
        assert reading.stdout is not None
        assert len(reading.stdout.read(10)) == 10
        reading.stdout.close()
        assert reading.wait(30) == 141
        assert reading.stderr is not None
        assert reading.stderr.read() == b""


def test_output_that_takes_no_more_is_told(start: Start, strict_s3: StrictS3) -> None:
    strict_s3.put(f"{SHARED}x", b"x" * 1000)
    with open("/dev/full", "wb") as full:
        cat = start("cat", f"wb:/{SHARED[4:]}x", stdout=full)
    assert cat.wait(30) == 1
    assert cat.stderr is not None
    assert cat.stderr.readline().startswith(b"error: There is no room for standard output")


# -- a terminal ------------------------------------------------------------------------------------


class Terminal:
    """A terminal that a command runs on."""

    def __init__(self) -> None:
        self._own, self.end = pty.openpty()
        self.shown = ""

    def wait_for(self, pattern: str) -> str:
        """Read until it shows this."""
        while not re.search(pattern, self.shown):
            self.shown += os.read(self._own, 1000).decode(errors="replace")
        return self.shown

    def type(self, text: str) -> None:
        os.write(self._own, text.encode())

    def close(self) -> None:
        os.close(self._own)
        os.close(self.end)


@pytest.fixture
def terminal() -> Iterator[Terminal]:
    terminal = Terminal()
    yield terminal
    terminal.close()


@pytest.mark.parametrize(("answer", "code"), [("n", 1), ("", 1), ("y", 0)])
def test_rm_says_how_much_it_is_and_asks(
    answer: str, code: int, terminal: Terminal, start: Start, strict_s3: StrictS3
) -> None:
    strict_s3.put_many({f"{SHARED}f/{number}": b"x" * 1000 for number in range(12)})
    before = strict_s3.contents()
    rm = start("rm", "-r", f"wb:/{SHARED[4:]}f", stdin=terminal.end, stderr=terminal.end)
    shown = terminal.wait_for(r"\[y/N\] ")
    assert "This deletes /data/shared/f/ for good: 12 objects, 12 kB. Go on?" in shown
    assert strict_s3.contents() == before
    terminal.type(f"{answer}\n")
    assert rm.wait(30) == code
    assert strict_s3.contents() == ({} if code == 0 else before)


def test_a_copy_shows_bytes_speed_and_the_time_left(
    terminal: Terminal, start: Start, strict_s3: StrictS3
) -> None:
    Path("x").write_bytes(os.urandom(64 * MIB))
    parts = iter(range(100))
    gates = []

    def hold(_: object) -> None:
        if next(parts) == 4:
            gates.append(strict_s3.gate("UploadPart"))

    strict_s3.on("UploadPart", hold)
    upload = start("cp", "x", f"wb:/{SHARED[4:]}", stderr=terminal.end)
    line = r"Uploading \[#+-+\] [\d.]+ MB of 67 MB, [\d.]+ [kM]B/s, \d+:\d\d left"
    assert re.search(line, terminal.wait_for(line))
    strict_s3.heal()
    out, _ = upload.communicate(timeout=60)
    assert (upload.returncode, out) == (0, b"Copied x to wb:/data/shared/x (67 MB)\n")


# -- memory ----------------------------------------------------------------------------------------


def test_large_files_take_little_memory(
    place: Point, rclone_server: Server, rclone_root: Path
) -> None:
    place(rclone_server)
    block = os.urandom(MIB)
    with open("large", "wb") as file:
        for number in range(256):
            file.write(number.to_bytes(4, "big") + block[4:])
    sum_of = _sha(Path("large"))
    grown = [
        _memory("cp", "large", "wb:/data/shared/"),
        _memory("cp", "wb:/data/shared/large", "back"),
    ]
    assert _sha(rclone_root / rclone_server.bucket / SHARED / "large") == sum_of
    assert _sha(Path("back")) == sum_of
    print(f"peak memory: {[each // MIB for each in grown]} MiB")
    assert max(grown) < 200 * MIB


def _memory(*arguments: str) -> int:
    """Bytes that a command had at its highest, which has to succeed."""
    # Through a small process: what a child takes over from the one that starts it would count too.
    watch = (
        "import resource, subprocess, sys; subprocess.run(sys.argv[1:], check=True, stdout=2); "
        "print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)"
    )
    command = [sys.executable, "-S", "-c", watch, PROGRAM, *arguments]
    return int(subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout) * 1024


def _sha(path: Path) -> str:
    found = hashlib.sha256()
    with path.open("rb") as file:
        while piece := file.read(MIB):
            found.update(piece)
    return found.hexdigest()


# -- the page about the REST API -------------------------------------------------------------------


def test_the_examples_of_the_rest_page_work(
    place: Point, strict_s3: StrictS3, tmp_path: Path
) -> None:
    place(strict_s3)
    strict_s3.put(f"{SHARED}seen.csv", b"1,2\n")
    assert shutil.which("curl")
    assert shutil.which("jq")
    examples = re.findall(r"^```sh\n(.*?)^```", (DOCS / "rest.md").read_text(), re.DOTALL | re.M)
    assert len(examples) > 5
    environment = {
        name: value for name, value in os.environ.items() if name.startswith(("AWS_", "WHEROBOTS_"))
    }
    with jupyter(tmp_path, environment) as server:
        shell = subprocess.run(
            ["bash", "-euo", "pipefail", "-c", "\n".join(examples)],
            env={**os.environ, "URL": server.url.rstrip("/"), "TOKEN": TOKEN},
            capture_output=True,
            text=True,
            timeout=100,
            check=False,
        )
        strict_s3.wait_until(lambda: strict_s3.object(f"{SHARED}new/") is None)
    print(shell.stdout)
    assert shell.returncode == 0, shell.stderr
    assert "/data/shared/seen.csv" in shell.stdout
    assert '"state": "done"' in shell.stdout
    assert '{"kind":"end"' in re.sub(r"\s", "", shell.stdout)
    found = strict_s3.contents(SHARED)
    assert found.pop(f"{SHARED}seen.csv") == b"1,2\n"
    assert found.pop(f"{SHARED}100% cities & more.csv") == Path("copy.csv").read_bytes()
    large = Path("large.bin").read_bytes()
    assert found == {f"{SHARED}large.bin": large, f"{SHARED}archive/large.bin": large}
    assert strict_s3.uploads() == []
