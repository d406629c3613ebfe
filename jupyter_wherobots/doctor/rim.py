"""Finds out what the doctor judges: asks S3, the disk, the environment and the installed packages."""

from __future__ import annotations

import os
import re
import shutil
import uuid
from collections.abc import Callable, Mapping
from contextlib import suppress
from datetime import datetime, timezone
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import NoCredentials, WherobotsError
from ..home import Mode, Persistence, decide
from ..layout import INTERNAL, Layout, LayoutName
from ..mounts import mount_of
from ..settings import Configuration
from . import checks as judge
from .checks import Check, Checkup, State

if TYPE_CHECKING:
    from ..s3.client import S3

_JOURNAL = 1_000_000
"""Bytes without which no journal can be begun."""

_PACKAGES = ("jupyter_server", "jupyterlab", "boto3", "obstore")


def examine(
    configuration: Configuration,
    *,
    s3: S3 | None = None,
    environ: Mapping[str, str] | None = None,
    root_dir: Path | None = None,
    in_server: bool = False,
) -> Checkup:
    """Look at everything. Blocks for as long as S3 takes to answer; never raises for what it finds.

    Puts and removes one small object of its own. ``s3`` is the server's own client; without it, one is made for the purpose.
    ``root_dir`` is the server's, if there is a server.
    """
    environ = os.environ if environ is None else environ
    mount = mount_of(configuration.home)
    persistence = decide(configuration, mount)
    place = configuration.place
    layout = Layout(place, configuration.layout or LayoutName.CURRENT) if place else None

    checks = judge.check_configuration(configuration, environ)
    if layout is not None:
        expected = layout.environment(trailing_slash=configuration.trailing_slash)
        checks += judge.check_variables(expected, environ, in_server=in_server)
    checks += _credentials_files(environ)
    if layout is not None:
        checks += _storage(layout, persistence, s3, environ)
    else:
        checks.append(Check("bucket", State.SKIPPED, "Not looked at: it is not known which one."))
    checks.append(judge.check_home(configuration, persistence, mount, layout))
    if persistence.mode is Mode.SYNC:
        if fault := _fault(configuration.home):
            checks.append(judge.check_folder("home", configuration.home, fault))
        fault = _fault(configuration.state) or _full(configuration.state)
        checks.append(judge.check_folder("state", configuration.state, fault))
    if root_dir is not None and persistence.mode is Mode.SYNC:
        checks.append(judge.check_root_dir(configuration.home.resolve(), root_dir.resolve()))
    checks.append(_disk(configuration.home))
    checks.append(judge.check_versions(_requirements(), _installed()))
    return Checkup(tuple(checks))


def _credentials_files(environ: Mapping[str, str]) -> list[Check]:
    path = Path(environ.get("AWS_SHARED_CREDENTIALS_FILE") or "~/.aws/credentials").expanduser()
    try:
        text = path.read_text(errors="replace")
    except OSError:  # not there, or not ours to read: botocore finds none in it either
        return []
    check = judge.check_credentials_file(text, str(path))
    return [] if check is None else [check]


def _storage(
    layout: Layout, persistence: Persistence, given: S3 | None, environ: Mapping[str, str]
) -> list[Check]:
    """Each look needs the one before, so the first failure ends them."""
    from ..s3.client import S3

    s3 = given or S3(layout.place.bucket)
    looks: tuple[tuple[str, Callable[[], list[Check]]], ...] = (
        ("credentials", lambda: _look_at_credentials(s3, environ)),
        ("bucket", lambda: _look_at_bucket(s3, layout)),
        ("writing", lambda: _look_at_writing(s3, layout, persistence)),
    )
    checks: list[Check] = []
    try:
        for name, look in looks:
            if checks and checks[-1].state is State.FAILED:
                checks.append(Check(name, State.SKIPPED, "Not looked at, after the failure above."))
                break
            try:
                checks += look()
            except WherobotsError as error:
                checks.append(Check(name, State.FAILED, error.message, error.hint))
    finally:
        if given is None:
            s3.close()
    return checks


def _look_at_credentials(s3: S3, environ: Mapping[str, str]) -> list[Check]:
    try:
        source = s3.credential_source()
    except NoCredentials as error:
        if error.__cause__ is not None:  # some were found, and are of no use
            raise
        return [judge.check_no_credentials(error.message, environ)]
    return [judge.check_credentials(source, datetime.now(timezone.utc))]


def _look_at_bucket(s3: S3, layout: Layout) -> list[Check]:
    from ..s3.bucket import server_time

    prefix = layout.key(f"/data/{layout.customer}/")
    theirs = server_time(s3, prefix)
    message = f"{layout.place.bucket} at {s3.endpoint_url} (region {s3.region}) can be listed."
    checks = [Check("bucket", State.OK, message)]
    if theirs is not None:
        checks.append(judge.check_clock(datetime.now(timezone.utc), theirs))
    return checks


def _look_at_writing(s3: S3, layout: Layout, persistence: Persistence) -> list[Check]:
    from ..s3.probe import probe

    # Where it matters: in the mirror's own corner, or in the user's data.
    folder = (
        layout.home_prefix + INTERNAL
        if persistence.mode is Mode.SYNC
        else layout.key(f"/data/{layout.customer}/")
    )
    capabilities = probe(s3, f"{folder}.doctor-{uuid.uuid4().hex}")
    where = layout.uri(layout.path(folder))
    return [
        Check("writing", State.OK, f"An object of our own was put into {where}, and deleted."),
        judge.check_capabilities(capabilities, persistence),
    ]


def _fault(folder: Path) -> str | None:
    """What keeps this process from using a folder, or from making it where it does not exist yet; None if nothing does."""
    there = next(each for each in (folder, *folder.parents) if os.path.lexists(each))
    if not os.path.isdir(there):
        return f"{there} is no folder"
    if os.access(there, os.R_OK | os.W_OK | os.X_OK):
        return None
    what = "" if there == folder else f" {there}"
    return f"the user {os.geteuid()} may not read and write{what}"


def _full(folder: Path) -> str | None:
    """That a journal finds no room in a folder, which has been found usable."""
    there = next(each for each in (folder, *folder.parents) if os.path.lexists(each))
    free = shutil.disk_usage(there).free
    return f"its disk is full ({free:,} bytes left)" if free < _JOURNAL else None


def _disk(home: Path) -> Check:
    try:
        return judge.check_disk(home, shutil.disk_usage(home).free)
    except OSError as error:
        return Check(
            "disk",
            State.FAILED,
            f"Home {home} cannot be looked at: {error.strerror}.",
            "Create it, or set WHEROBOTS_HOME.",
        )


def _requirements() -> list[str]:
    """What our own package asks for; JupyterLab is asked for by an extra alone."""
    try:
        lines = metadata.requires("jupyter-wherobots") or []
    except metadata.PackageNotFoundError:
        return []
    return [
        line.partition(";")[0] for line in lines if re.match(rf"({'|'.join(_PACKAGES)})\b", line)
    ]


def _installed() -> dict[str, str]:
    versions = {}
    for name in _PACKAGES:
        with suppress(metadata.PackageNotFoundError):
            versions[name] = metadata.version(name)
    return versions
