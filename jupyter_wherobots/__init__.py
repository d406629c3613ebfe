"""Managed storage in Jupyter: paths in every kernel, a sidebar over the bucket, a home directory that survives.

This module is imported by every Jupyter server, whatever it goes on to do, so it holds the version and the two entry
points that Jupyter looks for, and imports nothing.
"""

from __future__ import annotations

__version__ = "0.1.0"


def _jupyter_labextension_paths() -> list[dict[str, str]]:
    """Say where the prebuilt JupyterLab extension lies (asked by ``jupyter labextension develop``)."""
    return [{"src": "labextension", "dest": "jupyter-wherobots"}]


def _jupyter_server_extension_points() -> list[dict[str, object]]:
    """Name the server extension (asked by Jupyter Server for every module enabled in its configuration)."""
    from jupyter_wherobots.app import WherobotsApp

    return [{"module": "jupyter_wherobots.app", "app": WherobotsApp}]
