"""Loading a scenario: what is resolved, what is reported, and that it reads back."""

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tumorsim import library, references, starter, study
from tumorsim.overlay import set_value
from tumorsim.references import inline
from tumorsim.scenario import Scenario, ScenarioError, load, read_resolved

SHIPPED = sorted((Path(__file__).parents[2] / "scenarios").glob("hcc_*.yaml"))


@pytest.fixture
def adjuvant(tmp_path):
    path = tmp_path / "study.yaml"
    path.write_text(starter.text("study", "adjuvant"))
    return path


@pytest.fixture
def advanced(tmp_path):
    path = tmp_path / "study.yaml"
    path.write_text(starter.text("study", "advanced"))
    return path


def problems_of(path, *overrides, **options):
    with pytest.raises(ScenarioError) as caught:
        load(path, overrides, **options)
    return [str(problem).replace(f"{path.as_posix()}", path.name) for problem in caught.value.problems]


def child(tmp_path, text, name="child.yaml"):
    path = tmp_path / name
    path.write_text(text)
    return path


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.stem)
def test_shipped_scenarios_load_and_read_back(path):
    scenario = load(path)
    again = read_resolved(scenario.resolved_text)
    assert again == scenario
    assert again.resolved_text == scenario.resolved_text
    assert scenario.name == path.stem


@pytest.mark.parametrize("setting", ["adjuvant", "advanced"])
def test_resolved_text_reads_back_to_the_same_scenario(tmp_path, setting):
    path = child(tmp_path, starter.text("study", setting))
    scenario = load(path)
    again = read_resolved(scenario.resolved_text)
    assert again == scenario
    assert (again.resolved_text, again.digest) == (scenario.resolved_text, scenario.digest)
    assert len(scenario.digest) == 64


def test_every_kind_of_treatment_reads_back(advanced, tmp_path):
    path = child(
        tmp_path,
        """
extends: study.yaml
arms:
  - name: everything
    treatments:
      - {tace: ctace, schedule: 3 x q6w}
      - {tace: {base: ctace, mortality: 1 %}, on_demand: true, max_sessions: 4}
      - {resection: curative, start: 5 day}
      - {ablation: RFA}
      - {drug: {base: sorafenib, route: iv}, dose: 15 mg/kg, schedule: q3w, until: 52 week}
      - {drug: sorafenib, dose: 400 mg, adherence: 80 %, hold: {rate: 0.1 1/month, duration: 14 d}}
      - infusion: cik
        dose: harvest
        schedule: 3 consecutive days every 6 weeks x 8
        manufacture: {culture: 14 d, harvest: {collected: 1e8 cells, expansion: 60, release_threshold: 1e9 cells}}
""",
    )
    scenario = load(path)
    assert read_resolved(scenario.resolved_text) == scenario
    assert [t.KEY for t in scenario.arms[0].treatments] == [
        "tace", "tace", "resection", "ablation", "drug", "drug", "infusion",
    ]  # fmt: skip
    assert scenario.arms[0].treatments[1].tace.mortality.value == 0.01


def test_the_digest_depends_on_meaning_only(adjuvant, tmp_path):
    digest = load(adjuvant).digest
    text = adjuvant.read_text()
    # another layout of files, another order of keys, other spellings of the same quantities
    parts = tmp_path / "parts"
    parts.mkdir()
    (parts / "all.yaml").write_text(text)
    respelt = child(
        tmp_path,
        "extends: parts/all.yaml\ntrial: {accrual: 2.5 year, visits: {jitter: 240 h}}\npopulation: {male: 0.83}\n",
    )
    assert load(respelt).digest == digest
    assert load(adjuvant, ["title=Another title"]).digest != digest
    assert load(adjuvant, ["disease.growth.growth_rate=0.0086 1/day"]).digest != digest


def test_the_resolved_text_needs_no_library(adjuvant, monkeypatch):
    scenario = load(adjuvant)
    assert '"base"' not in scenario.resolved_text
    assert '"extends"' not in scenario.resolved_text

    def closed(*_):
        raise AssertionError("the library was read")

    monkeypatch.setattr(library, "tree", closed)
    monkeypatch.setattr(library, "names", closed)
    assert read_resolved(scenario.resolved_text) == scenario


