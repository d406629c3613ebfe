"""The settings: traits of ``WherobotsApp``, each also readable from the environment, and what they resolve to.

Traits win over the environment. S3 itself (endpoint, region, credentials) is configured only by the standard AWS
ways; there is no setting of ours for what botocore already reads.
"""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import Any, TypeVar

from jupyter_core.application import JupyterApp
from traitlets import Bool, Float, HasTraits, List, TraitError, Unicode, default
from traitlets.config import Application
from traitlets.config.loader import DeferredConfig

from .layout import LayoutName, Place, Problem

T = TypeVar("T")

ENVIRONMENT = {
    "bucket": "WHEROBOTS_BUCKET",
    "organization": "WHEROBOTS_ORGANIZATION",
    "user": "WHEROBOTS_USER",
    "layout": "WHEROBOTS_LAYOUT",
    "home": "WHEROBOTS_HOME",
    "home_persistence": "WHEROBOTS_HOME_PERSISTENCE",
    "state": "WHEROBOTS_STATE",
    "trailing_slash": "WHEROBOTS_TRAILING_SLASH",
    "sync_interval": "WHEROBOTS_SYNC_INTERVAL",
    "stop_timeout": "WHEROBOTS_STOP_TIMEOUT",
    "restore_block": "WHEROBOTS_RESTORE_BLOCK",
    "upload_age": "WHEROBOTS_UPLOAD_AGE",
}
"""Trait -> environment variable that gives its default. An empty variable counts as unset."""

LAYOUTS = ("auto", "current", "2024")
PERSISTENCE = ("auto", "filesystem", "sync", "off")

_DAY = 86_400.0
# Trait, the least and the most seconds it may have, and what is taken instead of a wrong one.
_SECONDS = (
    ("sync_interval", 1.0, _DAY, 120.0),
    ("stop_timeout", 0.0, _DAY, 25.0),
    ("restore_block", 0.0, _DAY, 20.0),
    ("upload_age", 1.0, 30 * _DAY, 3 * _DAY),
)


@dataclass(frozen=True)
class Configuration:
    """The settings once they are read, checked and put in types.

    ``place`` is None when bucket, organization or user is missing or wrong; ``layout`` is None for ``auto``. ``problems`` says
    in words what is wrong; a problem in one setting never disturbs what does not depend on it. Times are in seconds.
    """

    place: Place | None
    problems: tuple[Problem, ...]
    layout: LayoutName | None
    home: Path
    home_persistence: str
    state: Path
    trailing_slash: bool
    sync_interval: float
    stop_timeout: float
    restore_block: float
    upload_age: float = 3 * 86_400.0

    @property
    def message(self) -> str | None:
        """All problems in one sentence that says what to do, or None."""
        if not self.problems:
            return None
        ways = ", ".join(dict.fromkeys(ENVIRONMENT[problem.setting] for problem in self.problems))
        what = "; ".join(problem.message for problem in self.problems)
        how = (
            "Managed storage is not configured"
            if self.place is None
            else "Managed storage is configured wrongly"
        )
        return f"{how}: {what}. Set {ways} (or the traits of WherobotsApp)."


