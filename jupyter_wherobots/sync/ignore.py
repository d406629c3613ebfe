"""What is not mirrored, and why. Never silently: every omission is shown with its reason.

Built in: credentials, true caches, what editors keep for the length of a save, our own state. From people: files called
``.wherobotsignore`` in any folder, with git's syntax (a ``!pattern`` also brings back a credential file that is
withheld by default). What costs little to make again but much to lose for a while (``.venv``) is mirrored last, not dropped.
"""

from __future__ import annotations

import codecs
import re
from collections.abc import Iterable
from typing import NamedTuple

import pathspec

from .status import SkipReason

RULES_FILE = b".wherobotsignore"
CACHE_TAG = b"CACHEDIR.TAG"
STAGED = b".wherobots-staged-"
"""Begins the name of a staging file (`landing`), on file systems that need one."""
CACHE_SIGNATURE = b"Signature: 8a477f597d28d172789f06886806bc55"
"""The first bytes of a CACHEDIR.TAG that means it (bford.info/cachedir)."""

_SECRET_FILES = re.compile(
    rb"\.aws/credentials|\.ssh/(?:id_[^/]*(?<!\.pub)|identity|[^/]*\.pem|[^/]*\.key)"
    rb"|\.netrc|\.pgpass|\.git-credentials|\.config/git/credentials|\.docker/config\.json|\.kube/config"
    rb"|\.pypirc|\.s3cfg|\.boto|\.passwd-s3fs|\.config/rclone/rclone\.conf|\.config/gh/hosts\.yml"
    rb"|\.kaggle/kaggle\.json|\.databrickscfg|\.vault-token|\.my\.cnf|\.huggingface/token|\.condarc-tokens"
    rb"|\.terraform\.d/credentials\.tfrc\.json|\.jupyter/[^/]*cookie_secret"
)
_SECRET_FOLDERS = frozenset(
    (
        b".aws/sso",
        b".aws/cli/cache",
        b".gnupg",
        b".config/gcloud",
        b".azure",
        b".local/share/jupyter/runtime",
        b".local/share/keyrings",
    )
)
SSH = b".ssh"
"""Here private keys are withheld whatever they are called (`is_private_key`)."""
_PRIVATE_KEY = re.compile(rb"\s*(?:-----BEGIN [A-Z0-9 ]*PRIVATE KEY-----|PuTTY-User-Key-File-)")
_SECRET_PARENTS = frozenset(
    match.rpartition(b"/")[0]
    for match in (
        *(b".aws/x", b".ssh/x", b"x", b".config/git/x", b".docker/x", b".kube/x", b".kaggle/x"),
        *(
            b".config/rclone/x",
            b".config/gh/x",
            b".huggingface/x",
            b".terraform.d/x",
            b".jupyter/x",
        ),
    )
)
_CACHE_FOLDERS = frozenset(
    (b".cache", b".local/share/Trash", b".Trash", b".npm/_cacache", b".npm/_logs")
)

_GIT_TEMPORARY = re.compile(rb"\.lock$|/gc\.pid$|/tmp_(?:obj|pack|idx|rev|mtimes|objdir)[^/]*$")
"""Git's own for the length of one command; a lock that came back from S3 would block the repository."""
_GIT_CACHES = re.compile(rb"/objects/(?:info/commit-graphs?|pack/multi-pack-index[^/]*)$")
"""What git makes from the objects, and makes anew; beside others than it was made from it is an error to ``git fsck``."""

_MESSAGES = {
    SkipReason.CREDENTIALS: "Credentials are not put where others of your organization may read them; "
    "a line !/{path} in .wherobotsignore mirrors it all the same.",
    SkipReason.CACHE: "A cache: it is made again when it is needed.",
    SkipReason.SPECIAL: "Neither a file, a folder nor a link.",
    SkipReason.OTHER_DEVICE: "Another file system is mounted here.",
    SkipReason.OWN_STATE: "The synchronisation's own state.",
    SkipReason.RULE: "Named by a rule in .wherobotsignore.",
    SkipReason.DATABASE_LOG: "The log of a SQLite database in use: what it says is saved with the database.",
    SkipReason.UNREADABLE: "It belongs to the file system, and is not yours to read.",
    SkipReason.TEMPORARY: "A temporary file of an editor or of git.",
}


