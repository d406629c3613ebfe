"""Makes processes that can be killed: everything is imported once, then each order is carried out in a fork of it.

An order is a line of JSON on stdin: ``{"do": "whole", "home": …, "state": …, "bucket": …, "failpoint": …}``. Two lines answer
it: ``{"pid": …}`` before anything is done, ``{"status": …, "said": …}`` when the process has ended.
"""

from __future__ import annotations

import json
import os
import sys
import traceback
from pathlib import Path
from typing import Any

import botocore.session
import obstore.store  # noqa: F401 - imported for the forks

from jupyter_wherobots.sync import engine, failpoints  # noqa: F401 - as well
from tests.kill.story import Story


def main() -> None:
    # Reading the model of the service is most of what a client costs.
    botocore.session.Session().get_service_model("s3")
    for line in sys.stdin:
        order = json.loads(line)
        reading, writing = os.pipe()
        pid = os.fork()
        if not pid:
            os.close(reading)
            carry_out(order, writing)
        os.close(writing)
        print(json.dumps({"pid": pid}), flush=True)
        with os.fdopen(reading, "rb") as pipe:
            said = pipe.read().decode()
        _, status = os.waitpid(pid, 0)
        answer = {"status": os.waitstatus_to_exitcode(status), "said": said}
        print(json.dumps(answer), flush=True)


def carry_out(order: dict[str, Any], writing: int) -> None:
    """In the fork: do it, say what there is to say, end without any cleaning up."""
    failpoints._armed_point = failpoints._armed(order.get("failpoint"))
    code = 1
    try:
        story = Story(Path(order["home"]), Path(order["state"]), order["bucket"])
        said = getattr(story, order["do"])() or ""
        code = 0
    except BaseException:  # noqa: BLE001 - told, as the fork's last words
        said = traceback.format_exc()
    os.write(writing, said.encode()[:60_000])
    os._exit(code)


if __name__ == "__main__":
    main()
