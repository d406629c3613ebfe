"""What the doctor makes of what it finds: from facts to lines that a person can act upon. Pure."""

from __future__ import annotations

import configparser
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING

from ..home import Mode, Persistence
from ..layout import VARIABLES, Layout
from ..mounts import Mount
from ..settings import ENVIRONMENT, Configuration, misspelt

if TYPE_CHECKING:
    from ..s3.credentials import CredentialSource
    from ..s3.probe import Capabilities


class State(str, Enum):
    """How a check came out."""

    OK = "ok"
    WARNING = "warning"
    """Works, but somebody should know."""
    FAILED = "failed"
    """Something will not work until it is mended."""
    SKIPPED = "skipped"
    """Could not be looked at, because of a failure above."""


@dataclass(frozen=True)
class Check:
    """One line of the doctor's report: what was looked at, how it came out, and what to do."""

    name: str
    state: State
    message: str
    hint: str = ""

    def to_json(self) -> dict[str, str]:
        """As the REST API answers it."""
        return {
            "name": self.name,
            "state": self.state.value,
            "message": self.message,
            "hint": self.hint,
        }


@dataclass(frozen=True)
class Checkup:
    """The whole report. ``ok`` unless a check failed; warnings are no failure."""

    checks: tuple[Check, ...]

    @property
    def ok(self) -> bool:
        """Whether nothing failed."""
        return all(check.state is not State.FAILED for check in self.checks)

    def to_json(self) -> dict[str, object]:
        """As the REST API answers it."""
        return {"ok": self.ok, "checks": [check.to_json() for check in self.checks]}


def check_configuration(configuration: Configuration, environ: Mapping[str, str]) -> list[Check]:
    """Bucket, organization, user and every other setting."""
    checks = [
        Check(
            "configuration",
            State.FAILED,
            f"{problem.message[0].upper()}{problem.message[1:]}.",
            f"Set {ENVIRONMENT[problem.setting]} (or the trait WherobotsApp.{problem.setting}).",
        )
        for problem in configuration.problems
    ]
    checks += [
        Check(
            "configuration",
            State.WARNING,
            f"{name} is set, and nobody reads it.",
            f"Is {meant} meant?",
        )
        for name, meant in misspelt(environ)
    ]
    if configuration.place is not None:
        place = configuration.place
        layout = configuration.layout.value if configuration.layout else "auto"
        message = f"s3://{place.bucket}/{place.organization}/, user {place.user}, layout {layout}."
        checks.append(Check("configuration", State.OK, message))
    return checks


def check_variables(
    expected: Mapping[str, str], environ: Mapping[str, str], *, in_server: bool
) -> list[Check]:
    """The three variables: set, with the right scheme and slash, and equal to what the configuration says."""
    checks = []
    for name in VARIABLES:
        value, wanted = environ.get(name), expected[name]
        if value == wanted:
            checks.append(Check(name, State.OK, f"{value}"))
        elif not value:
            if in_server:
                hint = "Restart the server; its log says why the variable was not set."
                checks.append(Check(name, State.FAILED, "It is not set.", hint))
            else:
                hint = 'Kernels and terminals of the server have it; here: eval "$(jupyter wherobots env)"'
                checks.append(Check(name, State.WARNING, "It is not set in this shell.", hint))
        else:
            checks.append(Check(name, State.WARNING, *_differs(value, wanted)))
    return checks


def _differs(value: str, wanted: str) -> tuple[str, str]:
    hint = "It was set before the server started, and that value stays. Unset it where it comes from to get ours."
    if value.rstrip("/") == wanted.rstrip("/"):
        if wanted.endswith("/"):
            return (
                f"{value} has no slash at its end, so that USER_S3_PATH + 'file' leaves the folder.",
                hint,
            )
        return f"{value} ends with a slash; the configuration says it should not.", hint
    if not value.startswith("s3://"):
        return f"{value} does not begin with s3://; the configuration says {wanted}.", hint
    return f"{value} is not what the configuration says: {wanted}.", hint


