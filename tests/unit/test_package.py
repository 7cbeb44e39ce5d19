"""The package as installed: public names, laziness, files that state something about the project."""

import json
import re
import subprocess
import sys
import tomllib
from importlib import metadata
from pathlib import Path

import pytest
import yaml

import tumorsim

ROOT = Path(__file__).parents[2]


def third_party(*arguments: str) -> set[str]:
    """Top-level modules from outside the standard library that a command line imports."""
    code = (
        "import sys, io, contextlib\n"
        "from tumorsim.cli import app\n"
        "with contextlib.suppress(SystemExit), contextlib.redirect_stdout(io.StringIO()):\n"
        "    app(sys.argv[1:], prog_name='tumorsim')\n"
        "print(*{name.split('.')[0] for name in sys.modules} - set(sys.stdlib_module_names))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, *arguments], capture_output=True, text=True, check=True, cwd=ROOT
    )
    return set(done.stdout.split())


def test_the_page_of_the_architecture_names_what_there_is():
    """Each file that it names exists; each module and package at the top has its place on it."""
    page = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
    found = {path.name for part in ("src", "tests") for path in (ROOT / part).rglob("*.py")} | {"noxfile.py"}
    assert {name.rpartition("/")[2] for name in re.findall(r"[\w/]+\.py\b", page)} <= found
    tree = page.partition("```text\nMakefile")[2].partition("```")[0]
    top = {path.name for path in (ROOT / "src" / "tumorsim").iterdir() if path.suffix == ".py" or path.is_dir()}
    assert [name for name in sorted(top - {"__pycache__", "py.typed"}) if not re.search(rf"\b{name}", tree)] == []


@pytest.mark.parametrize("name", [name for name in tumorsim.__all__ if name != "__version__"])
def test_every_public_name_is_there_and_documented(name):
    value = getattr(tumorsim, name)
    assert value.__doc__
    assert value.__module__.startswith("tumorsim.")


def test_no_public_name_is_a_submodule():
    """Importing a submodule sets an attribute of the package, over a function of that name."""
    here = Path(tumorsim.__file__).parent
    assert not set(tumorsim.__all__) & {path.stem for path in here.iterdir()}


def test_public_names_agree_with_dir_and_homes():
    assert dir(tumorsim) == sorted(tumorsim.__all__)
    assert set(tumorsim._HOMES) | {"__version__"} == set(tumorsim.__all__)


def test_unknown_name_lists_the_known():
    with pytest.raises(AttributeError, match=r"no attribute 'runn'; it has .*\brun\b"):
        _ = tumorsim.runn


def test_importing_the_package_imports_nothing_else():
    code = "import tumorsim, sys; print(*[m for m in sys.modules if m.startswith('tumorsim.') or m == 'numpy'])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == []


def test_help_imports_nothing_heavy():
    assert not third_party("--help") & {"numpy", "numba", "scipy", "pydantic", "h5py", "matplotlib", "yaml", "rich"}


@pytest.mark.parametrize("scenario", ["hcc_adjuvant_cik_rct", "spatial_tace_nk"])
def test_check_imports_no_compiler_and_no_statistics(scenario):
    used = third_party("check", f"scenarios/{scenario}.yaml")
    assert "pydantic" in used, "the check did not run"
    heavy = {"numba", "llvmlite", "scipy", "pandas", "h5py", "matplotlib", "statsmodels", "jinja2", "pint", "PIL"}
    assert not used & heavy


def test_version_is_the_same_everywhere():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text())
    assert tumorsim.__version__ == metadata.version("tumorsim") == project["version"] == citation["version"]


def test_citation_has_what_its_readers_need():
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text())
    assert citation["cff-version"] == "1.2.0"
    assert citation["type"] == "software"
    assert citation["license"] == "MIT"
    assert {"message", "title", "authors"} <= citation.keys()
    assert all(author["name"] for author in citation["authors"])


def test_dependencies_have_lower_bounds_and_no_caps():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    groups = [project["dependencies"], *project["optional-dependencies"].values()]
    for requirement in (text for group in groups for text in group if not text.startswith("tumorsim[")):
        assert re.fullmatch(r"[A-Za-z0-9.-]+>=[0-9.]+", requirement), requirement


def test_lock_names_no_other_registry():
    hosts = set(re.findall(r"https?://([^/\"\s]+)", (ROOT / "uv.lock").read_text()))
    assert hosts == {"pypi.org", "files.pythonhosted.org"}


def test_library_is_part_of_the_package():
    held = metadata.distribution("tumorsim")
    direct = json.loads(held.read_text("direct_url.json") or "{}")
    if direct.get("dir_info", {}).get("editable"):
        assert list((Path(tumorsim.__file__).parent / "library").rglob("*.yaml"))
    else:
        assert any(str(path).endswith("library/diseases/hcc.yaml") for path in held.files or ())