def test_what_runs_has_the_order_of_the_canonical_text(adjuvant):
    digest, text = load(adjuvant).digest, adjuvant.read_text()
    shares = "{resection: 31 %, RFA: 58 %, PEI: 11 %}"
    assert shares in text
    adjuvant.write_text(text.replace(shares, "{PEI: 11 %, resection: 31 %, RFA: 58 %}"))
    shuffled = load(adjuvant)
    assert list(shuffled.population.modality) == sorted(shuffled.population.modality)
    assert shuffled.digest == digest


def test_overrides_in_place(adjuvant):
    scenario = load(
        adjuvant,
        ["disease.growth.growth_rate=0.01 1/day", "arms.cik.treatments.0.infusion.kill_rate=0 1/day"],
        patients=17,
        seed=0,
    )
    shipped = load(adjuvant)
    rate = scenario.disease.growth.growth_rate
    assert (rate.value, rate.source, rate.status, rate.range) == (0.01, "scenario", "assumed", None)
    assert rate.cv == shipped.disease.growth.growth_rate.cv > 0
    assert scenario.disease.name == "hcc"
    assert scenario.arms[1].treatments[0].infusion.kill_rate.value == 0.0
    assert scenario.arms[1].treatments[0].infusion.death_rate == shipped.arms[1].treatments[0].infusion.death_rate
    assert (scenario.population.patients, scenario.seed) == (17, 0)


def test_a_base_alone_is_the_entry(adjuvant):
    assert load(adjuvant, ["disease={base: hcc}"]) == load(adjuvant)


def test_a_protocol_may_be_changed_in_place(adjuvant):
    treatments = "[{protocol: cik_60_weeks, dose: 3e9 cells, infusion: {kill_rate: 0 1/day}}]"
    changed = load(adjuvant, [f"arms.cik.treatments={treatments}"]).arms[1].treatments[0]
    shipped = load(adjuvant, ["arms.cik.treatments=[{protocol: cik_60_weeks}]"]).arms[1].treatments[0]
    assert shipped == load(adjuvant).arms[1].treatments[0]
    assert (changed.dose.amount, changed.infusion.kill_rate.value) == (3e9, 0.0)
    assert (changed.schedule, changed.infusion.name) == (shipped.schedule, "cik")


def test_a_drug_may_be_written_out_in_place(advanced, tmp_path):
    path = child(
        tmp_path,
        """
extends: study.yaml
arms:
  - name: mine
    treatments:
      - drug: {name: mine, label: Mine, clearance: 5 L/h, volume: 100 L, molar_mass: 500 g/mol}
        dose: 100 mg
""",
    )
    drug = load(path).arms[0].treatments[0].drug
    assert drug.clearance.value == 120.0
    assert drug.vessel_emax.source == "default: the effect is absent"


def test_arms_by_name(adjuvant):
    scenario = load(adjuvant)
    assert scenario.arm_names == ("control", "cik")
    assert scenario.arm("cik").title == "Adjuvant CIK"
    with pytest.raises(KeyError, match="the arms are control, cik"):
        scenario.arm("ckt")


def test_every_error_is_reported_at_once_in_order(adjuvant, tmp_path):
    path = child(
        tmp_path,
        """
extends: study.yaml
seed: true
disease: hhc
population: {male: 83, agee: 5, weight_mean: 65}
trial: {cutoff: 5 mg, visits: {schedule: sometimes}}
arms:
  - name: control
    treatments: [{drug: sorafenib, dose: 400}]
  - name: control
endpoints: [os, rsf]
targets:
  - {id: R-1, quantity: os.hr, arm: nobody, reported: 0.7, kind: CAL, source: Shin 2026}
  - {id: R-2, quantity: os.hr, arm: control, reported: 0.7, kind: MAYBE, source: Shin 2026}
""",
    )
    found = problems_of(path)
    places = [line.split(" ")[0] + " " + line.split(" ")[1] for line in found]
    assert places == [
        "child.yaml:3:7 seed:",
        "child.yaml:4:10 disease:",
        "child.yaml:5:20 population.male:",
        "child.yaml:5:24 population.agee:",
        "child.yaml:5:46 population.weight_mean:",
        "child.yaml:6:17 trial.cutoff:",
        "child.yaml:6:42 trial.visits.schedule:",
        "child.yaml:9:42 arms[0].treatments[0].dose:",
        "child.yaml:10:11 arms[1].name:",
        "child.yaml:11:17 endpoints[1]:",
        "child.yaml:13:37 targets[0].arm:",
        "child.yaml:14:67 targets[1].kind:",
    ]


