"""What the extension costs every Jupyter server while it starts."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys

import pytest

# The server itself is loaded first, as it is when it imports its extensions.
PROGRAM = """
import json, sys
import jupyter_server.serverapp
before = set(sys.modules)
import jupyter_wherobots
import jupyter_wherobots.app
print(json.dumps(sorted(set(sys.modules) - before)))
"""
LIMIT = 0.1  # seconds; Jupyter Server logs an extension that takes longer
HEAVY = {"boto3", "botocore", "obstore", "watchfiles", "moto", "jupyterlab", "pathspec"}


def measure() -> tuple[float, set[str]]:
    """Import the extension in a new process: the seconds it took, and what it brought in."""
    done = subprocess.run(
        [sys.executable, "-X", "importtime", "-c", PROGRAM],
        capture_output=True,
        text=True,
        check=True,
    )
    # "import time: <own µs> | <with what it imports> | <indented name>"
    rows = re.findall(
        r"^import time: +\d+ \| +(\d+) \| (jupyter_wherobots(?:\.app)?)$", done.stderr, re.MULTILINE
    )
    assert {name for _, name in rows} == {"jupyter_wherobots", "jupyter_wherobots.app"}
    return sum(int(microseconds) for microseconds, _ in rows) / 1e6, set(json.loads(done.stdout))


@pytest.mark.process
def test_importing_the_extension_is_quick_and_brings_in_nothing_heavy() -> None:
    # The best of a few runs: a busy machine makes an import slower, never quicker.
    runs = [measure() for _ in range(3)]
    assert [brought & HEAVY for _, brought in runs] == [set()] * len(runs)
    assert min(seconds for seconds, _ in runs) <= LIMIT


# Many threads need S3 for the first time at one moment, as those of home and of the page do.
TOGETHER = """
import contextlib, sys, threading
from jupyter_wherobots.s3.client import S3

sys.setswitchinterval(1e-6)
barrier = threading.Barrier(8)
failures = []

def work(number):
    s3 = S3("bucket")
    s3.client
    barrier.wait()
    try:
        if number % 2:
            s3.store
        else:
            with contextlib.suppress(KeyError), s3.mapped("read"):
                raise KeyError
    except BaseException as error:
        failures.append(error)

threads = [threading.Thread(target=work, args=(number,)) for number in range(8)]
for each in threads:
    each.start()
for each in threads:
    each.join()
sys.exit(str(failures) if failures else 0)
"""


@pytest.mark.process
def test_libraries_that_many_threads_need_at_once_are_whole() -> None:
    place = {"AWS_ACCESS_KEY_ID": "a", "AWS_SECRET_ACCESS_KEY": "b", "AWS_REGION": "us-east-1"}
    for _ in range(4):
        done = subprocess.run(
            [sys.executable, "-c", TOGETHER],
            env={**os.environ, **place},
            stderr=subprocess.PIPE,
            text=True,
            check=False,
        )
        assert (done.returncode, done.stderr) == (0, "")
