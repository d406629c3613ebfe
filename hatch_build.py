"""Build the JupyterLab frontend into the package when its sources changed.

The built assets carry a mark beside them: a digest of everything they were made from and of the build mode. Same digest,
nothing to do: so a second ``pip install`` is quick, stale or development assets never travel in a release, and an sdist,
which holds the assets with their mark, makes a wheel on a machine that has no node.
"""

from __future__ import annotations

import hashlib
import shutil
import subprocess
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

# Everything the built assets depend on. Tests beside the sources do not count.
INPUTS = (
    ".npmrc",
    "bundle.mjs",
    "package-lock.json",
    "package.json",
    "schema",
    "src",
    "style",
    "tsconfig.build.json",
    "tsconfig.json",
)
MARK = "source.sha256"


class FrontendHook(BuildHookInterface[Any]):
    """Hatchling's custom hook: called for the sdist, the wheel and the editable wheel."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Build for development in an editable install, else for production."""
        sources = Path(self.root) / "labextension"
        assets = Path(self.root) / "jupyter_wherobots" / "labextension"
        mode = "development" if version == "editable" else "production"
        mark, wanted = assets / MARK, digest(sources, mode)
        if mark.is_file() and mark.read_text() == wanted:
            return
        npm = shutil.which("npm")
        if npm is None:
            raise RuntimeError(
                "building the JupyterLab frontend needs Node >= 20 and npm on the PATH"
            )
        if not dependencies_installed(sources):
            run(sources, npm, "ci", "--ignore-scripts", "--no-audit", "--no-fund")
        run(sources, npm, "run", "build" if mode == "development" else "build:prod")
        if not (assets / "static" / "style.js").is_file():
            raise RuntimeError("the frontend build left no assets")
        mark.write_text(wanted)


def digest(sources: Path, mode: str) -> str:
    """Name what a build of these sources in this mode is made from."""
    result = hashlib.sha256(mode.encode())
    for name in INPUTS:
        path = sources / name
        for file in sorted(path.rglob("*")) if path.is_dir() else [path]:
            if file.is_file() and ".spec." not in file.name:
                content = hashlib.sha256(file.read_bytes()).hexdigest()
                result.update(f"{file.relative_to(sources).as_posix()}\0{content}\n".encode())
    return result.hexdigest()


def dependencies_installed(sources: Path) -> bool:
    """Say whether node_modules is what the lock file asks for; npm writes its own lock there last."""
    installed = sources / "node_modules" / ".package-lock.json"
    return installed.is_file() and all(
        installed.stat().st_mtime >= (sources / name).stat().st_mtime
        for name in ("package-lock.json", "package.json")
    )


def run(folder: Path, *command: str) -> None:
    """Run one step; its own output says what went wrong."""
    code = subprocess.run(command, cwd=folder, check=False).returncode
    if code != 0:
        raise RuntimeError(f"{' '.join(command[1:])} failed with exit code {code} in {folder}")
