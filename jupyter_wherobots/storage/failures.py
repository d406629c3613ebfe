"""Errors of the S3 room, in the words of this one: they name URIs there, paths here."""

from __future__ import annotations

from ..errors import WherobotsError
from ..layout import Layout, LayoutName, Place


def named(error: WherobotsError, place: Place | None) -> WherobotsError:
    """The error with the path of the managed storage in ``path``, where it had an ``s3://`` URI of this organization."""
    if place is not None and error.path and error.path.startswith(f"s3://{place.bucket}/"):
        # Which layout is shown does not matter here.
        layout = Layout(place, LayoutName.CURRENT)
        if error.path.startswith(f"s3://{place.bucket}/{place.organization}/"):
            error.path = layout.path_of_uri(error.path)
    return error