def check_credentials(source: CredentialSource, now: datetime) -> Check:
    """Where the AWS credentials come from, and how long they are good."""
    where = f"From {_SOURCES.get(source.method, source.method)}"
    if source.expires_at is None:
        return Check("credentials", State.OK, f"{where}; they do not say when they expire.")
    minutes = int((source.expires_at - now) / timedelta(minutes=1))
    if minutes < 0:
        message = f"{where}; they expired {-minutes} minutes ago."
        return Check("credentials", State.FAILED, message, "Renew them (a profile: sign in again).")
    message = f"{where}; {minutes} minutes left"
    if source.refreshable:
        return Check("credentials", State.OK, f"{message}, then renewed by themselves.")
    return Check(
        "credentials",
        State.WARNING if minutes < 15 else State.OK,
        f"{message}, and nothing renews them.",
        "Without new ones before then, nothing can be read or saved. A profile or a role renews itself.",
    )


def check_no_credentials(message: str, environ: Mapping[str, str]) -> Check:
    """No credentials at all: which of the standard places say something, in botocore's order."""
    profile = environ.get("AWS_PROFILE") or environ.get("AWS_DEFAULT_PROFILE") or "default"
    files = " and ".join(
        environ.get(name) or path
        for name, path in (
            ("AWS_SHARED_CREDENTIALS_FILE", "~/.aws/credentials"),
            ("AWS_CONFIG_FILE", "~/.aws/config"),
        )
    )
    variables = ", ".join(
        f"{name} is {'set' if environ.get(name) else 'not set'}"
        for name in (
            "AWS_ACCESS_KEY_ID",
            "AWS_WEB_IDENTITY_TOKEN_FILE",
            "AWS_CONTAINER_CREDENTIALS_FULL_URI",
            "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI",
        )
    )
    disabled = environ.get("AWS_EC2_METADATA_DISABLED", "").lower() == "true"
    machine = (
        "AWS_EC2_METADATA_DISABLED keeps from asking the machine"
        if disabled
        else "the machine has no role, or its metadata service did not answer"
    )
    hint = (
        f"{variables}; no keys for the profile [{profile}] in {files}; {machine}. Give one of them."
    )
    return Check("credentials", State.FAILED, message, hint)


# What botocore's names for the ways it finds credentials mean.
_SOURCES = {
    "env": "the environment (AWS_ACCESS_KEY_ID)",
    "profile": "a profile of the AWS configuration",
    "assume-role": "an assumed role",
    "assume-role-with-web-identity": "a web identity (the role of the pod)",
    "container-role": "the container",
    "iam-role": "the role of the machine",
    "custom-process": "credential_process",
    "sso": "single sign-on",
}


def check_credentials_file(text: str, path: str) -> Check | None:
    """The mistake of an old documentation page: ``aws_access_secret_key``, which no AWS tool reads. None if it is not there."""
    parser = configparser.RawConfigParser()
    try:
        parser.read_string(text)
    except configparser.MissingSectionHeaderError:
        return Check(
            "credentials file",
            State.FAILED,
            f"{path} does not begin with a profile such as [default], so that no AWS tool can read it.",
            "Put [default] (or [wherobots]) above the keys.",
        )
    except configparser.Error:  # its message quotes the line, which may hold a secret
        message = f"{path} is malformed, so that no AWS tool can read it."
        return Check("credentials file", State.FAILED, message, "Mend it, or sign in again.")
    wrong = [
        section
        for section in parser.sections()
        if parser.has_option(section, "aws_access_secret_key")
    ]
    if wrong:
        return Check(
            "credentials file",
            State.FAILED,
            f"{path} says aws_access_secret_key in [{'], ['.join(wrong)}], which no AWS tool reads.",
            "Rename it to aws_secret_access_key.",
        )
    return None


def check_capabilities(capabilities: Capabilities, persistence: Persistence) -> Check:
    """What this endpoint makes of conditional requests, on which rests that nobody's version is ever overwritten."""
    notes = " ".join(capabilities.notes)
    vital = (
        capabilities.put_if_none_match
        and capabilities.put_if_match
        and capabilities.delete_if_match
    )
    if vital:
        message = "Conditional PUT and DELETE work, judged both ways on an object of our own."
        return Check("conditional requests", State.OK, f"{message} {notes}".strip())
    return Check(
        "conditional requests",
        State.WARNING,
        notes,
        "The mirror compares before it acts there, and mirrors no deletions."
        if persistence.mode is Mode.SYNC
        else "Two writers at one moment can overwrite each other there.",
    )


