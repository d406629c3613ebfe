"""What the files of the package say about each other."""

import json
import os
import re
from pathlib import Path

import pytest

import hatch_build
import jupyter_wherobots

ROOT = Path(hatch_build.__file__).parent
LABEXTENSION = ROOT / "labextension"


def manifest(name: str) -> dict[str, object]:
    content = json.loads((LABEXTENSION / name).read_text())
    assert isinstance(content, dict)
    return content


def test_the_frontend_carries_the_version_of_the_package() -> None:
    lock = manifest("package-lock.json")
    assert manifest("package.json")["version"] == jupyter_wherobots.__version__
    assert lock["version"] == jupyter_wherobots.__version__
    assert lock["packages"][""]["version"] == jupyter_wherobots.__version__  # type: ignore[index]


def test_the_lock_file_names_no_download_address() -> None:
    packages = manifest("package-lock.json")["packages"]
    assert isinstance(packages, dict)
    assert len(packages) > 100
    assert [name for name, package in packages.items() if "resolved" in package] == []


def test_the_lock_file_of_the_hubs_proxy_names_none_either() -> None:
    lock = json.loads((ROOT / "tests" / "process" / "hub" / "package-lock.json").read_text())
    assert "node_modules/configurable-http-proxy" in lock["packages"]
    assert [name for name, package in lock["packages"].items() if "resolved" in package] == []


def test_the_lock_file_holds_the_native_parts_for_every_platform() -> None:
    """npm leaves out what a registry happens to lack, and the lock then fails on other machines."""
    packages = manifest("package-lock.json")["packages"]
    assert isinstance(packages, dict)
    held = {path.rpartition("node_modules/")[2] for path in packages}
    wanted = {
        name for package in packages.values() for name in package.get("optionalDependencies", {})
    }
    assert "@rspack/binding-linux-arm64-gnu" in wanted
    assert wanted - held == set()


def test_every_input_of_the_frontend_build_exists() -> None:
    assert [name for name in hatch_build.INPUTS if not (LABEXTENSION / name).exists()] == []


@pytest.fixture
def sources(tmp_path: Path) -> Path:
    for name in hatch_build.INPUTS:
        if (LABEXTENSION / name).is_dir():
            (tmp_path / name).mkdir()
            (tmp_path / name / "content").write_text(name)
        else:
            (tmp_path / name).write_text(name)
    return tmp_path


def test_the_digest_stays_while_nothing_a_build_uses_changes(sources: Path) -> None:
    before = hatch_build.digest(sources, "production")
    (sources / "README.md").write_text("not built")
    (sources / "src" / "model.spec.ts").write_text("a test")
    assert hatch_build.digest(sources, "production") == before


def test_the_digest_depends_on_the_build_mode(sources: Path) -> None:
    assert hatch_build.digest(sources, "production") != hatch_build.digest(sources, "development")


@pytest.mark.parametrize("name", hatch_build.INPUTS)
def test_the_digest_depends_on_every_input(sources: Path, name: str) -> None:
    before = hatch_build.digest(sources, "production")
    file = sources / name / "content" if (sources / name).is_dir() else sources / name
    file.write_text("changed")
    assert hatch_build.digest(sources, "production") != before


def test_the_digest_notices_a_renamed_and_a_removed_file(sources: Path) -> None:
    before = hatch_build.digest(sources, "production")
    moved = (sources / "src" / "content").rename(sources / "src" / "other")
    renamed = hatch_build.digest(sources, "production")
    moved.unlink()
    assert len({before, renamed, hatch_build.digest(sources, "production")}) == 3


def test_dependencies_are_installed_anew_when_the_lock_file_is_newer(sources: Path) -> None:
    assert not hatch_build.dependencies_installed(sources)
    installed = sources / "node_modules" / ".package-lock.json"
    installed.parent.mkdir()
    installed.touch()
    assert hatch_build.dependencies_installed(sources)
    lock = sources / "package-lock.json"
    later = installed.stat().st_mtime_ns + 1_000_000_000
    os.utime(lock, ns=(later, later))
    assert not hatch_build.dependencies_installed(sources)


def test_the_command_reaches_the_package_under_both_of_its_names() -> None:
    pyproject = (ROOT / "pyproject.toml").read_text()
    assert re.search(
        r'^jupyter-wherobots = "jupyter_wherobots\.cli:main"$', pyproject, re.MULTILINE
    )