WRONG = ("5", "true", "[1, 2]", "{a: 1}", "null", "text", "-1", "1e400", "[]", "{}")
ENGLISH = re.compile(
    "Input should|Value error|validation error|Extra inputs|Field required|Tuple should|valid string|NoneType"
)


@pytest.mark.parametrize("values", [1, pytest.param(len(WRONG), marks=pytest.mark.slow)])
def test_no_sentence_of_the_validator_reaches_the_user(adjuvant, values):
    """So many wrong values of every key."""
    plain = json.loads(load(adjuvant).resolved_text)
    blocks = ("population", "trial", "after_progression", "output")
    paths = [*plain, *(f"{key}.{sub}" for key in blocks for sub in plain[key])]
    paths += ["arms.0.name", "arms.1.treatments", "arms.1.treatments.0.dose", "arms.1.treatments.0.infusion.kill_rate"]
    paths += ["trial.visits.schedule", "trial.imaging.target_lesions", "disease.growth", "population.age.mean"]
    tried = [(path, WRONG[(i + k) % len(WRONG)]) for i, path in enumerate(paths) for k in range(values)]
    refused = [str(error) for path, value in tried if (error := refusal(adjuvant, f"{path}={value}")) is not None]
    assert len(refused) > 0.6 * len(tried)
    assert [said for said in refused if ENGLISH.search(said)] == []
    assert [said for said in refused if not said.startswith(("--set", adjuvant.as_posix()))] == []


def refusal(path, setting):
    try:
        load(path, [setting])
    except ScenarioError as error:
        return error
    return None


def test_a_union_gives_one_message(adjuvant):
    assert problems_of(adjuvant, "arms.1.treatments=[{infusion: cik, dose: 5, schedule: q3w}]") == [
        "--set arms.1.treatments: arms[1].treatments[0].dose: a dose must be a number with a unit, "
        'e.g. "6.4e9 cells" or "4.65e6 cells/kg"'
    ]


def test_missing_keys_of_a_library_entry_are_one_message(adjuvant):
    found = problems_of(
        adjuvant, "arms.1.treatments=[{infusion: {kill_rate: 1 1/day}, dose: 1e9 cells, schedule: q3w}]"
    )
    assert found == [
        "--set arms.1.treatments: arms[1].treatments[0].infusion: lacks name, label, lung_release_rate, "
        "liver_uptake_rate, rest_uptake_rate and 8 more; start from a cell product of the library with base: cik"
    ]


def test_faulty_items_do_not_also_make_a_list_too_short(adjuvant):
    assert problems_of(adjuvant, "arms=[{name: A B}]", "targets=[]") == [
        "--set arms: arms[0].name: must be 1 to 64 of a-z, 0-9, _ and -, a letter or digit first, e.g. cik_60_weeks"
    ]


def test_a_file_full_of_slips_is_cut(adjuvant, tmp_path):
    path = child(tmp_path, "extends: study.yaml\n" + "".join(f"k{i}: 1\n" for i in range(1000)))
    with pytest.raises(ScenarioError) as caught:
        load(path)
    assert len(caught.value.problems) == 200


def test_options_name_themselves(adjuvant):
    assert problems_of(adjuvant, patients=0) == ['--patients: population.patients: 0 must be >= 1, e.g. "500"']
    assert problems_of(adjuvant, seed=-1) == ['--seed: seed: -1 must be >= 0, e.g. "1"']


def test_a_missing_file_is_a_scenario_error(tmp_path):
    assert problems_of(tmp_path / "none.yaml") == [
        "none.yaml: there is no such file; give the path of a scenario, e.g. scenarios/hcc_sorafenib_cik.yaml"
    ]


