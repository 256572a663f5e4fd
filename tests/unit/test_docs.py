"""What the docs point at exists: links, commands with their options, targets of make. The README stays short."""

import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer.main

from counterfoil.cli import app

ROOT = Path(__file__).parents[2]
PAGES = sorted(
    page
    for page in ROOT.rglob("*.md")
    if not {".venv", "node_modules", ".git"} & set(page.relative_to(ROOT).parts) and "cdk.out" not in str(page)
)
README = (ROOT / "README.md").read_text("utf-8")
_LINK = re.compile(r"(?<!\!)\[[^\]]*\]\(([^)\s]+)\)|!\[[^\]]*\]\(([^)\s]+)\)")


def _commands(text: str) -> Iterator[list[str]]:
    """The words of each line of each code block that calls counterfoil or make."""
    for block in re.findall(r"^```[a-z]*\n(.*?)^```", text, re.M | re.S):
        for line in block.replace("\\\n", " ").splitlines():
            if line.startswith(("counterfoil ", "make ")):
                yield shlex.split(line, comments=True)


def _anchor(heading: str) -> str:
    kept = re.sub(r"[^\w\- ]", "", heading.lower())
    return kept.strip().replace(" ", "-")


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_link_leads_somewhere(page: Path) -> None:
    text = page.read_text("utf-8")
    for match in _LINK.finditer(text):
        target = match.group(1) or match.group(2)
        if "://" in target:
            continue
        name, _, anchor = target.partition("#")
        there = (page.parent / name).resolve() if name else page
        assert there.exists(), f"{page.relative_to(ROOT)} links to {target}"
        if anchor:
            headings = re.findall(r"^#+ (.*)$", there.read_text("utf-8"), re.M)
            assert anchor in map(_anchor, headings), f"{page.relative_to(ROOT)} links to {target}"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_command_is_one_of_ours(page: Path) -> None:
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text("utf-8"), re.M))
    for words in _commands(page.read_text("utf-8")):
        if words[0] == "make":
            assert words[1] in targets, words
        else:
            _require_command(words[1:])


def _require_command(words: list[str]) -> None:
    """Follow the words down the command's groups; each option must be one that the command has."""
    command: Any = typer.main.get_command(app)
    while getattr(command, "commands", None) and words and not words[0].startswith("-"):
        assert words[0] in command.commands, f"there is no command {words}"
        command, words = command.commands[words[0]], words[1:]
    options = {name for parameter in command.params for name in (*parameter.opts, *parameter.secondary_opts)}
    for word in words:
        if re.match(r"-{1,2}[a-z]", word):
            assert word.partition("=")[0] in {*options, "--help", "--version"}, f"{command.name} has no {word}"
    given = {word.partition("=")[0] for word in words}
    for needed in (parameter for parameter in command.params if parameter.required and "--help" not in given):
        assert given & set(needed.opts) or needed.param_type_name == "argument", f"{command.name} needs {needed.opts}"


def test_the_readme_is_read_in_three_minutes() -> None:
    assert len(README.splitlines()) <= 130
    assert list(_commands(README))
