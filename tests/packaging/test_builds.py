"""The sdist, the wheel and the editable install, built and installed for real.

The builds run on a copy of the sources, so that a development build in the checkout is left alone, and without an isolated
build environment, so that they need no network.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import sysconfig
import tarfile
import zipfile
from pathlib import Path

import pytest

import hatch_build
import jupyter_wherobots

ROOT = Path(hatch_build.__file__).parent
VERSION = jupyter_wherobots.__version__
ASSETS = Path("jupyter_wherobots", "labextension")

pytestmark = [pytest.mark.process, pytest.mark.timeout(300)]


def environment(home: Path, *, node: bool) -> dict[str, str]:
    """The environment of a user who has nothing but what the test gives: node, or not even that."""
    path = home / "bin"
    path.mkdir(parents=True, exist_ok=True)
    return {
        "HOME": str(home),
        "PATH": os.environ["PATH"] if node else str(path),
        "LC_ALL": "C.UTF-8",
    }


def run(*command: str | Path, cwd: Path, env: dict[str, str]) -> str:
    """Run to success and return what was printed, free of colours."""
    done = subprocess.run(command, cwd=cwd, env=env, capture_output=True, text=True, check=False)
    output = re.sub(r"\x1b\[\d+m", "", done.stdout + done.stderr)
    assert done.returncode == 0, output
    return output


def copy_sources(to: Path) -> Path:
    """Copy what git would commit; the frontend's dependencies are linked, being large and only read."""
    listed = subprocess.check_output(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"], cwd=ROOT, text=True
    )
    for name in listed.split("\0"):
        if name and (ROOT / name).is_file():
            (to / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, to / name)
    frontend = to / "labextension"
    dependencies = ROOT / "labextension" / "node_modules"
    (frontend / "node_modules").symlink_to(dependencies)
    # As old as what is linked, or else npm would install it anew, in the checkout.
    installed = (dependencies / ".package-lock.json").stat().st_mtime
    for name in ("package.json", "package-lock.json"):
        os.utime(frontend / name, (installed, installed))
    return to


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("home")


@pytest.fixture(scope="module")
def sdist(tmp_path_factory: pytest.TempPathFactory, home: Path) -> Path:
    """An sdist of a tree in which only a development build had been made before."""
    tree = copy_sources(tmp_path_factory.mktemp("tree"))
    editable = "from hatchling.build import build_editable; build_editable('dist')"
    run(sys.executable, "-c", editable, cwd=tree, env=environment(home, node=True))
    assert (tree / ASSETS / "build_log.json").exists()
    build = (sys.executable, "-m", "hatchling", "build", "-t", "sdist")
    run(*build, cwd=tree, env=environment(home, node=True))
    (file,) = (tree / "dist").glob("*.tar.gz")
    return file


