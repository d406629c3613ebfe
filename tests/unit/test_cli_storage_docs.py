"""The pages about the command line and the REST API name what there is, and nothing else."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest

from jupyter_wherobots.cli import parser
from jupyter_wherobots.handlers.document import METHODS, document

DOCS = Path(__file__).parents[2] / "docs"


def commands() -> set[str]:
    """What ``jupyter wherobots --help`` lists."""
    return set(re.findall(r"^    ([a-z]+) ", parser().format_help(), re.MULTILINE))


def examples(page: str) -> list[str]:
    """The lines of a page that call a command."""
    text = (DOCS / page).read_text()
    return re.findall(r"^(jupyter wherobots .*)$", text, re.MULTILINE)


def test_the_page_has_a_part_with_an_example_for_every_command() -> None:
    page = (DOCS / "cli.md").read_text()
    parts = {part.partition("\n")[0]: part for part in page.split("\n### ")[1:]}
    assert set(parts) == commands() >= {"ls", "cp", "mv", "rm", "mkdir", "cat", "env", "doctor"}
    assert [name for name, part in parts.items() if f"jupyter wherobots {name}" not in part] == []


@pytest.mark.parametrize("page", ["cli.md", "user.md"])
def test_the_examples_of_a_page_are_commands_that_can_be_given(page: str) -> None:
    found = examples(page)
    assert found
    for line in found:
        words = shlex.split(line, comments=True)[2:]
        parser().parse_args(words[: words.index("|")] if "|" in words else words)


def test_the_page_names_every_request_there_is() -> None:
    described = {
        (verb.upper(), route)
        for route, item in document().content["paths"].items()
        for verb in METHODS
        if verb in item and not item[verb].get("x-planned")
    }
    rows = re.findall(r"^\| `([A-Z]+) (/\S+)` \|", (DOCS / "rest.md").read_text(), re.MULTILINE)
    assert set(rows) == described
    assert len(rows) == len(set(rows))
