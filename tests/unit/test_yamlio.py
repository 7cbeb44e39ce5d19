"""Guarded reading: what YAML gives, where it stands, and each guard's own message."""

import pytest

from tumorsim import yamlio
from tumorsim.yamlio import Mark, Problem, ScenarioError, find, parse, problem_at, read_file, scalar, show_path


def refused(text):
    with pytest.raises(ScenarioError) as caught:
        parse(text, "f.yaml")
    assert len(caught.value.problems) == 1
    return str(caught.value)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("", None),
        ("null", None),
        ("~", None),
        ("true", True),
        ("False", False),
        ("yes", "yes"),  # YAML 1.1 would say True
        ("no", "no"),
        ("12", 12),
        ("+12", 12),
        ("-3", -3),
        ("010", 10),  # YAML 1.1 would say 8
        ("0x1F", 31),
        ("0o17", 15),
        ("1e-3", 0.001),  # YAML 1.1 would say text
        (".5", 0.5),
        ("5.", 5.0),
        ("1_000", "1_000"),
        ("12:30:45", "12:30:45"),  # YAML 1.1 would say 45045
        (".inf", ".inf"),
        (".nan", ".nan"),
        ("1e999", "1e999"),
        ("9" * 50, "9" * 50),
        ("6.4e9 cells", "6.4e9 cells"),
    ],
)
def test_scalars_follow_the_core_schema(text, value):
    read = scalar(text)
    assert read == value
    assert type(read) is type(value)


def test_quoted_scalars_are_text():
    assert parse("a: '12'\nb: \"true\"\nc: |\n  5\n", "f").plain() == {"a": "12", "b": "true", "c": "5\n"}


def test_every_value_knows_its_place():
    tree = parse("a: 1\nb:\n  - x\n  - {c: 2,\n     d: 3}\n", "f.yaml")
    node, depth = find(tree, ("b", 1, "d"))
    assert (node.value, node.mark, node.key, depth) == (3, Mark("f.yaml", 5, 9), Mark("f.yaml", 5, 6), 3)
    missing = problem_at(tree, ("b", 1, "e"), "is missing")
    assert missing == Problem("f.yaml", 4, 5, "b[1].e", "is missing")
    assert problem_at(tree, ("b", 1, "d"), "x", at_key=True).column == 6


def test_paths_and_problems_read_as_promised():
    assert show_path(("arms", 1, "treatments", 0, "dose")) == "arms[1].treatments[0].dose"
    assert str(Problem("s.yaml", 12, 8, "a[1].b", "0 d must be > 0")) == "s.yaml:12:8 a[1].b: 0 d must be > 0"
    assert str(Problem("--set a.b", 0, 0, "a.b", "must be > 0")) == "--set a.b: must be > 0"
    assert str(Problem("s.yaml", 0, 0, "", "is empty")) == "s.yaml: is empty"


