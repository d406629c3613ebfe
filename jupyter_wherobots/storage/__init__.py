"""What the sidebar, the API and the command line can do with the managed storage.

Plain blocking functions over `jupyter_wherobots.s3` and a `Layout`, which decides every permission. Knows
neither the home mirror nor tornado nor Jupyter. `Storage` is the door.
"""

from __future__ import annotations

from .options import Options
from .storage import Storage

__all__ = ["Options", "Storage"]
