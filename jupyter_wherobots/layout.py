"""Where everything lies: the roots of the managed storage, who may change what, and path <-> key <-> URI.

Pure: no I/O, no S3, no HTTP. One table (``_ROOTS``) drives both layouts. Three spellings of one place::

    path   /data/customer-abc/a b.csv                      what people see; folders end with a slash
    key    <organization>/data/customer-abc/a b.csv        what S3 holds: the organization plus the path, verbatim
    URI    s3://<bucket>/<organization>/data/customer-abc/a b.csv

Nothing is ever normalised on the way (``//``, ``%``, unicode stay as they are), so that every key a bucket can hold has exactly
one path and back. Buckets are shared by many organizations: `Layout.key` is the only way from a path to a
key, and it never answers with one outside the roots.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import Enum

from .errors import InvalidPath, NotFound, NotPermitted

MAX_KEY_BYTES = 1024
"""S3's limit for a key, in bytes of UTF-8."""

INTERNAL = ".wherobots/"
"""Below the home prefix: what the mirror keeps for itself (lease, manifest, names, last-shutdown)."""

VARIABLES = ("USER_S3_PATH", "USER_S3_SHARED_PATH", "USER_WAREHOUSE_PATH")


class LayoutName(str, Enum):
    """Which folders an organization has."""

    CURRENT = "current"
    V2024 = "2024"


@dataclass(frozen=True)
class Problem:
    """One thing wrong with the configuration: which setting, and what is wrong in words."""

    setting: str
    message: str


_BUCKET = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{1,61}[A-Za-z0-9]")
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")


@dataclass(frozen=True)
class Place:
    """Whose storage this is. ``user`` is the bare id, without ``customer-``."""

    bucket: str
    organization: str
    user: str

    @staticmethod
    def problems(bucket: str, organization: str, user: str) -> tuple[Problem, ...]:
        """What is missing or wrong in the three settings, in words; empty if they name a place."""
        found = []
        for setting, value in (("bucket", bucket), ("organization", organization), ("user", user)):
            if not value:
                found.append(Problem(setting, f"{setting} is not set"))
            elif message := _wrong(setting, value):
                found.append(Problem(setting, f"{setting} {value!r} {message}"))
        return tuple(found)


def _wrong(setting: str, value: str) -> str | None:
    if setting == "bucket":
        if "://" in value:
            return "is a URI: give the bucket's name alone"
        return None if _BUCKET.fullmatch(value) else "is not a bucket name"
    if "/" in value:
        return "contains a slash: give the id alone"
    if (
        value in (".", "..")
        or value != value.strip()
        or _CONTROL.search(value)
        or not _encodable(value)
    ):
        return "is not usable as a folder name"
    if setting == "user" and value.startswith("customer-"):
        return "begins with customer-: give the id alone, the prefix is added"
    return None


class AccessKind(str, Enum):
    """What a path is to this user."""

    CONTAINER = "container"
    """``/``, ``/data/``, ``/notebooks/``: fixed folders, answered without S3."""
    ROOT = "root"
    """A folder of a container, such as ``/data/shared/``: can be filled, not deleted or renamed."""
    INSIDE = "inside"
    """Anything below a root."""
    INTERNAL = "internal"
    """Below ``.wherobots/`` of the mirrored home."""
    FOREIGN = "foreign"
    """The private folder of somebody else."""
    UNKNOWN = "unknown"
    """Not part of this layout."""


@dataclass(frozen=True)
class Access:
    """What may be done at a path, and why not.

    ``mutate_protected``: the thing itself may not be deleted, renamed or replaced. ``upload_protected``: nothing may be put
    into it. ``reason`` says why in words a person can read, ``confirmation`` what a person must
    agree to first (None: nothing).
    """

    kind: AccessKind
    mutate_protected: bool
    upload_protected: bool
    reason: str | None = None
    confirmation: str | None = None


class RootKind(str, Enum):
    """What a root is for; the page's badge."""

    PRIVATE = "private"
    SHARED = "shared"
    LOGS = "logs"
    NOTEBOOKS = "notebooks"