def test_many_problems_are_printed_once_each_and_cut():
    problems = [Problem("s.yaml", line, 1, "", "wrong") for line in range(1, 151)]
    error = ScenarioError([*problems, problems[0]])
    lines = str(error).splitlines()
    assert len(error.problems) == 150
    assert lines[0] == "s.yaml:1:1 wrong"
    assert lines[-1] == "... and 50 more"
    assert len(lines) == ScenarioError.SHOWN + 1


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a: &x 1", "f.yaml:1:4 anchors (&name) are refused; write the value again or use extends"),
        ("a: *x", "f.yaml:1:4 aliases (*name) are refused; write the value again or use extends"),
        ("a: !!int 1", 'f.yaml:1:4 tags ("!") are refused; write the plain value'),
        ("a: ! 1", 'f.yaml:1:4 tags ("!") are refused; write the plain value'),
        ("a: !x [1]", 'f.yaml:1:4 tags ("!") are refused; write the plain value'),
        ("%TAG ! tag:x,2000:\n---\na: 1", "f.yaml:1:1 directives (%YAML, %TAG) are refused; remove the line"),
        ("a: 1\n---\nb: 1", 'f.yaml:2:1 a second document ("---") is refused; one file holds one scenario'),
        ("<<: {a: 1}", 'f.yaml:1:1 merge keys ("<<") are refused; use extends'),
        ("a: 1\nb: 2\na: 3", 'f.yaml:3:1 the key "a" stands twice, first in line 1; remove one'),
        ("1: a", 'f.yaml:1:1 a key must be a text; put it in quotes, e.g. "1": value'),
        ("? [a]\n: b", 'f.yaml:1:3 a key must be a text; put it in quotes, e.g. "1": value'),
        ("true: a", 'f.yaml:1:1 a key must be a text; put it in quotes, e.g. "1": value'),
        ("k" * 201 + ": a", "f.yaml:1:1 the key has more than 200 characters"),
        (
            "a: " + "x" * 4990 + "\n  " + "y" * 4990 + "\n  " + "z" * 50,
            "f.yaml:1:4 the text has more than 10000 characters; shorten it",
        ),
        ("a: '" + "x" * 5000 + "'", "f.yaml:1:1 the line has more than 5000 characters; break it up"),
        ("a: [" + "1,\n" * 6000 + "]", "f.yaml:5998:1 has more than 6000 values; a scenario has a few hundred"),
        ("[" * 33, "f.yaml:1:33 is nested more than 32 deep; a scenario needs fewer than ten levels"),
        ("a: \x07", "f.yaml:1:4 character U+0007 is not allowed; remove it"),
        ("a: 1\nb: \u202e", "f.yaml:2:4 character U+202E is not allowed; remove it"),
        ("", "f.yaml:1:1 the file is empty; `tumorsim init` writes a commented example"),
        ("# only a comment\n", "f.yaml:1:1 the file is empty; `tumorsim init` writes a commented example"),
        ("a: [1, 2", "f.yaml:1:9 YAML: a list [...] or mapping {...} is not closed, or lacks a comma"),
        ("a: 'x", "f.yaml:1:6 YAML: a quote, bracket or brace is not closed"),
        (
            "a:\n  b: 1\n c: 2",
            "f.yaml:3:2 YAML: the indentation does not fit the lines above; keys of one mapping start in one column",
        ),
    ],
)
def test_each_guard_has_its_own_message(text, message):
    assert refused(text) == message


def test_thirty_two_levels_pass():
    node = parse("[" * 32 + "]" * 32, "f.yaml")
    for _ in range(31):
        node = node.value[0]
    assert node.value == []


def test_size_is_a_rule_of_its_own(tmp_path):
    path = tmp_path / "large.yaml"
    path.write_text("# comment\n" * (yamlio.MAX_BYTES // 10 + 1))
    with pytest.raises(ScenarioError, match="is larger than 128 KB"):
        read_file(path, "large.yaml")
    assert "is larger than 128 KB" in refused("# comment\n" * (yamlio.MAX_BYTES // 10 + 1))


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"a: 1\nb: \xff\n", "f.yaml:2:4 is not UTF-8 text; save the file as UTF-8"),
        ("a: 1".encode("utf-16"), "f.yaml:1:1 is not UTF-8 text; save the file as UTF-8"),
    ],
)
def test_only_utf8_is_read(tmp_path, data, message):
    path = tmp_path / "f.yaml"
    path.write_bytes(data)
    with pytest.raises(ScenarioError) as caught:
        read_file(path, "f.yaml")
    assert str(caught.value) == message


def test_a_byte_order_mark_and_windows_line_ends_are_fine(tmp_path):
    path = tmp_path / "f.yaml"
    path.write_bytes(b"\xef\xbb\xbfa: 1\r\nb: [2, 3]\r\n")
    tree = parse(read_file(path, "f"), "f")
    assert tree.plain() == {"a": 1, "b": [2, 3]}
    assert tree.value["b"].mark == Mark("f", 2, 4)


def test_missing_files_and_folders_are_refused(tmp_path):
    for path, message in (
        (tmp_path / "none.yaml", "there is no such file"),
        (tmp_path, "is not a regular file"),
    ):
        with pytest.raises(ScenarioError, match=message):
            read_file(path, "f")


def test_halves_of_a_character_are_joined_or_refused():
    assert parse(r'a: "\ud83e\uddec é"', "f.yaml").plain() == {"a": "\U0001f9ec é"}
    for text in (r'a: "\ud83e"', r'"\uddec": 1', r'- "\uddec\ud83e"'):
        assert "half of a character" in refused(text)


def test_signs_that_cannot_be_seen_are_told_by_their_numbers():
    told = str(Problem("a.yaml", 3, 1, "arms", '"9\u00a0day\u2028" is no arm;\nthe arms are é, 患者'))
    assert told == 'a.yaml:3:1 arms: "9\\xa0day\\u2028" is no arm;\nthe arms are é, 患者'
