"""The libraries that speak S3, imported when they are first needed: it takes them half a second.

One thread imports them while all others wait. Python's own locks are one for each module, and rather than wait in a circle a
thread goes on with what is half made: two threads that import obstore at one moment find its folders of
stubs in place of its modules, and these stay there for as long as the process lives.
"""

from __future__ import annotations

import importlib
import threading

_NAMES = (
    "botocore.awsrequest",
    "botocore.config",
    "botocore.exceptions",
    "botocore.loaders",
    "botocore.parsers",
    "botocore.session",
    "botocore.utils",
    "obstore.exceptions",
    "obstore.store",
)
_lock = threading.Lock()
_loaded = threading.Event()


def load() -> None:
    """Have them imported whole. To be called before any of them is."""
    if _loaded.is_set():
        return
    with _lock:
        for name in _NAMES:
            importlib.import_module(name)
        _loaded.set()