@dataclass(frozen=True)
class Root:
    """One folder that can be filled. ``path`` ends with a slash."""

    path: str
    kind: RootKind
    description: str


_SPARK_WARNING = "Changing Spark logs may affect your experience."

# {customer} is customer-<user>; rows of LayoutName.V2024 alone are marked.
_ROOTS: tuple[tuple[str, RootKind, bool, str], ...] = (
    ("/data/{customer}/", RootKind.PRIVATE, False, "Private to you"),
    ("/data/shared/", RootKind.SHARED, False, "Shared with everyone in your organization"),
    (
        "/notebooks/{customer}/",
        RootKind.NOTEBOOKS,
        True,
        "Your home directory, synchronised one way",
    ),
    (
        "/notebooks/shared/",
        RootKind.SHARED,
        True,
        "Notebooks shared with everyone in your organization",
    ),
    ("/spark-logs/", RootKind.LOGS, False, "Logs of your Spark applications"),
)


class Layout:
    """The folders of one user in one organization, and the rules for them."""

    def __init__(self, place: Place, name: LayoutName) -> None:
        self.place = place
        self.name = name
        self.customer = f"customer-{place.user}"
        self.roots = tuple(
            Root(path.format(customer=self.customer), kind, description)
            for path, kind, only_2024, description in _ROOTS
            if name is LayoutName.V2024 or not only_2024
        )
        containers: dict[str, list[str]] = {"/": []}
        for root in self.roots:
            parent = "/"
            for segment in root.path.strip("/").split("/"):
                names = containers.setdefault(parent, [])
                if segment not in names:
                    names.append(segment)
                parent += segment + "/"
        self._containers = {path: tuple(names) for path, names in containers.items()}
        self._root_paths = {root.path: root for root in self.roots}

    # -- places -----------------------------------------------------------------------------------------------------

    @property
    def home_path(self) -> str:
        """Where the home directory is mirrored to, as a path (part of the page only in the 2024 layout)."""
        return f"/notebooks/{self.customer}/"

    @property
    def home_prefix(self) -> str:
        """Where the home directory is mirrored to, as a key prefix."""
        return self.place.organization + self.home_path

    def environment(self, *, trailing_slash: bool = True) -> dict[str, str]:
        """The three variables of every kernel and terminal, as ``s3://`` URIs.

        They end with a slash because public notebooks do ``os.getenv("USER_S3_PATH") + "tiles.pmtiles"``.
        """
        own = f"/data/{self.customer}/"
        values = (self.uri(own), self.uri("/data/shared/"), self.uri(f"{own}warehouse/"))
        return {
            name: value if trailing_slash else value.rstrip("/")
            for name, value in zip(VARIABLES, values, strict=True)
        }

    def children(self, path: str) -> tuple[str, ...] | None:
        """The names in a fixed folder (``/``, ``/data/``, ``/notebooks/``), or None for whatever S3 has to list."""
        return self._containers.get(self.folder(path))

    def root_of(self, path: str) -> Root | None:
        """The root that a path lies in (or is), or None."""
        for root in self.roots:
            if path.startswith(root.path) or path + "/" == root.path:
                return root
        return None

    def folder(self, path: str) -> str:
        """The path as a folder: with its trailing slash. Raises InvalidPath."""
        _check(path)
        return path if path.endswith("/") else path + "/"

    # -- permissions --------------------------------------------------------------------------------------------------

    def access(self, path: str) -> Access:
        """What may be done at a path, for every path there can be. Raises InvalidPath for what is no path at all."""
        _check(path)
        folder = path if path.endswith("/") else path + "/"
        if folder in self._containers:
            return Access(
                AccessKind.CONTAINER,
                mutate_protected=True,
                upload_protected=True,
                reason=f"{folder} is read-only: its folders are fixed.",
            )
        root = self.root_of(path)
        if root is None:
            return self._outside(folder)
        confirmation = _SPARK_WARNING if root.kind is RootKind.LOGS else None
        if folder == root.path:
            return Access(
                AccessKind.ROOT,
                mutate_protected=True,
                upload_protected=False,
                reason=f"{folder} can be filled, but not deleted or renamed.",
                confirmation=confirmation,
            )
        if root.path == self.home_path and folder.startswith(root.path + INTERNAL):
            return Access(
                AccessKind.INTERNAL,
                mutate_protected=True,
                upload_protected=True,
                reason=f"{root.path}{INTERNAL} is kept by the home synchronisation itself.",
            )
        return Access(AccessKind.INSIDE, False, False, confirmation, confirmation)

    def _outside(self, folder: str) -> Access:
        parent, name = _parent(folder)
        segments = folder.split("/")[1:3]
        private = segments[0] in ("data", "notebooks") and segments[-1].startswith("customer-")
        if private and segments[-1] != self.customer:
            reason = f"/{'/'.join(segments)}/ is private to another user."
            return Access(AccessKind.FOREIGN, True, True, reason)
        if parent in self._containers:
            reason = f"{parent} is read-only: {name!r} cannot be created in it."
        else:
            reason = f"{folder} is not part of the managed storage."
        return Access(AccessKind.UNKNOWN, True, True, reason)

    # -- path <-> key <-> URI -----------------------------------------------------------------------------------------

    def key(self, path: str) -> str:
        """The S3 key of a path in one of the roots; of a folder, its prefix.

        Raises NotPermitted for the fixed folders and for what is private to another user, NotFound for what is not part of the
        layout, and InvalidPath for what no key can be (over 1,024 bytes, not UTF-8), or must not be: ``.`` and ``..`` segments
        are legal in S3, but stores and proxies on the way resolve them.
        """
        access = self.access(path)
        if access.kind is AccessKind.UNKNOWN:
            # The reason is about changes; who only looks is told what there is.
            raise NotFound(
                f"{path} is not part of the managed storage.",
                path=path,
                hint=f"Its folders are {', '.join(root.path for root in self.roots)}.",
            )
        if access.kind in (AccessKind.FOREIGN, AccessKind.CONTAINER):
            raise NotPermitted(access.reason or path, path=path)
        root = self._root_paths.get(path + "/")
        key = self.place.organization + (root.path if root else path)
        if any(segment in (".", "..") for segment in path.split("/")):
            raise InvalidPath(
                f"{path} has a '.' or '..' between slashes, which does not reach every store unchanged.",
                path=path,
                hint="Use boto3 with its exact key, or rename it with the AWS CLI.",
            )
        if len(key.encode()) > MAX_KEY_BYTES:
            raise InvalidPath(
                f"The path is too long: S3 takes keys of {MAX_KEY_BYTES} bytes at most.", path=path
            )
        return key

    def path(self, key: str) -> str:
        """The path of a key. Raises InvalidPath for one outside the organization."""
        if not key.startswith(self.place.organization + "/"):
            raise InvalidPath(f"The key {key!r} lies outside the organization.")
        return key[len(self.place.organization) :]

    def uri(self, path: str) -> str:
        """The ``s3://`` URI of a path, of fixed folders too. Raises NotPermitted for what is private to another user."""
        access = self.access(path)
        if access.kind is AccessKind.FOREIGN:
            raise NotPermitted(access.reason or path, path=path)
        fixed = access.kind in (AccessKind.CONTAINER, AccessKind.ROOT)
        return f"s3://{self.place.bucket}/{self.place.organization}{self.folder(path) if fixed else path}"

    def path_of_uri(self, uri: str) -> str:
        """The path of an ``s3://`` (or ``s3a://``) URI of this organization. Raises InvalidPath for any other."""
        match = re.fullmatch(r"s3a?://([^/]+)/(.*)", uri, re.DOTALL)
        if match is None or match.group(1) != self.place.bucket:
            raise InvalidPath(f"{uri!r} is not an s3:// path of the bucket {self.place.bucket}.")
        return self.path(match.group(2))


def _check(path: str) -> None:
    if not path.startswith("/"):
        raise InvalidPath(f"{path!r} does not begin with a slash.", path=path)
    if not _encodable(path):
        raise InvalidPath(f"{path!r} is not valid unicode.")


def _encodable(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _parent(folder: str) -> tuple[str, str]:
    parent, _, name = folder[:-1].rpartition("/")
    return parent + "/", name
