"""What the README and the quick start tell people to type is there."""

import re
import shlex
from pathlib import Path

import pytest
from typer.testing import CliRunner

from tumorsim.cli import app

ROOT = Path(__file__).parents[2]
PAGES = ("README.md", "docs/quickstart.md", "docs/how-to/run-a-sweep.md")
GENERATED = ("docs/parameters.md",)  # by docs/_ext/parameters.py when the pages are built


def commands(page: str) -> list[str]:
    """Lines of shell blocks, without comments and output."""
    blocks = re.findall(r"```(?:bash|sh|shell)\n(.*?)```", (ROOT / page).read_text(), re.DOTALL)
    lines = [re.sub(r"\s+#.*$", "", line).strip() for block in blocks for line in block.splitlines()]
    return [line for line in lines if line and not line.startswith("#")]


def tumorsim_commands() -> list[str]:
    found = {line for page in PAGES for line in commands(page)}
    return sorted(
        line.removeprefix(".venv/bin/") for line in found if line.removeprefix(".venv/bin/").startswith("tumorsim ")
    )


def test_readme_shows_the_two_commands_and_pip():
    shown = commands("README.md")
    assert "make demo" in shown
    assert "make test" in shown
    assert any("pip install" in line for line in shown)


@pytest.mark.parametrize("page", PAGES)
def test_make_targets_exist(page):
    targets = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    asked = {
        word for line in commands(page) if line.startswith("make ") for word in line.split()[1:] if "=" not in word
    }
    assert asked <= targets


@pytest.mark.parametrize("line", tumorsim_commands())
def test_commands_parse(line):
    """Each verb exists and takes the options shown."""
    verb, *rest = shlex.split(line)[1:]
    if verb.startswith("-"):
        assert CliRunner().invoke(app, [verb]).exit_code == 0
        return
    shown = CliRunner().invoke(app, [verb, "--help"])
    assert shown.exit_code == 0, shown.output
    for option in (word.split("=")[0] for word in rest if re.match(r"--?[a-z]", word)):
        assert re.search(rf"(?<![\w-]){re.escape(option)}\b", shown.output), f"{verb} has no {option}"


@pytest.mark.parametrize("page", [*PAGES, "CONTRIBUTING.md", "docs/architecture.md", "docs/index.md"])
def test_paths_and_links_exist(page):
    text = (ROOT / page).read_text()
    here = (ROOT / page).parent
    links = [link.split("#")[0] for link in re.findall(r"\]\(([^)\s]+)\)", text) if "://" not in link]
    for link in filter(None, links):
        if (here / link).relative_to(ROOT).as_posix() not in GENERATED:
            assert (here / link).exists(), f"{page} links to {link}"
    for path in re.findall(r"\b(?:scenarios|src|docs|tests|benchmarks)/[\w./-]*\w", text):
        assert (ROOT / path).exists(), f"{page} names {path}"
