"""Paging in key order, with common prefixes, at a cost that follows the page, not the bucket."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from tests.strict_s3.store import Version

FromKey = Callable[[str], Iterator[Version]]


@dataclass
class Page:
    """Versions and common prefixes, and whether more follow; `last` is the last of both."""

    versions: list[Version] = field(default_factory=list)
    prefixes: list[str] = field(default_factory=list)
    truncated: bool = False

    @property
    def last(self) -> str:
        """Where the next page goes on: after this key, or after all keys of this prefix."""
        keys = [each.key for each in self.versions[-1:]]
        return max(keys + self.prefixes[-1:], default="")


def beyond(prefix: str) -> str:
    """The first string in key order that does not start with `prefix` and is not before it."""
    for index in range(len(prefix) - 1, -1, -1):
        if prefix[index] != "\U0010ffff":
            return prefix[:index] + chr(ord(prefix[index]) + 1)
    raise ValueError("nothing lies beyond this prefix")


def common_prefix(key: str, prefix: str, delimiter: str) -> str | None:
    """The group that a key belongs to, up to and including the delimiter."""
    if not delimiter:
        return None
    end = key.find(delimiter, len(prefix))
    return None if end < 0 else key[: end + len(delimiter)]


def page(
    from_key: FromKey,
    visible: Callable[[Version], bool],
    prefix: str,
    delimiter: str,
    after: str,
    limit: int,
) -> Page:
    """At most `limit` keys and groups, among those that are visible, that come after `after`.

    A group that `after` names itself was listed already and is left out; one that `after` lies
    inside of is listed if a key after it is there.
    """
    result = Page()
    start = prefix
    if after:
        group = common_prefix(after, prefix, delimiter) if after.startswith(prefix) else None
        start = max(prefix, beyond(after) if group == after else after + "\0")
    versions = from_key(start)
    while (version := next(versions, None)) is not None and version.key.startswith(prefix):
        if not visible(version):
            continue
        if len(result.versions) + len(result.prefixes) == limit:
            result.truncated = limit > 0
            break
        group = common_prefix(version.key, prefix, delimiter)
        if group is None:
            result.versions.append(version)
        else:
            result.prefixes.append(group)
            versions = from_key(beyond(group))
    return result
