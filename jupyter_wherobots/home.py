"""How the home directory survives, decided once, at start."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from .layout import LayoutName
from .mounts import Mount, is_network
from .settings import Configuration


class Mode(str, Enum):
    """What keeps the home directory."""

    SYNC = "sync"
    """Mirrored one way to ``/notebooks/customer-XXXX``."""
    FILESYSTEM = "filesystem"
    """It lies on a persistent mount; nothing is copied, since that would move data across regions."""
    OFF = "off"
    """Nothing keeps it."""


@dataclass(frozen=True)
class Persistence:
    """The decision and its reason, in words a person can read."""

    mode: Mode
    reason: str
    failed: bool = False
    """Home was to be mirrored, and is not: ``reason`` says why."""


def decide(configuration: Configuration, mount: Mount | None) -> Persistence:
    """The mode for a configuration and the mount that home lies on. Wrong configuration never synchronises anything."""
    wanted = configuration.home_persistence
    if wanted == "off":
        return Persistence(Mode.OFF, "home_persistence is off.")
    if wanted == "filesystem":
        return Persistence(Mode.FILESYSTEM, "home_persistence is filesystem.")
    if wanted == "auto" and mount is not None and is_network(mount):
        return Persistence(
            Mode.FILESYSTEM, f"Home lies on a network mount ({mount.kind} at {mount.point})."
        )
    if configuration.problems:
        names = ", ".join(dict.fromkeys(problem.setting for problem in configuration.problems))
        meant = wanted == "sync" or configuration.layout is LayoutName.V2024
        reason = f"The configuration is incomplete or wrong ({names})."
        return Persistence(Mode.OFF, reason, failed=meant)
    if wanted == "sync":
        return Persistence(Mode.SYNC, "home_persistence is sync.")
    if configuration.layout is LayoutName.V2024:
        return Persistence(Mode.SYNC, "layout is set to 2024.")
    return Persistence(
        Mode.OFF,
        "Neither home_persistence nor layout asks for it, and home is not on a network mount. "
        "Set WHEROBOTS_HOME_PERSISTENCE=sync to keep it in S3, or filesystem if its disk is persistent.",
    )
