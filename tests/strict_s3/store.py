"""Buckets in memory: versions of objects in key order, uploads under way, keys that are generated.

Knows no HTTP and no conditions. Python orders `str` by code point, which is the order of the
UTF-8 bytes that S3 lists in.
"""

from __future__ import annotations

import heapq
from bisect import bisect_left, insort
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import chain
from operator import attrgetter

from tests.strict_s3.bodies import Body, Synthetic

NULL_VERSION = "null"


@dataclass(frozen=True)
class Version:
    """One version of an object, or a delete marker.

    `etag` has no quotes. `last_modified` is in whole seconds since the epoch, as S3 keeps it.
    `metadata` is the user's, `headers` are those that a GET gives back (Content-Type, …).
    """

    key: str
    etag: str
    last_modified: int
    body: Body = b""
    metadata: Mapping[str, str] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)
    checksums: Mapping[str, str] = field(default_factory=dict)
    version_id: str = NULL_VERSION
    is_delete_marker: bool = False


@dataclass(frozen=True)
class Part:
    """One part of an upload under way."""

    number: int
    etag: str
    body: Body
    last_modified: int
    checksums: Mapping[str, str]


@dataclass
class Upload:
    """A multipart upload that is neither completed nor aborted."""

    upload_id: str
    key: str
    initiated: int
    metadata: Mapping[str, str]
    headers: Mapping[str, str]
    # The checksum it was created with, "" for none, and whether it is made of those of the parts.
    algorithm: str = ""
    is_composite: bool = True
    parts: dict[int, Part] = field(default_factory=dict)


class Generated:
    """Keys that exist because a function says so: `name(0)` … `name(count - 1)`, in key order."""

    def __init__(
        self, name: Callable[[int], str], count: int, size: int, last_modified: int
    ) -> None:
        self._name, self._count, self._size = name, count, size
        self._last_modified = last_modified
        step = max(1, count // 64)
        for index in chain(range(0, count - 1, step), range(max(0, count - 2), count - 1)):
            if not name(index) < name(index + 1):
                raise ValueError(f"generated keys are not in order: {name(index)!r}")

    def _position(self, key: str) -> int:
        low, high = 0, self._count
        while low < high:
            middle = (low + high) // 2
            if self._name(middle) < key:
                low = middle + 1
            else:
                high = middle
        return low

    def from_key(self, start: str) -> Iterator[Version]:
        """The objects from the key `start` on, in order."""
        return map(self._version, range(self._position(start), self._count))

    def version(self, key: str) -> Version | None:
        """The object of a key, the same whenever it is asked for."""
        position = self._position(key)
        if position == self._count or self._name(position) != key:
            return None
        return self._version(position)

    def _version(self, index: int) -> Version:
        key = self._name(index)
        body = Synthetic(key, self._size)
        return Version(key, f"{index:032x}", self._last_modified, body)


class Bucket:
    """One bucket. `versioning` is None (never enabled), "Enabled" or "Suspended"."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.versioning: str | None = None
        self.uploads: dict[str, Upload] = {}
        # What became of the uploads that were completed.
        self.completed: dict[str, Version] = {}
        self._versions: dict[str, list[Version]] = {}
        self._keys: list[str] = []
        self._generated: list[Generated] = []
        # Generated keys that were overwritten or removed: the function no longer speaks for them.
        self._hidden: set[str] = set()

    def generate(self, region: Generated) -> None:
        """Add keys that are made by a function."""
        self._generated.append(region)

    def versions(self, key: str) -> list[Version]:
        """All versions of a key, newest first."""
        found = self._versions.get(key)
        if found is not None:
            return found[::-1]
        generated = self._from_region(key)
        return [generated] if generated else []

    def newest(self, key: str) -> Version | None:
        """The newest version, which may be a delete marker."""
        found = self._versions.get(key)
        return found[-1] if found else self._from_region(key)

    def current(self, key: str) -> Version | None:
        """The object that a plain GET sees."""
        newest = self.newest(key)
        return None if newest is None or newest.is_delete_marker else newest

    def add(self, version: Version) -> None:
        """Make it the newest version; the null version there was is replaced by a null version."""
        key = version.key
        kept = [old for old in reversed(self.versions(key)) if old.version_id != version.version_id]
        if key not in self._versions:
            insort(self._keys, key)
            self._hidden.add(key)
        self._versions[key] = [*kept, version]

    def remove(self, key: str, version_id: str) -> Version | None:
        """Remove one version for good; returns it, None if there is none."""
        everything = self.versions(key)
        gone = next((old for old in everything if old.version_id == version_id), None)
        if gone is None:
            return None
        kept = [old for old in reversed(everything) if old is not gone]
        if kept:
            self._versions[key] = kept
        elif self._versions.pop(key, None):
            del self._keys[bisect_left(self._keys, key)]
        self._hidden.add(key)
        return gone

    def from_key(self, start: str) -> Iterator[Version]:
        """The newest version of every key, from `start` on, in order; O(log n) to the first."""
        keys = self._keys
        places = range(bisect_left(keys, start), len(keys))
        own = (self._versions[keys[place]][-1] for place in places)
        if not self._generated:
            return own
        regions = (
            (version for version in region.from_key(start) if version.key not in self._hidden)
            for region in self._generated
        )
        return heapq.merge(own, *regions, key=attrgetter("key"))

    def is_empty(self) -> bool:
        """Whether it holds no version of anything."""
        return next(self.from_key(""), None) is None

    def _from_region(self, key: str) -> Version | None:
        if key in self._hidden:
            return None
        found = (region.version(key) for region in self._generated)
        return next((version for version in found if version), None)
