"""Saves notebooks as a Jupyter server does, in processes that are there to be killed: ``python -m tests.adversary.saver HOME``.

An order is a line of JSON on stdin: ``{"atomic": true, "rounds": null, "spared": 3, "delay": 0.001}``. A fork then saves every
notebook so many times or, without end, until it is killed: so many seconds after it began to write the one after those spared.
When it has ended a line tells how.
"""

from __future__ import annotations

import itertools
import json
import os
import signal
import sys
import time
from pathlib import Path
from typing import Any

from jupyter_server.services.contents.largefilemanager import LargeFileManager

NOTEBOOKS = {"small.ipynb": 1, "work/middle.ipynb": 60_000, "work/large.ipynb": 1_500_000}
"""By name: how many bytes its only output has."""


def notebook(number: int, size: int) -> dict[str, object]:
    """The model that a browser sends to be saved."""
    output = {"output_type": "stream", "name": "stdout", "text": f"{number % 10}" * size}
    cell: dict[str, object] = {
        "cell_type": "code",
        "id": "cell",
        "metadata": {},
        "source": f"# save {number}",
        "execution_count": None,
        "outputs": [output],
    }
    content = {"cells": [cell], "metadata": {}, "nbformat": 4, "nbformat_minor": 5}
    return {"type": "notebook", "format": "json", "content": content}


def save(home: Path, atomic: bool, rounds: int | None, telling: int) -> None:
    """Tells of each notebook that it is about to be written."""
    files = {str(home / name) for name in NOTEBOOKS}

    def tell(event: str, arguments: tuple[object, ...]) -> None:
        if event == "open" and arguments[0] in files and arguments[1] == "w":
            os.write(telling, b".")

    sys.addaudithook(tell)
    manager: Any = LargeFileManager(root_dir=str(home), use_atomic_writing=atomic)
    number = os.getpid()
    for _ in range(rounds) if rounds else itertools.count():
        for name, size in NOTEBOOKS.items():
            number += 1
            manager.save(notebook(number, size), name)
            manager.create_checkpoint(name)


def main() -> None:
    home = Path(sys.argv[1])
    (home / "work").mkdir(exist_ok=True)
    for line in sys.stdin:
        order = json.loads(line)
        reading, telling = os.pipe()
        pid = os.fork()
        if not pid:
            try:
                save(home, order["atomic"], order["rounds"], telling)
            finally:
                os._exit(int(sys.exc_info()[0] is not None))
        os.close(telling)
        if order["rounds"] is None:
            for _ in range(order["spared"] + 1):
                os.read(reading, 1)
            time.sleep(
                order["delay"]
            )  # the moment of the kill is what is tried, not what is waited for
            os.kill(pid, signal.SIGKILL)
        _, status = os.waitpid(pid, 0)
        os.close(reading)
        print(os.waitstatus_to_exitcode(status), flush=True)


if __name__ == "__main__":
    main()
