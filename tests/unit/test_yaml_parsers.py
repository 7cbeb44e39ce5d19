"""The fast parser of YAML and the one whose errors are shown agree on what is valid."""

from pathlib import Path

import pytest
import yaml

from tumorsim import yamlio

ROOT = Path(__file__).parents[2]
FILES = sorted(path for part in ("src", "scenarios", "tests") for path in (ROOT / part).rglob("*.yaml"))


def plain(node):
    """A tree with the place of every value and key."""
    value = node.value
    if isinstance(value, dict):
        value = {key: plain(child) for key, child in value.items()}
    elif isinstance(value, list):
        value = [plain(child) for child in value]
    return value, node.mark, node.key


def by(text, loader):
    """Its tree; a guard of ours in words; None if it is no YAML."""
    try:
        root = yamlio._tree(text, "file", loader)
    except yaml.YAMLError:
        return None
    except yamlio.ScenarioError as error:
        return str(error)
    return root and plain(root)


@pytest.mark.skipif(not yaml.__with_libyaml__, reason="PyYAML without libyaml has one parser")
def test_both_parsers_give_the_same_trees_and_places():
    assert len(FILES) > 150
    found = {path.name: (by(text := path.read_text(errors="replace"), yaml.CSafeLoader), by(text, yaml.SafeLoader))
             for path in FILES if "\0" not in path.read_text(errors="replace")}  # fmt: skip
    assert sum(isinstance(fast, tuple) for fast, _ in found.values()) > 150
    assert [name for name, (fast, slow) in found.items() if fast != slow] == []


def test_what_is_no_yaml_is_told_in_the_words_of_the_slower_parser():
    with pytest.raises(yamlio.ScenarioError, match=r"file:2:14 YAML: a \": \" stands inside a value"):
        yamlio.parse("name: a\ntitle: Part 1: control\n", "file")


def test_without_the_fast_parser_everything_is_read(monkeypatch):
    monkeypatch.delattr(yaml, "CSafeLoader", raising=False)
    assert yamlio.parse("name: without the fast parser\n", "file").value["name"].value == "without the fast parser"