class WherobotsSettings(HasTraits):
    """The traits. A mixin, so that the server extension and the command line read the very same ones."""

    bucket = Unicode(
        help="Bucket of the managed storage, its name alone. Environment: WHEROBOTS_BUCKET."
    ).tag(config=True)
    organization = Unicode(
        help="Id of the organization: the first folder of every key. Environment: WHEROBOTS_ORGANIZATION."
    ).tag(config=True)
    user = Unicode(help="Id of the user, without 'customer-'. Environment: WHEROBOTS_USER.").tag(
        config=True
    )
    layout = Unicode(
        help="Folders shown: 'current', '2024' (with /notebooks), or 'auto' (2024 if anything lies under "
        "/notebooks). Environment: WHEROBOTS_LAYOUT."
    ).tag(config=True)
    home = Unicode(
        help="The home directory that is kept. Default: $HOME. Environment: WHEROBOTS_HOME."
    ).tag(config=True)
    home_persistence = Unicode(
        help="How home survives: 'sync' (mirrored to /notebooks/customer-XXXX), 'filesystem' (it lies on a persistent "
        "mount: nothing is copied), 'off', or 'auto' (a network mount means 'filesystem', else 'sync' if layout is set to "
        "'2024', else 'off'). Decided once, at start. Environment: WHEROBOTS_HOME_PERSISTENCE."
    ).tag(config=True)
    state = Unicode(
        help="Directory for the mirror's journal and lock; never mirrored. "
        "Default: $XDG_STATE_HOME/jupyter-wherobots. Environment: WHEROBOTS_STATE."
    ).tag(config=True)
    trailing_slash = Bool(
        help="Whether USER_S3_PATH and the others end with a slash, as `USER_S3_PATH + 'file'` needs. "
        "Environment: WHEROBOTS_TRAILING_SLASH."
    ).tag(config=True)
    sync_interval = Float(
        help="Seconds between two full scans of home. Environment: WHEROBOTS_SYNC_INTERVAL."
    ).tag(config=True)
    stop_timeout = Float(
        help="Seconds the final synchronisation may take when the server stops; keep it below the grace period of "
        "whatever stops the server. Environment: WHEROBOTS_STOP_TIMEOUT."
    ).tag(config=True)
    restore_block = Float(
        help="Seconds the start of the server may wait for the restore of home; the rest goes on behind. "
        "Environment: WHEROBOTS_RESTORE_BLOCK."
    ).tag(config=True)
    upload_age = Float(
        help="Seconds after which an unfinished upload to the storage that nobody continues is aborted. "
        "Environment: WHEROBOTS_UPLOAD_AGE."
    ).tag(config=True)

    _found_problems: List[Problem] = List()

    @default("bucket")
    def _default_bucket(self) -> str:
        return _environ("bucket", "")

    @default("organization")
    def _default_organization(self) -> str:
        return _environ("organization", "")

    @default("user")
    def _default_user(self) -> str:
        return _environ("user", "")

    @default("layout")
    def _default_layout(self) -> str:
        return _environ("layout", "auto")

    @default("home")
    def _default_home(self) -> str:
        return _environ("home", os.path.expanduser("~"))

    @default("home_persistence")
    def _default_home_persistence(self) -> str:
        return _environ("home_persistence", "auto")

    @default("state")
    def _default_state(self) -> str:
        base = os.environ.get("XDG_STATE_HOME") or os.path.expanduser("~/.local/state")
        return _environ("state", os.path.join(base, "jupyter-wherobots"))

    @default("trailing_slash")
    def _default_trailing_slash(self) -> bool:
        return self._parsed("trailing_slash", True, _boolean)

    @default("sync_interval")
    def _default_sync_interval(self) -> float:
        return self._parsed("sync_interval", 120.0, _seconds)

    # Kubernetes gives 30 s by default; a process that is killed at 30 must be done before.
    @default("stop_timeout")
    def _default_stop_timeout(self) -> float:
        return self._parsed("stop_timeout", 25.0, _seconds)

    @default("restore_block")
    def _default_restore_block(self) -> float:
        return self._parsed("restore_block", 20.0, _seconds)

    @default("upload_age")
    def _default_upload_age(self) -> float:
        return self._parsed("upload_age", 3 * _DAY, _seconds)

    def _parsed(self, trait: str, fallback: T, parse: Callable[[str], T]) -> T:
        text = _environ(trait, "")
        if not text:
            return fallback
        try:
            return parse(text)
        except ValueError as error:
            problem = Problem(trait, f"{ENVIRONMENT[trait]}={text!r} {error}")
            self._found_problems = [*self._found_problems, problem]
            return fallback

    def take(self, section: Mapping[str, Any]) -> None:
        """Set each trait of a configuration by itself; one of the wrong type is a problem in `resolve`.

        traitlets takes nothing of all the configuration in which one value is of the wrong type.
        """
        for name, given in section.items():
            trait = self.traits(config=True).get(name)
            if trait is None:
                continue
            try:
                value = given.get_value(trait) if isinstance(given, DeferredConfig) else given
                self.set_trait(name, value)
            except (TraitError, ValueError) as error:
                problem = Problem(name, str(error).rstrip("."))
                self._found_problems = [*self._found_problems, problem]

    def resolve(self) -> Configuration:
        """Check every setting. Never raises: what is wrong is in ``problems``."""
        place_problems = Place.problems(self.bucket, self.organization, self.user)
        problems = list(place_problems)
        if self.layout not in LAYOUTS:
            problems.append(_choice("layout", self.layout, LAYOUTS))
        if self.home_persistence not in PERSISTENCE:
            problems.append(_choice("home_persistence", self.home_persistence, PERSISTENCE))
        numbers: dict[str, float] = {}
        for name, lowest, highest, instead in _SECONDS:
            numbers[name] = value = getattr(self, name)
            if not lowest <= value < highest:
                message = f"{name} is {value:g}, not between {lowest:g} and {highest:g} seconds"
                problems.append(Problem(name, message))
                numbers[name] = instead
        trailing_slash = self.trailing_slash
        home, state = (Path(each).expanduser().absolute() for each in (self.home, self.state))
        if is_home(state, home):
            problems.append(Problem("state", f"state is {state}, which is home itself"))
        # Last: reading the traits above is what finds malformed variables.
        problems.extend(self._found_problems)
        return Configuration(
            place=None if place_problems else Place(self.bucket, self.organization, self.user),
            problems=tuple(problems),
            layout=LayoutName(self.layout) if self.layout in LAYOUTS[1:] else None,
            home=home,
            home_persistence=self.home_persistence,
            state=state,
            trailing_slash=trailing_slash,
            **numbers,
        )


