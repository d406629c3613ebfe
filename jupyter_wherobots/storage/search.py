"""Search below a folder by name: page by page, in constant memory, whatever the number of keys."""

from __future__ import annotations

import fnmatch
import re
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ..layout import AccessKind, Layout
from ..s3.listing import Object, page
from .entries import Entry, file_entry, folder_entry
from .permissions import prefixes

if TYPE_CHECKING:
    from ..s3.client import S3

_GLOB = re.compile(r"[*?\[]")


@dataclass(frozen=True)
class Step:
    """What one page of S3 brought: its matches, and how far the search is. ``complete`` is set on the last: None before."""

    entries: tuple[Entry, ...]
    scanned: int
    found: int
    complete: bool | None = None


def search(
    s3: S3, layout: Layout, path: str, name: str, limit: int, stop: threading.Event | None = None
) -> Iterator[Step]:
    """Files and folders below a folder whose name matches, in S3's order; at least one step, the last with ``complete``.

    ``name``: a fragment; with ``*``, ``?`` or ``[…]`` a glob for the whole name; with a slash too, for the
    whole path below the folder, where ``**`` stands for any number of folders. Case never matters. Ends
    early, not complete, after ``limit`` matches and when ``stop`` is set. Raises (at the first step or later)
    InvalidPath, NotFound, NotPermitted and every `StorageError`.
    """
    folder = layout.folder(path)
    matches = matcher(name)
    scanned = found = 0
    for prefix in prefixes(layout, folder):
        root = layout.path(prefix)
        seen: list[str] = []
        if layout.access(folder).kind is AccessKind.CONTAINER:
            # The roots in a fixed folder are found like any folder in it.
            seen = root[len(folder) : -1].split("/")
            entries = [folder_entry(layout, root)] if matches(seen) else []
        else:
            entries = []
        token: str | None = None
        while True:
            below = page(s3, prefix, delimiter="", token=token)
            for item in below.objects:
                entries += _matching(layout, folder, item, seen, matches)
            scanned += len(below.objects)
            entries = entries[: limit - found]
            found += len(entries)
            token = below.token
            if found >= limit or (stop is not None and stop.is_set()):
                yield Step(tuple(entries), scanned, found, complete=False)
                return
            yield Step(tuple(entries), scanned, found)
            entries = []
            if token is None:
                break
    yield Step((), scanned, found, complete=True)


def _matching(
    layout: Layout,
    folder: str,
    item: Object,
    seen: list[str],
    matches: Callable[[Sequence[str]], bool],
) -> Iterator[Entry]:
    """The matches that one object brings: folders that it is the first in, and itself.

    ``seen`` is the folder of the object before, updated in place: keys come sorted, so the objects of a folder are
    together, and a folder is new if the object before was not in it.
    """
    path = layout.path(item.key)
    *above, name = path[len(folder) :].split("/")
    common = 0
    while common < min(len(above), len(seen)) and above[common] == seen[common]:
        common += 1
    seen[:] = above
    for depth in range(common + 1, len(above) + 1):
        if matches(above[:depth]):
            yield folder_entry(layout, folder + "/".join(above[:depth]) + "/")
    if (name or item.size) and matches([*above, name]):
        yield file_entry(layout, item)


def matcher(name: str) -> Callable[[Sequence[str]], bool]:
    """The test for the segments of a path below the folder that is searched."""
    wanted = name.casefold()
    if not _GLOB.search(wanted) and "/" not in wanted:
        return lambda segments: wanted in segments[-1].casefold()
    if "/" not in wanted:
        whole = re.compile(fnmatch.translate(wanted))
        return lambda segments: whole.match(segments[-1].casefold()) is not None
    patterns = [
        None if segment == "**" else re.compile(fnmatch.translate(segment))
        for segment in wanted.strip("/").split("/")
    ]
    return lambda segments: _path_matches([each.casefold() for each in segments], patterns)


def _path_matches(segments: Sequence[str], patterns: Sequence[re.Pattern[str] | None]) -> bool:
    """Whether all segments match all patterns in turn; None stands for any number of segments. Takes len x len steps."""
    # reach[i]: the segments so far can be matched by the first i patterns.
    reach = [True] + [False] * len(patterns)
    for i, pattern in enumerate(patterns):
        reach[i + 1] = reach[i] and pattern is None
    for segment in segments:
        after = [False] * len(reach)
        for i, pattern in enumerate(patterns):
            if pattern is None:
                after[i + 1] = reach[i + 1] or after[i]
            else:
                after[i + 1] = reach[i] and pattern.match(segment) is not None
        reach = after
    return reach[-1]
