"""What cells and vessels exchange with the fields: each kernel equals its plain twin, whatever the threads and rows."""

from __future__ import annotations

import numpy as np
import pytest
import supply_cases as cases

from tumorsim.kernels import exchange, lattice, steady
from tumorsim.kernels.exchange import BlockLaw, Contents
from tumorsim.kernels.steady import Tissue, Work
from tumorsim.lattice.crew import Crew
from tumorsim.lattice.supply import Supply

EXACT = 1e-13
SHAPES = [(4, 6, 8), (5, 7, 9), (1, 9, 12), (3, 1, 5)]


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("factor", [1, 2, 3])
def test_contents_of_blocks_equal_their_twin(shape: tuple[int, int, int], factor: int) -> None:
    state, vessels, lymphocytes = cases.random_state(shape, 1, factor, 0.2)
    rules, grid = cases.make_rules(), state.grid
    state.fields.oxygen[::5] = -1e-4
    expected = cases.contents(state, vessels, lymphocytes, rules)
    found = Contents(*(np.full(grid.bz * grid.by * grid.bx, np.nan) for _ in Contents._fields))
    with Crew() as crew:
        vessel_list = Supply(grid, rules, crew).list_vessels(state, vessels)
    exchange.count_engaged(found.engaged, state.lymphocytes, lymphocytes, grid)
    middle, kind, oxygen = grid.bz // 2, state.voxels.kind, state.fields.oxygen
    normal, law = float(rules.tissue.oxygen.normal_oxygen), rules.patient.traits.vessels
    exchange.gather_blocks(found, kind, oxygen, vessel_list, grid, normal, law, middle, grid.bz)
    exchange.gather_blocks(found, kind, oxygen, vessel_list, grid, normal, law, 0, middle)
    for name, values in expected.items():
        np.testing.assert_allclose(getattr(found, name), values, rtol=EXACT, atol=1e-15, err_msg=name)
    assert expected["flow"].any()
    assert expected["engaged"].any()


def test_vessels_are_listed_by_voxel() -> None:
    state, count, _ = cases.random_state((4, 6, 8), 2, share=0.2)
    rules = cases.make_rules()
    flow, closed = cases.flows(state, count, rules)
    with Crew() as crew:
        found = Supply(state.grid, rules, crew).list_vessels(state, count)
    assert np.all(np.diff(found.place) > 0)
    np.testing.assert_allclose(found.flow, flow[found.place], rtol=EXACT)
    np.testing.assert_array_equal(found.closed, closed[found.place])
    assert found.place.size == count


def test_rows_of_tissue_add_up_all_parts() -> None:
    rng, n, nx = np.random.default_rng(3), 24, 6
    loss, gain, highest, exchanged = rng.random((4, n))
    kinds = rng.integers(0, 4, n).astype(np.uint8)
    place = np.array([0, 5, 6, 13, 23], dtype=np.int32)
    uptake = rng.random(4)
    tissue = Tissue(loss, gain, highest, 2.0, kinds, uptake, place, exchanged[place], 40.0)
    work, vessel = Work(*np.full((9, nx), np.nan)), 0
    at_vessels = np.zeros(n)
    at_vessels[place] = exchanged[place]
    for start in range(0, n, nx):
        vessel = steady.fill_row(work, tissue, start, vessel)
        part = slice(start, start + nx)
        np.testing.assert_allclose(work.loss, (loss + at_vessels)[part], rtol=EXACT)
        np.testing.assert_allclose(work.gain, (gain + 40.0 * at_vessels)[part], rtol=EXACT)
        np.testing.assert_allclose(work.highest, (highest + uptake[kinds])[part], rtol=EXACT)
    assert vessel == place.size
    steady.fill_row(work, Tissue(), 0, 0)
    assert not any(row.any() for row in (work.loss, work.gain, work.highest))


def test_blocks_are_exchanged_as_their_law_says() -> None:
    rng = np.random.default_rng(4)
    secreting, vessels = rng.random((2, 30))
    loss, gain = np.full(30, -1.0), np.full(30, -1.0)
    exchange.fill_blocks(loss, gain, secreting, vessels, BlockLaw(3.0, 5.0, 7.0, 11.0), 0, 29)
    np.testing.assert_allclose(loss[:29], 3.0 + 7.0 * vessels[:29], rtol=EXACT)
    np.testing.assert_allclose(gain[:29], 5.0 * secreting[:29] + 77.0 * vessels[:29], rtol=EXACT)
    assert loss[29] == gain[29] == -1.0


