"""One life of a mirror, as a server leads it: ``python -m tests.soak.life HOME STATE BUCKET INTERVAL``.

It restores and saves by itself until its stdin ends. Each line there is a word, answered by a line of JSON: ``pass`` makes a
pass, ``confirm`` confirms deletions that wait, ``status`` tells how things are, ``restored`` waits until all is
back, ``final`` makes the last pass.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from jupyter_wherobots.s3.client import S3
from jupyter_wherobots.sync.options import SyncOptions
from jupyter_wherobots.sync.service import HomeSync

PREFIX = "org/notebooks/customer-abc/"


def main() -> None:
    home, state, bucket, interval = sys.argv[1:]
    options = SyncOptions(interval=float(interval), review_interval=60.0)
    sync = HomeSync(S3(bucket), PREFIX, Path(home), Path(state), options=options)
    sync.start()
    for line in sys.stdin:
        print(json.dumps(answer(sync, line.strip())), flush=True)
    sync.stop()


def answer(sync: HomeSync, word: str) -> Any:
    if word == "pass":
        return sync.run_pass().to_json()
    if word == "final":
        return sync.final(60.0).to_json()
    if word == "confirm":
        return sync.confirm_deletes()
    if word == "restored":
        return sync.wait_restored(300.0)
    assert word == "status", word
    return sync.status().to_json()


if __name__ == "__main__":
    main()
