"""What the theory and credibility pages say is what the code has: equations, symbols, names, units, streams."""

import ast
import importlib.util
import re
from pathlib import Path
from types import ModuleType

import pytest

from tumorsim import library
from tumorsim.params import tissue
from tumorsim.params.cell_product import CellModel
from tumorsim.params.disease import Burden, Disease
from tumorsim.params.drug import DrugModel
from tumorsim.params.growth import Growth
from tumorsim.params.host import Hazards, Liver
from tumorsim.params.immunity import Memory, Suppression, Trafficking
from tumorsim.params.resistance import Resistance
from tumorsim.params.tace import Depot, TaceModel
from tumorsim.params.vessels import Vessels
from tumorsim.scenario import load
from tumorsim.units import DIMENSIONS
from tumorsim.yamlio import parse

ROOT = Path(__file__).parents[2]
THEORY = ROOT / "docs" / "theory"
NUMERICS = ROOT / "docs" / "numerics"
SOURCE = ROOT / "src" / "tumorsim"
PROCESSES = {
    "growth": (Growth,),
    "resistance": (Resistance,),
    "vessels": (Vessels,),
    "pharmacology": (DrugModel,),
    "effectors": (CellModel, Trafficking),
    "killing": (CellModel, Suppression, Trafficking),
    "memory": (Memory,),
    "liver": (Liver,),
    "hazards": (Hazards,),
    "burden": (Burden,),
    "tace": (TaceModel,),
    "lattice-fields": (tissue.Oxygen, tissue.Signals, tissue.Penetration, Depot),
    "lattice-vessels": (tissue.Network, tissue.Anatomy),
    "lattice-cells": (tissue.Oxygen, tissue.Signals, Depot),
    "lattice-lymphocytes": (tissue.Motility, tissue.Contact, tissue.Network),
}
LETTERS = {  # every page numbers its equations with its own letter
    "growth": "G",
    "resistance": "R",
    "vessels": "V",
    "pharmacology": "P",
    "effectors": "E",
    "killing": "K",
    "memory": "M",
    "liver": "L",
    "hazards": "H",
    "burden": "B",
    "tace": "T",
    "imaging": "O",
    "interventions": "I",
    "observational": "A",
    "calibration": "C",
    "posterior": "Z",
    "fields": "F",
    "spatial-measures": "U",
    "lattice-fields": "X",
    "lattice-vessels": "N",
    "lattice-cells": "S",
    "lattice-lymphocytes": "Y",
}
_CITED = re.compile(r"\beqs?\.?\s+([A-Z]\d+(?:(?:,? and |, |-)[A-Z]\d+)*)")
_TAG = re.compile(r"\\tag\{([^}]+)\}")
_DISPLAY = re.compile(r"\$\$(.+?)\$\$", re.DOTALL)
_ROW = re.compile(r"^\| \$(?P<symbol>[^$]+)\$ \| `(?P<name>\w+)` \| (?P<unit>[^|]+) \|", re.MULTILINE)