def message(reason: SkipReason, path: bytes) -> str:
    """Why, in words for people."""
    return _MESSAGES[reason].format(path=path.decode("utf-8", "backslashreplace"))


class Rules(NamedTuple):
    """The patterns of one ``.wherobotsignore``. ``base`` is its folder; ``problems`` lines that could not be understood."""

    base: bytes
    patterns: tuple[pathspec.Pattern, ...]
    problems: tuple[str, ...]


def parse(base: bytes, text: bytes) -> Rules:
    """The rules in one file. A line that is no pattern is reported and the others hold."""
    patterns: list[pathspec.Pattern] = []
    problems = []
    text = text.removeprefix(codecs.BOM_UTF8)  # as git does
    for line in text.decode("utf-8", "surrogateescape").splitlines():
        try:
            patterns += pathspec.GitIgnoreSpec.from_lines([line]).patterns
        except ValueError as error:
            problems.append(f"{line!r} is no pattern: {error}")
    return Rules(base, tuple(patterns), tuple(problems))


def ruled(rules: Iterable[Rules], path: bytes, folder: bool) -> bool | None:
    """What the last rule that matches says: True ignored, False brought back by a ``!``; None if none matches."""
    verdict = None
    for each in rules:
        inner = path[len(each.base) + 1 :] if each.base else path
        text = inner.decode("utf-8", "surrogateescape") + ("/" if folder else "")
        for pattern in each.patterns:
            if pattern.include is not None and pattern.match_file(text) is not None:
                verdict = pattern.include
    return verdict


class Ignore:
    """The built-in rules, and this engine's own folders (``own``: paths in home)."""

    def __init__(self, own: Iterable[bytes] = ()) -> None:
        self._own = frozenset(own)

    def looks_closer(self, folder: bytes) -> bool:
        """Whether the names of the files directly in this folder matter; spares the others a look."""
        return folder in _SECRET_PARENTS or b".git" in folder.split(b"/")

    def folder(self, path: bytes, name: bytes, rules: tuple[Rules, ...]) -> SkipReason | None:
        """Why a folder and all in it is not mirrored, or None."""
        if path in self._own:
            return SkipReason.OWN_STATE
        verdict = ruled(rules, path, True) if rules else None
        if verdict is False:
            return None
        if path in _SECRET_FOLDERS:
            return SkipReason.CREDENTIALS
        if name == b"__pycache__" or path in _CACHE_FOLDERS or name.startswith(b".Trash-"):
            return SkipReason.CACHE
        if name == b"commit-graphs" and _is_gits(_GIT_CACHES, path):
            return SkipReason.CACHE
        return SkipReason.RULE if verdict else None

    def file(self, path: bytes, name: bytes, rules: tuple[Rules, ...]) -> SkipReason | None:
        """Why a file or link is not mirrored, or None."""
        if path in self._own or name.startswith(STAGED):
            return SkipReason.OWN_STATE
        verdict = ruled(rules, path, False) if rules else None
        if verdict is False:
            return None
        if name.startswith(b".~") or _is_gits(_GIT_TEMPORARY, path):
            return SkipReason.TEMPORARY
        if _is_gits(_GIT_CACHES, path):
            return SkipReason.CACHE
        if _SECRET_FILES.fullmatch(path):
            return SkipReason.CREDENTIALS
        return SkipReason.RULE if verdict else None


def is_cache(head: bytes) -> bool:
    """Whether a CACHEDIR.TAG that begins with these bytes means it."""
    return head.startswith(CACHE_SIGNATURE)


def is_private_key(head: bytes) -> bool:
    """Whether a file that begins with these bytes is a private key."""
    return _PRIVATE_KEY.match(head) is not None


def _is_gits(pattern: re.Pattern[bytes], path: bytes) -> bool:
    """Whether a path is one of these of git's."""
    return b".git/" in path and pattern.search(path) is not None