def test_chemokine_follows_interferon() -> None:
    rng, rules = np.random.default_rng(5), cases.make_rules()
    cells, interferon = rng.random((2, 30))
    interferon[0], interferon[1] = 0.0, -1e-9
    found = np.full(30, -1.0)
    exchange.fill_chemokine(found, cells, interferon, rules.tissue["signals"], 0, 30)
    seen = np.maximum(interferon, 0.0)
    np.testing.assert_allclose(found, cells * (0.2 + 0.8 * seen / (seen + 0.01)), rtol=EXACT)


def test_effects_are_those_of_the_local_drug() -> None:
    """Emax laws of the local concentration, in the order of `DrugEffects`."""
    rng, rules = np.random.default_rng(6), cases.make_rules()
    y, drug = np.array([300.0, 0.0, 0.5, 1.0, 0.0, 0.0, 0.0]), rng.random(20)
    drug[0] = -1e-6
    for name in ("cytotoxic_rate", "opsonisation_emax"):  # sorafenib has neither
        rules.patient.drugs[0][name] = 0.6
    rules.patient.drugs[0]["cytotoxic_ec50"] = rules.patient.drugs[0]["opsonisation_ec50"] = 700.0
    effects = np.full((20, 8), np.nan)
    exchange.fill_effects(effects, drug, y, rules.patient, 0, 20)
    d = rules.patient.drugs[0]
    level = np.maximum(drug, 0.0) * 300.0 / d["volume"] / d["molar_mass"] * 1e6
    share = d["resistant_sensitivity"]
    births = d["proliferation_emax"] * level / (level + d["proliferation_ec50"])
    killing = d["cytotoxic_rate"] * level / (level + d["cytotoxic_ec50"])
    sprouts = d["vessel_emax"] * level / (level + d["vessel_ec50"])
    killers = d["effector_suppression_emax"] * level / (level + d["effector_suppression_ec50"])
    bound = d["opsonisation_emax"] * level / (level + d["opsonisation_ec50"])
    expected = [births, share * births, killing, share * killing, sprouts, share * sprouts, killers, bound]
    np.testing.assert_allclose(effects, np.array(expected).T, rtol=1e-12, atol=1e-15)
    assert effects[1:].all()


@pytest.mark.parametrize("drugs", [0, 1])
def test_no_drug_is_a_drug_without_plasma_bit_for_bit(drugs: int) -> None:
    state, vessels, lymphocytes = cases.random_state((4, 5, 6), 7)
    rules, y = cases.make_rules(drugs), np.zeros(7)
    with Crew() as crew:
        supply = Supply(state.grid, rules, crew)
        supply.solve_signals(state, vessels, lymphocytes, 0.0)
        supply.update_effects(state, y)
    worked_out = np.full_like(state.fields.effects, np.nan)
    exchange.fill_effects(worked_out, state.fields.drug, y, rules.patient, 0, worked_out.shape[0])
    assert state.fields.effects.tobytes() == worked_out.tobytes() == np.zeros_like(worked_out).tobytes()
    assert state.fields.drug.any()


def test_nothing_stays_beyond_its_bounds() -> None:
    field = np.array([-1.0, 0.0, 2.0, np.nan, 5.0, -3.0])
    exchange.keep_within(field, 4.0, 0, 5)
    np.testing.assert_array_equal(field, [0.0, 0.0, 2.0, np.nan, 4.0, -3.0])


# --- the same bits ------------------------------------------------------------------------


def solved(state: lattice.State, vessels: int, lymphocytes: int, threads: int) -> lattice.State:
    """All fields, from what the state holds."""
    rules, state = cases.make_rules(), cases.copied(state)
    with Crew(threads) as crew:
        supply = Supply(state.grid, rules, crew)
        supply.solve_oxygen(state, vessels)
        supply.solve_signals(state, vessels, lymphocytes, 1000.0)
        supply.update_effects(state, np.array([300.0, 0.0]))
    return state


def test_threads_and_rows_change_no_bit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tumorsim.lattice.crew.ALONE", 100)
    monkeypatch.setattr("tumorsim.lattice.fields.SHARED_LEVEL", 100)
    state, vessels, lymphocytes = cases.random_state((13, 18, 21), 8)
    expected = solved(state, vessels, lymphocytes, 1)
    for field in expected.fields:
        assert field.any()
        assert np.isfinite(field).all()
    others = [solved(state, vessels, lymphocytes, threads) for threads in (2, 3)]
    others += [solved(cases.shuffled(state, vessels, lymphocytes, seed), vessels, lymphocytes, 2) for seed in (1, 2)]
    for other in others:
        for name, a, b in zip(lattice.Fields._fields, expected.fields, other.fields, strict=True):
            assert a.tobytes() == b.tobytes(), name
