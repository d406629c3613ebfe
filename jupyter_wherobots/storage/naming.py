"""What happens when a name is taken."""

from __future__ import annotations

import re
from collections.abc import Collection
from enum import Enum
from typing import TYPE_CHECKING

from ..s3.listing import page

if TYPE_CHECKING:
    from ..s3.client import S3


class Conflict(str, Enum):
    """What to do if a name is taken."""

    FAIL = "fail"
    SKIP = "skip"
    """Leave what is there, and what was to come where it is. For jobs of many files."""
    REPLACE = "replace"
    KEEP_BOTH = "keep-both"
    """Take the next free name: ``name (1).ext``."""


def numbered(name: str, number: int) -> str:
    """``a.csv`` -> ``a (1).csv``; a folder's name keeps its slash; a leading dot is no extension."""
    stem, ending = _stem(name)
    return f"{stem} ({number}){ending}"


def free_key(s3: S3, key: str, given: Collection[str] = ()) -> str:
    """The first of ``key``, ``key (1)``, … that nothing lies at and that is not in ``given``; a folder's key ends with a
    slash and is free if nothing is below.

    One listing of what begins like it, not a look at each candidate. Somebody else may take it meanwhile: the write
    itself has to be conditional. Raises what `page` raises.
    """
    if key not in given and not _exists(s3, key):
        return key
    folder, name = _split(key)
    stem, ending = _stem(name)
    pattern = re.compile(re.escape(f"{stem} (") + "([1-9][0-9]{0,8})" + re.escape(f"){ending}"))
    taken: set[int] = set()
    token: str | None = None
    while True:
        found = page(s3, f"{folder}{stem} (", token=token)
        seen = [*(item.key for item in found.objects), *found.prefixes]
        matches = (pattern.fullmatch(each[len(folder) :]) for each in seen)
        taken.update(int(match[1]) for match in matches if match)
        token = found.token
        if token is None:
            break
    number = 1
    while number in taken or folder + numbered(name, number) in given:
        number += 1
    return folder + numbered(name, number)


def _stem(name: str) -> tuple[str, str]:
    """A name before and behind the place where a number goes."""
    if name.endswith("/"):
        return name[:-1], "/"
    stem, dot, suffix = name.rpartition(".")
    return (stem, dot + suffix) if stem else (name, "")


def _split(key: str) -> tuple[str, str]:
    folder, _, name = key.removesuffix("/").rpartition("/")
    return folder + "/", name + ("/" if key.endswith("/") else "")


def _exists(s3: S3, key: str) -> bool:
    """Whether there is such an object, or anything in such a folder."""
    found = page(s3, key, limit=1)
    if key.endswith("/"):
        return bool(found.objects or found.prefixes)
    return bool(found.objects) and found.objects[0].key == key
