"""Whether something may be done at a path, decided by the layout before S3 is asked. Pure."""

from __future__ import annotations

from ..errors import ConfirmationRequired, InvalidPath, NotPermitted
from ..layout import AccessKind, Layout


def check_put(layout: Layout, path: str, confirm: bool = False) -> str:
    """The key for a file that is to be written. Raises NotPermitted, ConfirmationRequired, InvalidPath."""
    access = layout.access(path)
    if access.mutate_protected:
        raise NotPermitted(access.reason or path, path=path)
    if path.endswith("/"):
        raise InvalidPath(
            f"{path} ends with a slash, so it is a folder.",
            path=path,
            hint="A file's name has no slash at its end.",
        )
    return _confirmed(layout, path, confirm)


def check_fill(layout: Layout, folder: str, confirm: bool = False) -> str:
    """The key prefix of a folder that something is to be put into. Raises as `check_put` does."""
    access = layout.access(folder)
    if access.upload_protected:
        raise NotPermitted(access.reason or folder, path=folder)
    return _confirmed(layout, layout.folder(folder), confirm)


def check_change(layout: Layout, path: str, confirm: bool = False) -> str:
    """The key of what is to be deleted, moved or renamed. Raises as `check_put` does."""
    access = layout.access(path)
    if access.mutate_protected:
        raise NotPermitted(access.reason or path, path=path)
    return _confirmed(layout, path, confirm)


def prefixes(layout: Layout, path: str) -> tuple[str, ...]:
    """The key prefixes of everything below a folder; several for a fixed folder, which holds roots.

    Raises InvalidPath, NotFound, NotPermitted.
    """
    folder = layout.folder(path)
    if layout.access(folder).kind is AccessKind.CONTAINER:
        return tuple(layout.key(root.path) for root in layout.roots if root.path.startswith(folder))
    return (layout.key(folder),)


def _confirmed(layout: Layout, path: str, confirm: bool) -> str:
    confirmation = layout.access(path).confirmation
    key = layout.key(path)
    if confirmation and not confirm:
        raise ConfirmationRequired(confirmation, path=path)
    return key