def extension(name: str) -> ModuleType:
    """A module of docs/_ext, which is on no import path."""
    spec = importlib.util.spec_from_file_location(name, ROOT / "docs" / "_ext" / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def text(page: str) -> str:
    folder = THEORY if (THEORY / f"{page}.md").exists() else NUMERICS
    return (folder / f"{page}.md").read_text(encoding="utf-8")


def numbers(cited: str) -> set[str]:
    """``B1-B3`` and ``E3, K1 and M2`` as single numbers."""
    found = set()
    for part in re.split(r",? and |, ", cited):
        first, _, last = part.partition("-")
        letter = first[0]
        found |= {f"{letter}{i}" for i in range(int(first[1:]), int((last or first)[1:]) + 1)}
    return found


def cited_in_code() -> dict[str, set[str]]:
    """Equation numbers by source file."""
    cited = {}
    for path in SOURCE.rglob("*.py"):
        found = set().union(*map(numbers, _CITED.findall(path.read_text(encoding="utf-8"))))
        if found:
            cited[str(path.relative_to(SOURCE))] = found
    return cited


def tags(page: str) -> list[str]:
    return _TAG.findall(text(page))


def test_every_equation_cited_in_the_code_is_on_a_page():
    on_pages = {tag for page in LETTERS for tag in tags(page)}
    for path, cited in cited_in_code().items():
        assert cited <= on_pages, f"{path} cites {sorted(cited - on_pages)}"


def test_every_equation_of_a_page_is_cited_in_the_code():
    cited = set().union(*cited_in_code().values())
    for page in LETTERS:
        assert set(tags(page)) <= cited, f"{page}.md has {sorted(set(tags(page)) - cited)}, which no code cites"


@pytest.mark.parametrize(("page", "letter"), LETTERS.items())
def test_equation_numbers_of_a_page_have_its_letter_and_are_complete(page, letter):
    found = tags(page)
    assert sorted(found, key=lambda tag: int(tag[1:])) == [f"{letter}{i + 1}" for i in range(len(found))]


def test_no_page_with_equations_is_forgotten():
    pages = [*THEORY.glob("*.md"), *NUMERICS.glob("*.md")]
    numbered = {path.stem for path in pages if _TAG.search(path.read_text(encoding="utf-8"))}
    assert numbered == set(LETTERS)


@pytest.mark.parametrize("page", PROCESSES)
def test_the_table_of_symbols_says_what_the_parameters_declare(page):
    latex = extension("parameters").latex
    rows = {match["name"]: (match["symbol"], match["unit"].strip()) for match in _ROW.finditer(text(page))}
    assert rows
    for name, found in rows.items():
        (owner,) = [process for process in PROCESSES[page] if name in process.names()]
        extra = owner.model_fields[name].json_schema_extra
        assert found == (latex(extra["symbol"]), DIMENSIONS[extra["dimension"]].internal), f"{page}.md, {name}"


def test_every_parameter_is_in_a_table():
    tabled = {page: {match["name"] for match in _ROW.finditer(text(page))} for page in PROCESSES}
    for process in {process for several in PROCESSES.values() for process in several}:
        pages = [page for page, several in PROCESSES.items() if process in several]
        missing = set(process.names()) - set().union(*(tabled[page] for page in pages))
        assert not missing, f"{process.__name__}: {sorted(missing)} on none of {pages}"


@pytest.mark.parametrize("page", PROCESSES)
def test_every_symbol_of_a_table_stands_in_a_law(page):
    laws = " ".join(_DISPLAY.findall(text(page)))
    for match in _ROW.finditer(text(page)):
        symbol = match["symbol"]
        assert re.search(rf"(?<![A-Za-z\\]){re.escape(symbol)}(?![A-Za-z])", laws), f"{page}.md: no law has {symbol}"


def test_every_process_of_a_disease_has_a_page():
    blocks = {field.annotation for field in Disease.model_fields.values()} - {str}
    assert blocks <= {process for several in PROCESSES.values() for process in several}


def test_the_pages_that_the_code_names_are_there():
    for path in SOURCE.rglob("*.py"):
        for named in re.findall(r"docs/[\w/-]+\.md", path.read_text(encoding="utf-8")):
            assert (ROOT / named).exists(), f"{path.name} names {named}"


def test_streams_are_those_of_the_code():
    from tumorsim.kernels import random

    declared = {name.removeprefix("STREAM_") for name in vars(random) if name.startswith("STREAM_")}
    named = set(re.findall(r"`([A-Z_]+)`", text("patient-model").split("## Common random numbers")[1]))
    treatment = {"ADHERENCE", "TOXICITY", "INFUSION", "MANUFACTURE"}  # on the page of interventions
    spatial = set(re.findall(r"`([A-Z_]+)`", text("lattice").split("**Draws.**")[1].split("## Where")[0]))
    assert named | treatment | spatial | {"ALLOCATION", "RESAMPLING"} == declared
    assert not named & spatial
    assert all(f"STREAM_{name}" in text("interventions") for name in treatment)


@pytest.mark.parametrize(
    ("symbol", "latex"),
    [("r", "r"), ("lambda_dn", r"\lambda_\mathrm{dn}"), ("P_50", "P_{50}"), ("1/tau_m", r"1/\tau_m"), ("K/N", "K/N")],
)
def test_symbols_become_latex(symbol, latex):
    assert extension("parameters").latex(symbol) == latex


def test_the_parameter_page_has_every_value_of_the_library():
    parameters = extension("parameters")
    page = parameters.page()
    for kind in library.KINDS:
        for name in library.names(kind):
            for row in library.entry(f"{kind}/{name}").rows:
                shown = f"`{row.path.rpartition('.')[2]}` | "
                assert (row.source == "default: the effect is absent") or shown in page
                if row.symbol and row.source != "default: the effect is absent":
                    assert f"| ${parameters.latex(row.symbol)}$ | {parameters._cell(row.value)}" in page
    lines = [line for line in page.splitlines() if line.startswith("| `")]
    assert {line.count("|") - line.count("\\|") for line in lines} == {3, 7}  # protocols, parameters


@pytest.mark.parametrize("name", ["hcc_adjuvant_cik_rct", "hcc_sorafenib_cik", "hcc_sorafenib_placebo"])
def test_the_misfit_page_is_of_the_present_parameters(name):
    misfit = extension("misfit")
    now = misfit.fingerprint(load(ROOT / "scenarios" / f"{name}.yaml"))[:16]
    page = (ROOT / "docs" / "credibility" / "misfit.md").read_text(encoding="utf-8")
    assert f"`scenarios/{name}.yaml`, fingerprint `{now}`" in page, "run: python docs/_ext/misfit.py"


def test_the_fingerprint_sees_numbers_and_not_words(tmp_path):
    misfit, path = extension("misfit"), ROOT / "scenarios" / "hcc_sorafenib_cik.yaml"
    before = load(path)
    reworded = load(path, ["title=Another title"])
    changed = load(path, ["disease.growth.growth_rate=0.0086 1/day"])
    assert misfit.fingerprint(reworded) == misfit.fingerprint(before) != misfit.fingerprint(changed)


@pytest.mark.parametrize(("page", "block"), [("add-a-drug", DrugModel), ("add-a-cell-product", CellModel)])
def test_the_examples_of_the_guides_are_valid_entries(page, block):
    (example,) = re.findall(r"```yaml\n(.*?)```", (ROOT / "docs" / "how-to" / f"{page}.md").read_text(), re.DOTALL)
    entry = block.model_validate(parse(example, page).plain())
    assert f"{entry.name}.yaml" in (ROOT / "docs" / "how-to" / f"{page}.md").read_text()


def test_pages_name_tests_that_exist():
    for folder in ("theory", "credibility", "how-to"):
        for path in (ROOT / "docs" / folder).glob("*.md"):
            for named in re.findall(r"tests/[\w/]+\.py", path.read_text(encoding="utf-8")):
                assert (ROOT / named).exists(), f"{path.name} names {named}"


def test_verdicts_are_those_of_the_tests():
    """A claim is said not to hold exactly where a test of it is marked to fail."""
    page = (ROOT / "docs" / "credibility" / "claims.md").read_text(encoding="utf-8")
    verdicts = dict(re.findall(r"^\| Q-(\d+) \| [^|]+ \| ([^|]+) \|", page, re.MULTILINE))
    tree = ast.parse((ROOT / "tests" / "statistical" / "test_claims.py").read_text(encoding="utf-8"))
    marked: dict[str, bool] = {}
    for function in tree.body:
        claim = re.match(r"test_q(\d+)_", getattr(function, "name", ""))
        if claim:
            fails = any("xfail" in ast.dump(mark) for mark in function.decorator_list)
            marked[claim[1]] = marked.get(claim[1], False) or fails
    assert marked.keys() == verdicts.keys()
    for claim, fails in marked.items():
        assert ("does not hold" in verdicts[claim]) == fails, f"Q-{claim}: {verdicts[claim]}"


def formulas(text: str) -> list[str]:
    """Every formula of a page, in lines of text and on its own line."""
    plain = re.sub(r"```.*?```|`[^`\n]*`", "", text, flags=re.DOTALL)
    shown = re.findall(r"\$\$(.+?)\$\$", plain, flags=re.DOTALL)
    rest = re.sub(r"\$\$.+?\$\$", "", plain, flags=re.DOTALL)
    return shown + re.findall(r"(?<![\\$\w])\$(?!\s)([^$\n]+?)(?<!\s)\$(?!\d)", rest)


def test_every_formula_can_be_shown():
    """The pages have MathML; a command that its translator does not know would stop their building."""
    from latex2mathml.converter import convert

    unknown, tried = [], 0
    for page in sorted((ROOT / "docs").rglob("*.md")):
        for formula in formulas(page.read_text()):
            text = re.sub(r"\\tag\{[^}]+\}|\\!", "", formula).replace("{aligned}", "{align*}")
            tried += 1
            if "\\" in re.sub(r"<[^>]*>", "", convert(text)):
                unknown.append(f"{page.name}: {formula}")
    assert tried > 500
    assert unknown == []
