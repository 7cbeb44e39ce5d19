"""The tissue of the library: what its values mean together, and how they are packed."""

import math

import numpy as np
import pytest

from tumorsim import library
from tumorsim.fields import parameters_of
from tumorsim.kernels import tissue as kernel_tissue
from tumorsim.kernels.tissue import TISSUE
from tumorsim.params.tissue import TISSUE_PROCESSES, Motility, TissueModel

DAY = 86400.0


@pytest.fixture(scope="module")
def hcc():
    return TissueModel.model_validate(library.tree("tissues", "hcc").plain())


def test_processes_are_packed_in_the_order_of_the_kernel(hcc):
    assert TISSUE.names == TISSUE_PROCESSES
    for name in TISSUE_PROCESSES:
        process = getattr(hcc, name)
        assert type(process).KERNEL is getattr(kernel_tissue, type(process).__name__)
        assert TISSUE[name].names == process.names() == type(process).KERNEL._fields
    packed = np.zeros(1, TISSUE)
    for name in TISSUE_PROCESSES:
        packed[name][0] = tuple(getattr(hcc, name).values())
    assert packed["oxygen"]["blood_oxygen"][0] == 40.0
    assert packed["network"]["tip_persistence"][0] == hcc.network.tip_persistence.value


def test_what_the_kernel_never_sees_is_not_packed(hcc):
    assert set(TissueModel.model_fields) - {"name", "label", "note"} - set(TISSUE_PROCESSES) == {"anatomy"}


def test_a_class_and_its_kernel_tuple_must_agree():
    with pytest.raises(TypeError, match="different parameters"):

        class Broken(Motility):
            KERNEL = kernel_tissue.Network


def test_values_are_in_internal_units(hcc):
    assert hcc.oxygen.diffusivity.value == pytest.approx(2.8e-5 * 1e8 * DAY)  # cm2/s
    assert hcc.oxygen.tumour_uptake.value == 15.0 * DAY
    assert hcc.signals.interferon_decay_rate.value == pytest.approx(6.5e-5 * DAY)
    assert hcc.motility.coefficient.value == 10.0 * 1440


def test_every_parameter_has_a_symbol_of_its_own():
    symbols = [field.json_schema_extra["symbol"] for _, field in parameters_of(TissueModel)]
    assert len(set(symbols)) == len(symbols) == 38


def test_derived_values_follow_from_what_their_source_says(hcc):
    oxygen, network, anatomy = hcc.oxygen, hcc.network, hcc.anatomy
    voxel = 20.0
    exchange = math.pi * 2.5 * oxygen.diffusivity.value / voxel**2
    assert oxygen.vessel_exchange.value == pytest.approx(exchange, rel=0.1)
    reach = math.sqrt(2 * oxygen.diffusivity.value * oxygen.blood_oxygen.value / oxygen.tumour_uptake.value)
    assert reach == pytest.approx(120, rel=0.05)  # um from a plane of blood to anoxia
    share = (voxel / anatomy.vessel_spacing_inside.value) ** 2
    assert share == pytest.approx(0.02, rel=0.02)
    assert network.cells_per_vessel.value == pytest.approx(1 / share, rel=0.02)
    halving = math.log(2) * math.sqrt(hcc.penetration.depot_diffusivity.value / hcc.penetration.depot_loss_rate.value)
    assert halving == pytest.approx(130, rel=0.03)
    moves, hours = 53, 6
    assert hcc.motility.coefficient.value == pytest.approx(moves * voxel**2 / 6 / (hours / 24), rel=0.03)


def test_a_well_supplied_tumour_has_nearly_the_drug_of_plasma(hcc):
    penetration, cells = hcc.penetration, hcc.network.cells_per_vessel.value
    mean = 1 / (1 + penetration.drug_loss_rate.value * cells / penetration.drug_exchange.value)
    assert mean > 0.9


def test_signals_reach_tens_of_cells(hcc):
    signals = hcc.signals
    for name, rate in (
        ("interferon", signals.interferon_decay_rate.value),
        ("chemokine", signals.chemokine_decay_rate.value),
        ("suppressor", signals.suppressor_decay_rate.value),
        ("vegf", 16.6),
    ):
        reach = math.sqrt(getattr(signals, f"{name}_diffusivity").value / rate)
        assert 200 < reach < 600, name


@pytest.mark.parametrize(
    ("path", "raw", "message"),
    [
        ("oxygen.blood_oxygen", "0 mmHg", "must be > 0 mmHg"),
        ("motility.persistence", 0.99, "must be <= 0.95"),
        ("signals.chemokine_basal", 1.5, "must be <= 1"),
        ("contact.engagement_rate", "-1 1/day", "must be >= 0 1/day"),
        ("network.cells_per_vessel", 0, "must be > 0"),
        ("anatomy.territory", "10 um", "must be >= 20 um"),
        ("anatomy.territory", "2 cm", "must be <= 10000 um"),
    ],
)
def test_bounds_hold(path, raw, message):
    plain = library.tree("tissues", "hcc").plain()
    process, name = path.split(".")
    plain[process][name] = raw
    with pytest.raises(ValueError, match=message):
        TissueModel.model_validate(plain)


@pytest.mark.parametrize(("name", "killing"), [("nk", 1.0), ("car_nk", 4.0), ("cik", 1.67)])
def test_cell_products_kill_as_sources_say(name, killing):
    from tumorsim.params.cell_product import CellModel

    product = CellModel.model_validate(library.tree("cells", name).plain())
    assert product.kill_rate.value * (1 + product.car_gain.value) == pytest.approx(killing)
    assert product.cytostatic_share.value == 0
    half_life = math.log(2) / product.death_rate.value
    low, high = {"nk": (0.5, 1.5), "car_nk": (1, 7), "cik": (3, 21)}[name]  # day
    assert low <= half_life <= high
