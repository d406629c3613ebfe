"""What the extension costs every Jupyter server while it starts."""

from __future__ import annotations

import json
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
