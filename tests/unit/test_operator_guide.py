"""The operator guide names every setting there is, with its variable and its default, and no page names another."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

from jupyter_wherobots.app import WherobotsApp
from jupyter_wherobots.settings import ENVIRONMENT, WherobotsSettings, load_settings

ROOT = Path(__file__).parents[2]
GUIDE = ROOT / "docs" / "operator.md"
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]


def rows() -> list[tuple[str, str, str]]:
    """Trait, variable and default, as the table of the guide has them."""
    return re.findall(
        r"^\| `(\w+)` \| `(WHEROBOTS_\w+)` \| (.+?) \|", GUIDE.read_text(), re.MULTILINE
    )


def test_every_setting_stands_in_the_guide_with_its_variable_and_its_default(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    for name in ENVIRONMENT.values():
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", "$HOME")
    monkeypatch.setenv("XDG_STATE_HOME", "$XDG_STATE_HOME")
    monkeypatch.setenv("JUPYTER_CONFIG_DIR", str(tmp_path))
    settings = load_settings()
    assert {trait: variable for trait, variable, _ in rows()} == ENVIRONMENT
    for trait, _, default in rows():
        value = getattr(settings, trait)
        said = f"{value:g}" if isinstance(value, float) else str(value)
        if isinstance(value, bool):
            said = said.lower()
        # A dash stands for none.
        assert default.strip("`") == (said or "\N{EN DASH}"), trait


def test_every_trait_of_ours_is_a_setting() -> None:
    ours = WherobotsSettings.class_own_traits(config=True)
    assert set(ours) == set(ENVIRONMENT)
    assert set(ours) <= set(WherobotsApp.class_traits(config=True))


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_a_page_names_only_variables_and_traits_that_there_are(page: Path) -> None:
    text = page.read_text()
    ours = set(re.findall(r"WHEROBOTS_[A-Z_]*[A-Z]", text)) - set(ENVIRONMENT.values())
    read_by_tests = {
        name
        for file in (ROOT / "tests").rglob("*.py")
        for name in ours
        if f'"{name}"' in file.read_text()
    }
    assert ours - read_by_tests == set()
    traits = re.findall(r"(?:WherobotsApp|c\.WherobotsApp)\.(\w+)", text)
    assert set(traits) <= set(ENVIRONMENT)


def sayings() -> set[str]:
    """Every text of the sources, with an ellipsis for what is put into it."""

    def text(node: ast.expr) -> str:
        if isinstance(node, ast.JoinedStr):
            return "".join(map(text, node.values))
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            return re.sub(r"%[sdrg]", "…", node.value)
        return "…"

    trees = [ast.parse(file.read_text()) for file in (ROOT / "jupyter_wherobots").rglob("*.py")]
    return {text(node) for tree in trees for node in ast.walk(tree) if isinstance(node, ast.expr)}


def is_said(phrase: str, said: set[str]) -> bool:
    """Whether the sources have each part of a phrase, or a text that becomes it by what is put into it."""
    together = "\n".join(said)
    if all(part.strip(" :") in together for part in phrase.split("…")):
        return True
    return any(
        re.fullmatch(".+".join(map(re.escape, each.split("…"))), phrase)
        for each in said
        if each[:8] == phrase[:8]
    )


def test_what_the_guide_says_of_the_log_is_what_the_log_says() -> None:
    table = GUIDE.read_text().partition("| the log says |")[2].partition("\n\n")[0]
    lines = [row.split(" | ")[0] for row in table.splitlines()[2:]]
    phrases = [phrase for line in lines for phrase in re.findall(r"`([^`]+)`", line)]
    assert len(phrases) >= 15
    said = sayings()
    assert [phrase for phrase in phrases if not is_said(phrase, said)] == []
    assert not is_said("Home is not watered: …", said - {"Home is not …: …"})
