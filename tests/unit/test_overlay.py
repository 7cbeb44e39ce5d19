"""One tree over another: merging, extends, values of the command line."""

import pytest

from tumorsim.overlay import apply_settings, merge, read_texts, read_tree, set_value
from tumorsim.yamlio import ScenarioError, find, parse


def laid(under, over):
    return merge(parse(under, "under"), parse(over, "over")).plain()


@pytest.mark.parametrize(
    ("under", "over", "expected"),
    [
        ("{a: 1, b: {c: 2, d: 3}}", "{b: {c: 9}}", {"a": 1, "b": {"c": 9, "d": 3}}),
        ("{a: [1, 2, 3]}", "{a: [4]}", {"a": [4]}),
        ("{a: {b: 1}}", "{a: null}", {"a": None}),
        ("{a: {b: 1}}", "{a: {}}", {"a": {}}),
        ("{a: {b: 1}}", "{a: text}", {"a": "text"}),
        ("{disease: hcc}", "{disease: {growth: {r: 1}}}", {"disease": {"base": "hcc", "growth": {"r": 1}}}),
        ("{disease: hcc}", "{disease: {base: nsclc, x: 1}}", {"disease": {"base": "nsclc", "x": 1}}),
    ],
)
def test_merging(under, over, expected):
    assert laid(under, over) == expected


PARAMETER = "{k: {value: 1 1/day, range: [0 1/day, 2 1/day], cv: 0.3, source: Paper, status: measured, note: n}}"


@pytest.mark.parametrize(
    ("over", "expected"),
    [
        # a new value keeps the variation between patients and drops what belonged to the old one
        ("{k: 3 1/day}", {"value": "3 1/day", "cv": 0.3}),
        ("{k: {value: 3 1/day}}", {"value": "3 1/day", "cv": 0.3}),
        ("{k: {value: 3 1/day, cv: 0, source: Mine}}", {"value": "3 1/day", "cv": 0, "source": "Mine"}),
        (
            "{k: {cv: 0.5}}",
            {
                "value": "1 1/day",
                "range": ["0 1/day", "2 1/day"],
                "cv": 0.5,
                "source": "Paper; cv set in the scenario",
                "status": "measured",
                "note": "n",
            },
        ),
        ("{k: null}", None),
    ],
)
def test_a_changed_parameter_keeps_no_foreign_source(over, expected):
    assert laid(PARAMETER, over) == {"k": expected}


def test_merging_changes_neither_tree():
    under, over = parse("{a: {b: 1}}", "u"), parse("{a: {c: 2}}", "o")
    merge(under, over)
    assert (under.plain(), over.plain()) == ({"a": {"b": 1}}, {"a": {"c": 2}})


# --- extends ------------------------------------------------------------------------


def write(folder, **files):
    for name, text in files.items():
        path = folder / f"{name.replace('__', '/')}.yaml"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)


def test_files_are_laid_in_order_and_places_stay_their_own(tmp_path):
    write(
        tmp_path,
        main="extends: [parts/one.yaml, parts/two.yaml]\nc: 3\n",
        parts__one="extends: deeper/zero.yaml\na: 1\nb: 1\n",
        parts__two="b: 2\n",
        parts__deeper__zero="a: 0\nz: 0\n",
    )
    tree = read_tree(tmp_path / "main.yaml")
    assert tree.plain() == {"z": 0, "a": 1, "b": 2, "c": 3}
    assert find(tree, ("b",))[0].mark.file.endswith("parts/two.yaml")
    assert find(tree, ("z",))[0].mark.file.endswith("parts/deeper/zero.yaml")
    texts = read_texts(tmp_path / "main.yaml")[1]
    assert [path.name for path in texts] == ["main.yaml", "one.yaml", "zero.yaml", "two.yaml"]
    assert next(iter(texts.values())).startswith("extends: [parts/one")


def test_one_file_may_be_extended_by_two(tmp_path):
    write(tmp_path, main="extends: [a.yaml, b.yaml]\n", a="extends: c.yaml\n", b="extends: c.yaml\n", c="x: 1\n")
    assert read_tree(tmp_path / "main.yaml").plain() == {"x": 1}


def test_a_part_may_lead_up_but_not_out(tmp_path):
    write(
        tmp_path,
        study__main="extends: parts/a.yaml\n",
        study__parts__a="extends: ../common.yaml\n",
        study__common="x: 1\n",
    )
    assert read_tree(tmp_path / "study/main.yaml").plain() == {"x": 1}
    # the same part may not be entered from its own folder, since that would let a file choose its root
    with pytest.raises(ScenarioError, match="leads out of the folder"):
        read_tree(tmp_path / "study/parts/a.yaml")
    assert read_tree(tmp_path / "study/parts/a.yaml", tmp_path / "study").plain() == {"x": 1}


def test_links_are_resolved_before_the_rule(tmp_path):
    write(tmp_path, study__main="extends: link.yaml\n", secret="x: 1\n")
    (tmp_path / "study/link.yaml").symlink_to(tmp_path / "secret.yaml")
    with pytest.raises(ScenarioError, match="leads out of the folder"):
        read_tree(tmp_path / "study/main.yaml")
    write(tmp_path, study__main="extends: away/secret.yaml\n")
    (tmp_path / "study/away").symlink_to(tmp_path)
    with pytest.raises(ScenarioError, match="leads out of the folder"):
        read_tree(tmp_path / "study/main.yaml")


