"""The knobs of an engine."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from .clock import Clock

if TYPE_CHECKING:
    from ..s3.probe import Capabilities


@dataclass(frozen=True)
class SyncOptions:
    """The knobs of an engine; the defaults are for a notebook server.

    ``interval``: seconds between full scans. ``hints``: watch for file events between them. ``mirror_deletions``: what is
    deleted in home is deleted in S3, by the safe rule. ``delete_without_conditions``: also on an endpoint whose conditional
    DELETE does not work. ``capabilities``: what the store can do, if that is known; else it is probed before the
    first write. ``lease``: agree with other instances of the user on who may
    overwrite. ``review_interval``: seconds between two listings of S3 for what others changed there.
    ``concurrency``: requests at once at most. ``clock``: the seam
    for tests.
    """

    interval: float = 120.0
    hints: bool = True
    mirror_deletions: bool = True
    delete_without_conditions: bool = False
    lease: bool = True
    review_interval: float = 3600.0
    concurrency: int = 256
    capabilities: Capabilities | None = None
    clock: Clock = field(default_factory=Clock)
