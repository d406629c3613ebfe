"""The doctor: is everything set up so that paths are right, S3 answers and home is kept, and if not, what to do about it.

``jupyter wherobots doctor`` and ``POST /wherobots/doctor`` both call `examine`. Nothing here ever shows a secret.
"""

from __future__ import annotations

from .checks import Check, Checkup, State
from .rim import examine

__all__ = ["Check", "Checkup", "State", "examine"]