@pytest.mark.parametrize(
    ("link", "message"),
    [
        ("../../etc/passwd", "leads out of the folder"),
        ("../other.yaml", "leads out of the folder"),
        ("/etc/passwd.yaml", "must be a relative path"),
        ("~/x.yaml", "must be a relative path"),
        ("file:///x.yaml", "must be a relative path"),
        ("C:/x.yaml", "must be a relative path"),
        ("..\\\\x.yaml", "must be a relative path"),
        ("notes.txt", "must name a .yaml file"),
        ("none.yaml", "there is no such file"),
        ("folder.yaml", "there is no such file"),
        ("", "must be a file or a list of files"),
        ("x\\0.yaml", "cannot be followed"),
    ],
)
def test_each_rule_on_links_has_its_own_message(tmp_path, link, message):
    (tmp_path / "folder.yaml").mkdir()
    (tmp_path / "notes.txt").write_text("x: 1")
    write(tmp_path, main=f'extends: "{link}"\n')
    with pytest.raises(ScenarioError, match=message) as caught:
        read_tree(tmp_path / "main.yaml")
    assert caught.value.problems[0].line == 1


def test_circles_depth_and_number_are_bounded(tmp_path):
    write(tmp_path, a="extends: b.yaml\n", b="extends: a.yaml\n")
    with pytest.raises(ScenarioError, match=r"runs in a circle: a\.yaml -> b\.yaml -> a\.yaml"):
        read_tree(tmp_path / "a.yaml")
    write(tmp_path, **{f"d{i}": f"extends: d{i + 1}.yaml\n" for i in range(9)}, d9="x: 1\n")
    with pytest.raises(ScenarioError, match="more than 8 files deep"):
        read_tree(tmp_path / "d0.yaml")
    assert read_tree(tmp_path / "d1.yaml").plain() == {"x": 1}
    many = "".join(f"  - m{i}.yaml\n" for i in range(16))
    write(tmp_path, many=f"extends:\n{many}", **{f"m{i}": "x: 1\n" for i in range(16)})
    with pytest.raises(ScenarioError, match="more than 16 files are joined"):
        read_tree(tmp_path / "many.yaml")


def test_together_the_files_are_bounded(tmp_path):
    filler = "# filler\n" * 12_000
    write(
        tmp_path,
        main="extends: [a.yaml, b.yaml, c.yaml]\n",
        a=filler + "x: 1\n",
        b=filler + "x: 1\n",
        c=filler + "x: 1\n",
    )
    with pytest.raises(ScenarioError, match="exceed 256 KB"):
        read_tree(tmp_path / "main.yaml")


# --- values of the command line -------------------------------------------------------


BASE = """
disease: hcc
population: {patients: 500}
arms:
  - name: control
    treatments: []
  - name: cik
    treatments:
      - {infusion: cik, dose: 6.4e9 cells}
"""


def changed(*settings):
    return apply_settings(parse(BASE, "f.yaml"), settings).plain()


def test_values_by_key_index_and_name():
    tree = changed(
        "population.patients=20",
        "arms.cik.treatments.0.dose=3e9 cells",
        "arms.0.label=None given",
        "output.interval=7 day",
    )
    assert tree["population"] == {"patients": 20}
    assert tree["arms"][1]["treatments"][0]["dose"] == "3e9 cells"
    assert tree["arms"][0]["label"] == "None given"
    assert tree["output"] == {"interval": "7 day"}


def test_a_bare_library_name_is_opened():
    tree = changed("disease.growth.growth_rate=0.01 1/day", "arms.cik.treatments.0.infusion.kill_rate=0 1/day")
    assert tree["disease"] == {"base": "hcc", "growth": {"growth_rate": "0.01 1/day"}}
    assert tree["arms"][1]["treatments"][0]["infusion"] == {"base": "cik", "kill_rate": "0 1/day"}


def test_values_are_plain_text_unless_marked_as_yaml():
    tree = changed("title=Part 1: control", 'name="5"', "endpoints=[os, rfs]", "targets=[]", "a=true", "b=", "c=x=y")
    assert tree["title"] == "Part 1: control"
    assert tree["name"] == "5"
    assert tree["endpoints"] == ["os", "rfs"]
    assert tree["targets"] == []
    assert (tree["a"], tree["b"], tree["c"]) == (True, None, "x=y")


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ("novalue", "--set: must be key=value, e.g. --set population.patients=200"),
        ("=5", "--set: must be key=value, e.g. --set population.patients=200"),
        ("a..b=5", "--set a..b: must be key=value, e.g. --set population.patients=200"),
        ("a b=5", "--set a b: must be key=value, e.g. --set population.patients=200"),
        ("extends=x.yaml", "--set extends: extends belongs into a file, not on the command line"),
        ("arms.2.name=x", '--set arms.2.name: "2" is no item of this list; items are 0 to 1 or by name control, cik'),
        (
            "arms.ckt.name=x",
            '--set arms.ckt.name: "ckt" is no item of this list; items are 0 to 1 or by name control, cik',
        ),
        (
            "arms.0.treatments.0.dose=1",
            '--set arms.0.treatments.0.dose: "0" is no item of this list; items are none, the list is empty',
        ),
        ("title=[1", "--set title:1:3 YAML: a list [...] or mapping {...} is not closed, or lacks a comma"),
        ("title={a: &x 1}", "--set title:1:5 anchors (&name) are refused; write the value again or use extends"),
    ],
)
def test_faulty_settings(setting, message):
    with pytest.raises(ScenarioError) as caught:
        set_value(parse(BASE, "f.yaml"), setting)
    assert str(caught.value) == message


def test_all_faulty_settings_are_reported_at_once():
    with pytest.raises(ScenarioError) as caught:
        changed("x", "population.patients=3", "arms.9.name=y")
    assert len(caught.value.problems) == 2
    with pytest.raises(ScenarioError, match="more than 200 values"):
        changed(*["a=1"] * 201)