def check_clock(ours: datetime, theirs: datetime) -> Check:
    """How far this machine's clock is from S3's, which refuses signatures that are 15 minutes off."""
    seconds = round((ours - theirs).total_seconds())
    message = f"This clock is {abs(seconds)} s {'ahead of' if seconds > 0 else 'behind'} S3's."
    if abs(seconds) >= 15 * 60:
        return Check(
            "clock", State.FAILED, message, "S3 refuses signatures 15 minutes off: set it."
        )
    if abs(seconds) >= 60:
        return Check("clock", State.WARNING, message, "Set it before it is 15 minutes off.")
    # The Date header counts whole seconds and the answer takes a moment.
    return Check("clock", State.OK, "It agrees with S3's." if abs(seconds) <= 2 else message)


def check_home(
    configuration: Configuration,
    persistence: Persistence,
    mount: Mount | None,
    layout: Layout | None,
) -> Check:
    """How home is kept, and why."""
    where = f"{configuration.home}" + (f" ({mount.kind} at {mount.point})" if mount else "")
    if persistence.mode is Mode.SYNC and layout is not None:
        message = (
            f"{where} is to be mirrored to {layout.uri(layout.home_path)}: {persistence.reason}"
        )
        return Check("home", State.OK, message)
    if persistence.mode is Mode.FILESYSTEM:
        return Check("home", State.OK, f"{where} is kept by its file system: {persistence.reason}")
    asked = configuration.home_persistence == "off"
    return Check(
        "home",
        State.OK if asked else State.WARNING,
        f"{where} is not kept: {persistence.reason}",
        "" if asked else "What is saved there is lost with this machine.",
    )


def check_folder(name: str, folder: Path, fault: str | None) -> Check:
    """Whether the mirror can work in a folder: home, or that of its journal. ``fault`` is what is in the way."""
    if fault is None:
        return Check(name, State.OK, f"{folder} can be read and written.")
    return Check(
        name,
        State.FAILED,
        f"{folder} cannot be used: {fault}.",
        "It has to be a folder that the server's user may read and write; without it home is not kept.",
    )


def check_root_dir(home: Path, root_dir: Path) -> Check:
    """Whether what Jupyter saves lies in the home that is kept."""
    if home in (root_dir, *root_dir.parents):
        return Check("root_dir", State.OK, f"The server's root_dir {root_dir} lies in home.")
    return Check(
        "root_dir",
        State.WARNING,
        f"The server's root_dir {root_dir} lies outside home {home}: notebooks saved there are not kept.",
        f"Start the server with --ServerApp.root_dir={home}, or set WHEROBOTS_HOME.",
    )


def check_disk(home: Path, free: int) -> Check:
    """Room for the files of home, in bytes."""
    message = f"{free / 1e9:.1f} GB free at {home}."
    if free < 100e6:
        return Check(
            "disk", State.FAILED, message, "Make room: saving and restoring files fail soon."
        )
    if free < 1e9:
        return Check("disk", State.WARNING, message, "Make room before it is used up.")
    return Check("disk", State.OK, message)


def check_versions(requirements: Iterable[str], installed: Mapping[str, str]) -> Check:
    """Whether what we stand on is new enough. ``requirements`` are lines such as ``boto3>=1.35.69``."""
    from packaging.requirements import InvalidRequirement, Requirement

    too_old = []
    for line in requirements:
        try:
            requirement = Requirement(line)
        except InvalidRequirement:
            continue
        found = installed.get(requirement.name)
        if found and not requirement.specifier.contains(found, prereleases=True):
            too_old.append(f"{requirement.name} {found} is not {requirement.specifier}")
    message = ", ".join(f"{name} {version}" for name, version in installed.items()) + "."
    if too_old:
        hint = "Install fitting versions with pip, in the environment that runs Jupyter."
        return Check("versions", State.FAILED, f"{'; '.join(too_old)}. ({message})", hint)
    return Check("versions", State.OK, message)
