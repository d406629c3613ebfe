"""What the demo says, for people and for machines."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..errors import WherobotsError
from ..layout import Layout, LayoutName, Place
from .evidence import Evidence


@dataclass(frozen=True)
class Ready:
    """What there is to know once the demo answers. ``objects`` were put, ``refused`` is what this S3 did not take."""

    url: str
    token: str
    pid: int
    lab_pid: int
    endpoint: str
    embedded: bool
    place: Place
    home: Path
    temporary_home: bool
    log: Path
    objects: int
    refused: tuple[WherobotsError, ...]


@dataclass(frozen=True)
class Ended:
    """How it ended: what of home is in the bucket, or why that could not be found out; ``kept`` is a home that stays."""

    evidence: Evidence | None
    error: WherobotsError | None
    home: Path
    home_uri: str
    kept: bool


class Narrator:
    """Each method is one moment of the demo; this one is silent."""

    def starting(self, what: str) -> None:
        """Something that takes a moment has begun."""

    def ready(self, ready: Ready) -> None:
        """It answers."""

    def stopping(self, what: str) -> None:
        """A signal came."""

    def ended(self, ended: Ended) -> None:
        """JupyterLab has ended, and home was compared with the bucket."""

    def serving(self, endpoint: str, *, keyboard: bool) -> None:
        """Only the S3 server is left."""


class Json(Narrator):
    """One line of JSON when ready, one when ended."""

    def ready(self, ready: Ready) -> None:
        """Where everything is."""
        _print_json(
            {
                "event": "ready",
                "url": ready.url,
                "token": ready.token,
                "pid": ready.pid,
                "lab_pid": ready.lab_pid,
                "endpoint": ready.endpoint,
                "bucket": ready.place.bucket,
                "organization": ready.place.organization,
                "user": ready.place.user,
                "home": str(ready.home),
                "log": str(ready.log),
                "objects": ready.objects,
                "refused": [error.to_json() for error in ready.refused],
            }
        )

    def ended(self, ended: Ended) -> None:
        """What of home is in the bucket."""
        evidence = ended.evidence
        _print_json(
            {
                "event": "ended",
                "saved": evidence is not None and evidence.complete,
                "uri": ended.home_uri,
                "home": str(ended.home) if ended.kept else None,
                "error": ended.error.to_json() if ended.error else None,
                **(evidence.to_json() if evidence else {}),
            }
        )


class Text(Narrator):
    """A few calm lines."""

    def starting(self, what: str) -> None:
        """Something that takes a moment has begun."""
        _print(what)

    def ready(self, ready: Ready) -> None:
        """Where everything is, and what to try."""
        layout = Layout(ready.place, LayoutName.V2024)
        home = f"{ready.home} ({'temporary' if ready.temporary_home else 'yours, kept'})"
        where = (
            "in this process, forgotten at the end" if ready.embedded else "running elsewhere, kept"
        )
        customer = layout.customer
        _print(f"""
Open    {ready.url}

S3      {ready.endpoint} ({where})
Bucket  {layout.uri("/")} ({ready.objects:,} sample objects)
Home    {home}
        mirrored to {layout.uri(layout.home_path)}
Log     {ready.log}

Try this
  1. Run Welcome.ipynb: it was restored from S3, and uses the three variables.
  2. Managed Storage in the left sidebar: open data, {customer}; copy a path by the button on the right.
  3. Save anything, and find it a moment later in notebooks, {customer}.
  4. In a terminal in JupyterLab: jupyter wherobots doctor; jupyter wherobots ls -l /data/{customer}/

Ctrl-C stops JupyterLab, saves home once more, and says what was saved.""")
        if ready.refused:
            names = "".join(f"\n  {error.message}" for error in ready.refused[:5])
            _print(f"\nThis S3 refused {len(ready.refused)} of the samples:{names}")

    def stopping(self, what: str) -> None:
        """A signal came."""
        _print(f"\n{what}")

    def ended(self, ended: Ended) -> None:
        """What of home is in the bucket, and what is not, by name."""
        evidence = ended.evidence
        if evidence is None:
            _print(
                f"JupyterLab has stopped. Whether home is in the bucket is not known: {ended.error}"
            )
        elif evidence.complete:
            _print(
                f"JupyterLab has stopped. Home is in the bucket: {evidence.files:,} files, {evidence.bytes:,} bytes, "
                f"each compared by SHA-256\n  {ended.home_uri}"
            )
        else:
            lost = [f"  missing    {name}" for name in evidence.missing]
            lost += [f"  different  {name}" for name in evidence.different]
            more = f"\n  and {len(lost) - 20:,} more" if len(lost) > 20 else ""
            names = "\n".join(lost[:20]) + more
            _print(
                f"JupyterLab has stopped. Home is NOT in the bucket in full: {len(lost):,} of "
                f"{evidence.files:,} files are not\n"
                f"{names}"
            )
        if evidence is not None and evidence.left_out:
            _print(f"  left out, by a rule or as unreadable: {', '.join(evidence.left_out)}")
        if ended.kept:
            _print(f"  home stays in {ended.home}")

    def serving(self, endpoint: str, *, keyboard: bool) -> None:
        """Only the S3 server is left."""
        enter = "Enter or Ctrl-C" if keyboard else "The next signal"
        _print(f"The S3 server still answers at {endpoint}. {enter} ends it.")


def _print(text: str) -> None:
    print(text, flush=True)


def _print_json(value: dict[str, Any]) -> None:
    print(json.dumps(value, ensure_ascii=False), flush=True)