@pytest.fixture(scope="module")
def unpacked(sdist: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("unpacked")
    with tarfile.open(sdist) as archive:
        archive.extractall(folder, filter="data")
    (tree,) = folder.iterdir()
    return tree


@pytest.fixture(scope="module")
def wheel(sdist: Path, tmp_path_factory: pytest.TempPathFactory, home: Path) -> Path:
    """The wheel pip makes of the sdist where there is no node."""
    folder = tmp_path_factory.mktemp("wheel")
    pip = (sys.executable, "-m", "pip", "wheel", "--no-build-isolation", "--no-deps", "--no-index")
    run(*pip, sdist, cwd=folder, env=environment(home, node=False))
    (file,) = folder.glob("*.whl")
    return file


def fresh_venv(folder: Path, home: Path) -> Path:
    """Make a virtual environment that sees the dependencies installed here, but not this project; return its Python."""
    make = (sys.executable, "-m", "venv", "--without-pip", folder)
    run(*make, cwd=home, env=environment(home, node=False))
    (site,) = folder.glob("lib/python*/site-packages")
    # A path named in a .pth file is searched, but the .pth files in it, an editable install's among them, are not read.
    (site / "dependencies.pth").write_text(sysconfig.get_path("purelib") + "\n")
    return folder / "bin" / "python"


def pip_install(python: Path, *what: str | Path, home: Path, node: bool) -> None:
    pip = (sys.executable, "-m", "pip", "--python", python)
    install = ("install", "--no-deps", "--no-index", "--no-build-isolation", *what)
    run(*pip, *install, cwd=home, env=environment(home, node=node))


def imported_from(python: Path, home: Path) -> Path:
    program = "import jupyter_wherobots as w; print(w.__file__)"
    return Path(run(python, "-c", program, cwd=home, env=environment(home, node=False)).strip())


def listed(python: Path, module: str, home: Path) -> str:
    """The output of ``jupyter … list``, as one line with single spaces."""
    return " ".join(
        run(python, "-m", module, "list", cwd=home, env=environment(home, node=False)).split()
    )


def assert_both_extensions_ok(python: Path, home: Path) -> None:
    servers = listed(python, "jupyter_server.extension.serverextension", home)
    assert "jupyter_wherobots enabled" in servers
    assert f"jupyter_wherobots {VERSION} OK" in servers
    frontends = listed(python, "jupyterlab.labextensions", home)
    assert f"jupyter-wherobots v{VERSION} enabled OK (python, jupyter-wherobots)" in frontends


def test_the_sdist_holds_the_frontend_built_for_production_and_nothing_private(
    unpacked: Path,
) -> None:
    names = {
        file.relative_to(unpacked).as_posix() for file in unpacked.rglob("*") if file.is_file()
    }
    assert {"LICENSE", "README.md", "pyproject.toml", "labextension/src/index.ts"} <= names
    assert (unpacked / ASSETS / "static" / "style.js").is_file()
    assert not (unpacked / ASSETS / "build_log.json").exists()
    assert [name for name in names if name.endswith(".map")] == []
    assert [
        name
        for name in names
        if "node_modules" in name or name.startswith((".venv/", "labextension/lib/"))
    ] == []


def test_the_wheel_holds_each_asset_once_where_jupyter_looks(wheel: Path, unpacked: Path) -> None:
    names = zipfile.ZipFile(wheel).namelist()
    data = f"jupyter_wherobots-{VERSION}.data/data"
    assert f"{data}/etc/jupyter/jupyter_server_config.d/jupyter_wherobots.json" in names
    assert f"{data}/share/jupyter/labextensions/jupyter-wherobots/install.json" in names
    assert "jupyter_wherobots/py.typed" in names
    assert f"jupyter_wherobots-{VERSION}.dist-info/licenses/LICENSE" in names
    for asset in (unpacked / ASSETS / "static").iterdir():
        assert [name for name in names if name.endswith(f"/static/{asset.name}")] == [
            f"{data}/share/jupyter/labextensions/jupyter-wherobots/static/{asset.name}"
        ]
    assert [name for name in names if name.startswith(("tests/", "hatch_build"))] == []


def test_one_pip_install_enables_both_extensions_and_the_command(
    wheel: Path, tmp_path: Path, home: Path
) -> None:
    python = fresh_venv(tmp_path / "venv", home)
    pip_install(python, wheel, home=home, node=False)
    assert_both_extensions_ok(python, home)
    assert imported_from(python, home).is_relative_to(tmp_path / "venv")
    assert os.access(tmp_path / "venv" / "bin" / "jupyter-wherobots", os.X_OK)


def test_an_editable_install_enables_both_extensions(tmp_path: Path, home: Path) -> None:
    tree = copy_sources(tmp_path / "tree")
    python = fresh_venv(tmp_path / "venv", home)
    pip_install(python, "--editable", tree, home=home, node=True)
    assert_both_extensions_ok(python, home)
    assert imported_from(python, home) == tree / "jupyter_wherobots" / "__init__.py"


def test_changed_frontend_sources_are_never_packed_stale(
    unpacked: Path, tmp_path: Path, home: Path
) -> None:
    tree = tmp_path / "tree"
    shutil.copytree(unpacked, tree)
    source = tree / "labextension" / "src" / "index.ts"
    source.write_text(source.read_text() + "// changed\n")
    done = subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "-t", "wheel"],
        cwd=tree,
        env=environment(home, node=False),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode != 0
    assert "needs Node >= 20 and npm on the PATH" in done.stderr
    assert list(tree.glob("dist/*.whl")) == []


def test_the_frontend_asks_for_no_newer_jupyterlab_than_the_oldest_supported(
    unpacked: Path,
) -> None:
    """Each shared package is asked for by the range in package.json, not by the one of the builder's own JupyterLab."""
    (entry,) = (unpacked / ASSETS / "static").glob("remoteEntry.*.js")
    wanted = json.loads((unpacked / "labextension" / "package.json").read_text())["dependencies"]
    oldest = {name: version(range_) for name, range_ in wanted.items()}
    asked = dict(
        re.findall(
            r'shareKey:"(@jupyterlab/[\w-]+)"[^{}]*?requiredVersion:"([^"]+)"', entry.read_text()
        )
    )
    assert asked
    assert {name: range_ for name, range_ in asked.items() if version(range_) > oldest[name]} == {}


def version(range_: str) -> tuple[int, ...]:
    return tuple(int(number) for number in re.findall(r"\d+", range_))