@pytest.mark.parametrize(
    "text",
    [
        "",
        "null",
        "[]",
        "{",
        '{"a": 1, "a": 2}',
        '{"seed": NaN}',
        "[" * 100_000,
        '{"scenario": 1}',
        "{" + '"a":{' * 5000,
    ],
)
def test_a_foreign_resolved_text_is_a_scenario_error(text):
    with pytest.raises(ScenarioError):
        read_resolved(text)


def test_a_resolved_text_must_keep_the_rules(adjuvant):
    plain = json.loads(load(adjuvant).resolved_text)
    plain["arms"][1]["name"] = "control"
    with pytest.raises(ScenarioError, match="is the name of arms"):
        read_resolved(json.dumps(plain))
    text = load(adjuvant).resolved_text
    assert text.count('"seed": 1,') == 1
    with pytest.raises(ScenarioError, match="one entry a key"):
        read_resolved(text.replace('"seed": 1,', '"seed": 1, "seed": 1,'))
    plain = json.loads(text)
    plain["disease"] = "hcc"
    with pytest.raises(ScenarioError, match="resolved scenario: disease: must be"):
        read_resolved(json.dumps(plain))


def test_a_scenario_is_frozen(adjuvant):
    scenario = load(adjuvant)
    with pytest.raises(ValueError, match="frozen"):
        scenario.seed = 5
    assert isinstance(scenario, Scenario)


def test_loading_imports_nothing_heavy(adjuvant):
    code = (
        "import sys\n"
        "from tumorsim.scenario import load\n"
        f"load({str(adjuvant)!r})\n"
        "heavy = {'numba', 'scipy', 'pandas', 'matplotlib', 'statsmodels', 'pint', 'h5py'} & set(sys.modules)\n"
        "assert not heavy, heavy\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)


def test_checking_a_trial_loads_neither_the_general_scanner_nor_the_lattice(adjuvant):
    code = (
        "import sys\n"
        "from tumorsim.cli import main\n"
        f"sys.argv = ['x', 'check', {str(adjuvant)!r}]\n"
        "try:\n    main()\nexcept SystemExit as ended:\n    assert not ended.code\n"
        "needless = {'numba', 'tumorsim.spatial_scenario'} & set(sys.modules)\n"
        "assert not needless, needless\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60, capture_output=True)


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.stem)
def test_keys_are_put_in_order_as_writing_and_reading_the_canonical_text_would(path):
    plain = load(path).model_dump(mode="json")
    mixed = mix(plain)
    assert json.dumps(mixed) != json.dumps(plain)
    assert repr(study._sorted(mixed)) == repr(json.loads(study.canonical_json(mixed)))


def mix(value):
    """The same with every mapping turned round."""
    if isinstance(value, dict):
        return {key: mix(child) for key, child in reversed(value.items())}
    return [mix(item) for item in value] if isinstance(value, list) else value


def test_trees_that_share_what_is_wrong_each_report_it_and_what_is_right_is_walked_once(adjuvant):
    broken = adjuvant.read_text().replace("infusion: cik", "infusion: cic")
    assert broken != adjuvant.read_text()
    adjuvant.write_text(broken)
    root, _ = study.read_study(adjuvant, (), {}, None)
    first, second = root, set_value(root, "seed=7")
    named = [[str(problem) for problem in inline(tree, Scenario)[1]] for tree in (first, second)]
    assert named[0] == named[1]
    assert "infusion" in named[0][0]
    trees = [inline(tree, Scenario)[0] for tree in (first, second)]
    assert trees[0].value["disease"] is trees[1].value["disease"]
    assert trees[0].value["arms"] is not trees[1].value["arms"]
    assert [tree.plain()["seed"] for tree in trees] == [root.plain()["seed"], 7]


def test_what_is_remembered_of_trees_changes_no_bit(adjuvant, monkeypatch):
    digest = load(adjuvant).digest
    for most in (0, 3):  # always forgotten; forgotten now and then
        monkeypatch.setattr(references._Done, "MOST", most)
        references._DONE.held.clear()
        assert load(adjuvant).digest == digest
        assert len(references._DONE.held) <= max(most, 1)