def is_home(state: Path, home: Path) -> bool:
    """Whether the journal would lie among the files it is about: it changes by being saved, without end."""
    return os.path.realpath(state) == os.path.realpath(home)


def misspelt(environ: Mapping[str, str]) -> list[tuple[str, str]]:
    """Variables that are set and that nobody reads, each with the one of ours that is probably meant.

    Only those that are very like one of ours: a platform has WHEROBOTS variables of its own.
    """
    known = list(ENVIRONMENT.values())
    found = []
    for name in sorted(environ):
        if name.upper().startswith("WHERO") and name not in known:
            found += [(name, meant) for meant in get_close_matches(name.upper(), known, 1, 0.9)]
    return found


def _environ(trait: str, fallback: str) -> str:
    return os.environ.get(ENVIRONMENT[trait]) or fallback


def _choice(setting: str, value: str, choices: tuple[str, ...]) -> Problem:
    return Problem(setting, f"{setting} is {value!r}, not one of {', '.join(choices)}")


def _boolean(text: str) -> bool:
    if text.lower() in ("1", "true", "yes", "on"):
        return True
    if text.lower() in ("0", "false", "no", "off"):
        return False
    raise ValueError("is neither true nor false")


def _seconds(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        raise ValueError("is not a number of seconds") from None


class _Shell(WherobotsSettings, JupyterApp):
    """Reads, outside a server, the configuration that the server would read."""

    name = "jupyter_wherobots"

    def exit(self, exit_status: int | str | None = 0) -> None:
        """Raise what is wrong with a file, for the caller to tell, where traitlets would end the process."""
        raise sys.exc_info()[1] or SystemExit(exit_status)


# The section of the files that it reads, and what traitlets calls it when a value is of the wrong type.
_Shell.__name__ = "WherobotsApp"


def _is_not_fatal(record: logging.LogRecord) -> bool:
    """What traitlets says before it ends the process is raised here, and told once."""
    return record.levelno < logging.CRITICAL


def load_settings(**overrides: Any) -> WherobotsSettings:
    """The settings as the server on this machine would have them, for a shell. ``overrides`` are traits.

    Reads ``jupyter_wherobots_config.{py,json}`` and ``jupyter_server_config.{py,json}`` in Jupyter's config
    directories, the latter winning, as in the server. Raises `traitlets.TraitError` if a file gives a trait a
    value of the wrong type.
    """
    shell = _Shell(raise_config_file_errors=True)
    shell.log.addFilter(_is_not_fatal)
    try:
        for stem in ("jupyter_wherobots_config", "jupyter_server_config"):
            Application.load_config_file(shell, stem, path=shell.config_file_paths)
    finally:
        shell.log.removeFilter(_is_not_fatal)
    for trait, value in overrides.items():
        shell.set_trait(trait, value)
    return shell


__all__ = [
    "ENVIRONMENT",
    "Configuration",
    "TraitError",
    "WherobotsSettings",
    "is_home",
    "load_settings",
    "misspelt",
]
