"""The shipped library: every entry is valid, documented, and cannot be used to leave its folder."""

import re
from pathlib import Path

import pytest

from tumorsim import library, starter
from tumorsim.fields import LIBRARY, parameters_of
from tumorsim.interventions.treatment import KEYS
from tumorsim.library import LibraryError
from tumorsim.scenario import load
from tumorsim.units import DIMENSIONS, parse_quantity

ENTRIES = [(kind, name) for kind in library.KINDS for name in library.names(kind)]
CLASSES = {folder: block for block, folder in LIBRARY.items()}


def test_the_library_holds_what_the_scenarios_need():
    held = {name for _, name in ENTRIES}
    assert {"hcc", "sorafenib", "cik", "nk", "car_nk", "ctace", "cik_60_weeks"} <= held
    unlike_tissues = [name for kind, name in ENTRIES if kind != "tissues"]
    assert len(set(unlike_tissues)) == len(unlike_tissues), "a name stands for one entry"
    assert set(library.names("tissues")) <= set(library.names("diseases")), "a tissue has the name of its disease"


def test_a_kind_in_front_tells_a_tissue_from_its_disease():
    assert library.kinds_of("hcc") == ("diseases", "tissues")
    assert (library.entry("hcc").kind, library.entry("diseases/hcc").kind) == ("diseases", "diseases")
    tissue = library.entry("tissues/hcc")
    assert (tissue.kind, tissue.name) == ("tissues", "hcc")
    assert tissue.rows[0].path == "oxygen.diffusivity"
    for name in ("tissues/hcx", "tissues/../diseases/hcc", "drugs/cik", "foods/hcc"):
        with pytest.raises(LibraryError):
            library.entry(name)


@pytest.mark.parametrize(("kind", "name"), [entry for entry in ENTRIES if entry[0] != "protocols"])
def test_every_entry_is_valid_and_reads_back(kind, name):
    plain = library.tree(kind, name).plain()
    block = CLASSES[kind].model_validate(plain)
    assert CLASSES[kind].model_validate(block.model_dump(mode="json")) == block
    assert block.name == name


@pytest.mark.parametrize("name", library.names("protocols"))
def test_every_protocol_is_a_treatment(tmp_path, name):
    path = tmp_path / "study.yaml"
    path.write_text(starter.text("study"))
    plain = library.tree("protocols", name).plain()
    (kind,) = set(plain) & set(KEYS)
    (treatment,) = load(path, [f"arms.1.treatments=[{{protocol: {name}}}]"]).arms[1].treatments
    assert (treatment.KEY, treatment.name) == (kind, plain[kind])
    row = library.entry(name).rows[0]
    assert (row.path, row.value, row.source) == (kind, plain[kind], plain["source"])


@pytest.mark.parametrize(("kind", "name"), [entry for entry in ENTRIES if entry[0] != "protocols"])
def test_every_value_has_unit_source_and_status(kind, name):
    entry = library.entry(f"{kind}/{name}")
    assert (entry.kind, entry.name) == (kind, name)
    assert entry.label
    fields = dict(parameters_of(CLASSES[kind]))
    given = library.tree(kind, name).plain()
    there = [path for path in fields if path.count(".") == 0 or path.partition(".")[0] in given]
    assert [row.path for row in entry.rows] == there
    for row in entry.rows:
        dimension = fields[row.path].json_schema_extra["dimension"]
        value = parse_quantity(row.value, dimension)
        assert row.unit == DIMENSIONS[dimension].internal
        assert row.source
        assert row.status in ("measured", "fitted", "assumed")
        assert row.symbol
        assert row.doc
        if row.range:
            low, high = (parse_quantity(end, dimension) for end in row.range)
            assert low <= value <= high


def test_an_entry_shows_its_values_as_written():
    rows = {row.path: row for row in library.entry("sorafenib").rows}
    clearance = rows["clearance"]
    assert (clearance.value, clearance.unit, clearance.cv) == ("8.13 L/h", "L/day", 0.18)
    assert "Jain 2011" in clearance.source
    assert rows["cytotoxic_rate"].source == "default: the effect is absent"
    assert {row.path for row in library.entry("hcc").rows} >= {"growth.growth_rate", "burden.de_novo_rate"}


@pytest.mark.parametrize(
    ("kind", "name", "message"),
    [
        ("drugs", "sorafeni", '"sorafeni" is no drug of the library (did you mean "sorafenib"?); it has '),
        ("drugs", "cik", '"cik" is a cell product, not a drug; write infusion: cik'),
        ("diseases", "../diseases/hcc", "must be the name of a disease of the library (a-z, 0-9, _ and -), e.g. hcc"),
        ("diseases", "HCC", "must be the name of a disease of the library (a-z, 0-9, _ and -), e.g. hcc"),
        ("diseases", "", "must be the name of a disease"),
        ("diseases", "-x", "must be the name of a disease"),
        ("diseases", "hcc\n", "must be the name of a disease"),
        ("diseases", "x" * 65, "must be the name of a disease"),
        ("diseases", 5, "must be the name of a disease"),
    ],
)
def test_names_are_checked_before_a_file_is_touched(kind, name, message):
    with pytest.raises(LibraryError, match=re.escape(message)):
        library.check_name(kind, name)
    with pytest.raises(LibraryError, match=re.escape(message)):
        library.tree(kind, name)


def test_examples_in_messages_are_entries():
    assert tuple(library.EXAMPLE) == library.KINDS
    assert all(name in library.names(kind) for kind, name in library.EXAMPLE.items())


def test_unknown_names_and_kinds():
    with pytest.raises(LibraryError, match=re.escape('"sorafenb" is not in the library (did you mean "sorafenib"?)')):
        library.entry("sorafenb")
    with pytest.raises(KeyError, match="kinds are diseases"):
        library.names("foods")


def test_library_files_name_themselves():
    folder = Path(library.__file__).parent
    for path in folder.glob("*/*.yaml"):
        assert path.parent.name in library.KINDS
        assert library.tree(path.parent.name, path.stem).get("name").value == path.stem
