"""Paging in key order, with common prefixes, at a cost that follows the page, not the bucket."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

FromKey = Callable[[str], Iterator[str]]


@dataclass
class KeyPage:
    """Keys and common prefixes, and whether more follow; `last` is the last of both."""

    keys: list[str] = field(default_factory=list)
    prefixes: list[str] = field(default_factory=list)
    truncated: bool = False

    @property
    def last(self) -> str:
        """Where the next page goes on: after this key, or after all keys of this prefix."""
        return max(self.keys[-1:] + self.prefixes[-1:], default="")


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
    visible: Callable[[str], bool],
    prefix: str,
    delimiter: str,
    after: str,
    limit: int,
) -> KeyPage:
    """At most `limit` visible keys and groups that come after `after`.

    A group that `after` names itself was listed already and is left out; one that `after` lies
    inside of is listed if a key after it is there.
    """
    result = KeyPage()
    start = prefix
    if after:
        group = common_prefix(after, prefix, delimiter) if after.startswith(prefix) else None
        start = max(prefix, beyond(after) if group == after else after + "\0")
    keys = from_key(start)
    while (key := next(keys, None)) is not None and key.startswith(prefix):
        if not visible(key):
            continue
        if len(result.keys) + len(result.prefixes) == limit:
            result.truncated = limit > 0
            break
        group = common_prefix(key, prefix, delimiter)
        if group is None:
            result.keys.append(key)
        else:
            result.prefixes.append(group)
            keys = from_key(beyond(group))
    return result
