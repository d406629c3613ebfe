"""``python -m jupyter_wherobots.demo.lab_process PARENT …``: JupyterLab that ends, and saves, when the demo is killed."""

from __future__ import annotations

import ctypes
import os
import signal
import sys


def _end_with_parent(parent: int) -> None:
    """Ask Linux for SIGTERM when the parent dies, however it dies; elsewhere nothing does that."""
    if sys.platform != "linux":
        return
    set_parent_death_signal = 1  # PR_SET_PDEATHSIG of <linux/prctl.h>
    ctypes.CDLL(None).prctl(set_parent_death_signal, signal.SIGTERM)
    if os.getppid() != parent:  # it was already too late to ask
        sys.exit(1)


if __name__ == "__main__":
    _end_with_parent(int(sys.argv.pop(1)))
    from jupyterlab.labapp import main  # type: ignore[import-untyped]  # has no types

    sys.exit(main())
