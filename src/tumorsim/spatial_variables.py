"""Every array a spatial result can hold: declared once, with unit, dimensions and meaning.

The counterpart of `tumorsim.variables` for the lattice.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tumorsim.kernels.tissue import FATES as FATES
from tumorsim.variables import Variable

CONTENTS = (
    "stroma",
    "sensitive cell",
    "resistant cell",
    "antigen-low cell",
    "resistant antigen-low cell",
    "dead cell",
    "open vessel",
    "embolised vessel",
)

HYPOXIA = 10.0  # mmHg; Vaupel & Mayer 2007 Cancer Metastasis Rev 26:225

EACH = ("arm", "replicate", "time")
PRODUCT = ("arm", "replicate", "product", "time")
FATE = ("arm", "replicate", "fate", "time")
SHOT = ("arm", "replicate", "shot")
DEPTH = ("arm", "replicate", "shot", "depth")
RADIUS = ("arm", "replicate", "shot", "radius")
BOX = ("shot", "z", "y", "x")
CELL = ("cell",)

SERIES = (
    Variable("series", "sensitive", EACH, "cell", "Living sensitive tumour cells.", count=True),
    Variable("series", "resistant", EACH, "cell", "Living drug-resistant tumour cells.", count=True),
    Variable("series", "antigen_low", EACH, "cell", "Living antigen-low tumour cells.", count=True),
    Variable("series", "resistant_antigen_low", EACH, "cell", "Living tumour cells that are both.", count=True),
    Variable("series", "mhc_low", EACH, "cell", "Living tumour cells without MHC-I.", count=True),
    Variable("series", "dead_cells", EACH, "cell", "Dead tumour cells not yet cleared.", count=True),
    Variable("series", "births", EACH, "cell", "Divisions since the start.", count=True),
    Variable("series", "deaths", FATE, "cell", "Tumour cells that died since the start, by cause.", count=True),
    Variable("series", "open_vessels", EACH, "1", "Vessel voxels with flow.", count=True),
    Variable("series", "embolised_vessels", EACH, "1", "Vessel voxels without flow after TACE.", count=True),
    Variable("series", "maturity", EACH, "1", "Mean maturity of open vessels (0-1)."),
    Variable("series", "perfusion", EACH, "1", "Mean perfusion of all vessel voxels against an untreated open one."),
    Variable("series", "oxygen", EACH, "mmHg", "Mean oxygen of living tumour cells."),
    Variable("series", "hypoxic_fraction", EACH, "1", f"Share of living tumour cells below {HYPOXIA:g} mmHg."),
    Variable("series", "vegf", EACH, "pg/mL", "Mean VEGF of the tissue."),
    Variable("series", "interferon", EACH, "1", "Mean IFN-gamma of the tissue, relative units."),
    Variable("series", "drug_penetration", EACH, "1", "Mean drug concentration at living tumour cells against plasma."),
    Variable("series", "plasma_drug", EACH, "nmol/L", "Plasma concentration of the first drug."),
    Variable("series", "memory", EACH, "1", "Memory CD8 T cells of the body against their ceiling."),
    Variable(
        "series", "lymphocytes", PRODUCT, "cell", "Living effectors in the tissue, exhausted ones too.", count=True
    ),
    Variable("series", "engaged", PRODUCT, "cell", "Effectors that hold a tumour cell.", count=True),
    Variable("series", "exhausted", PRODUCT, "cell", "Exhausted effectors.", count=True),
    Variable("series", "recruited", PRODUCT, "cell", "Effectors that entered since the start.", count=True),
    Variable("series", "kills", PRODUCT, "cell", "Tumour cells killed since the start.", count=True),
    Variable("series", "blood", PRODUCT, "cell", "Effectors in the blood of the whole body."),
)
MEASURES = (
    Variable("measures", "infiltration", DEPTH, "cell/mm3", "Effectors at this depth below the margin of the tumour."),
    Variable("measures", "volume", DEPTH, "mm3", "Tissue at this depth."),
    Variable(
        "measures",
        "infiltration_depth",
        SHOT,
        "um",
        "Mean depth of effectors below the margin; outside counts negative.",
    ),
    Variable("measures", "infiltrating", SHOT, "cell", "Effectors inside the margin.", count=True),
    Variable(
        "measures",
        "pair_correlation",
        RADIUS,
        "1",
        "Resistant around resistant cells against chance, at this distance.",
    ),
    Variable("measures", "clusters", SHOT, "1", "Connected groups of living tumour cells.", count=True),
    Variable("measures", "largest_cluster", SHOT, "1", "Share of living tumour cells in the largest group."),
    Variable("measures", "mixing", SHOT, "1", "Chance that neighbours are of different clones, against well mixed."),
    Variable(
        "measures",
        "radius_of_gyration",
        SHOT,
        "um",
        "Root mean square distance of living tumour cells from their centre.",
    ),
    Variable(
        "measures", "rim_distance", SHOT, "um", "Mean distance of living tumour cells from the nearest open vessel."
    ),
    Variable(
        "measures", "dead_distance", SHOT, "um", "Mean distance of dead tumour cells from the nearest open vessel."
    ),
)
SNAPSHOTS = (
    Variable("snapshots", "content", BOX, "1", "What the voxel holds.", CONTENTS),
    Variable("snapshots", "lymphocytes", BOX, "cell", "Effectors in the voxel.", count=True),
    Variable("snapshots", "oxygen", BOX, "mmHg", "Oxygen."),
    Variable("snapshots", "vegf", BOX, "pg/mL", "VEGF."),
    Variable("snapshots", "drug", BOX, "1", "Drug concentration against plasma."),
    Variable("snapshots", "depot", BOX, "nmol/L", "Drug from embolised vessels."),
    Variable("snapshots", "interferon", BOX, "1", "IFN-gamma, relative units."),
    Variable("snapshots", "chemokine", BOX, "1", "Chemokine, relative units."),
    Variable("snapshots", "suppressors", BOX, "1", "Suppressive factor, relative units."),
)
LINEAGE = (
    Variable(
        "lineage",
        "parent",
        CELL,
        "1",
        "Id of the mother cell; -1 for a founder. A cell's own id is its row.",
        count=True,
    ),
    Variable("lineage", "clone", CELL, "1", "Clone at birth.", ("sensitive", "resistant", "antigen_low", "both")),
    Variable(
        "lineage",
        "last_clone",
        CELL,
        "1",
        "Clone at death, or at the end.",
        ("sensitive", "resistant", "antigen_low", "both"),
    ),
    Variable("lineage", "birth", CELL, "day", "Time of birth."),
    Variable("lineage", "death", CELL, "day", "Time of death; NaN if alive at the end."),
    Variable("lineage", "fate", CELL, "1", "Why it died.", FATES),
)
SPATIAL_VARIABLES = (*SERIES, *MEASURES, *SNAPSHOTS, *LINEAGE)


@dataclass(frozen=True)
class SpatialData:
    """A finished spatial study in memory.

    Attributes
    ----------
    arms, labels
        Arm names (axis ``arm``) and what people call them.
    products
        Names of the effectors, axis ``product``; memory CD8 T cells come last, as ``memory_cd8``.
    replicate
        Numbers of the replicates, axis ``replicate``.
    time, shot
        Days of the series and of the snapshots.
    depth, radius
        Middles of the bins of depth below the margin (negative: outside) and of distance, um.
    shape, spacing
        Voxels along z, y, x, and um.
    arrays
        Series and measures by name; shapes follow `Variable.dims`; missing is NaN, or -1 where counted.
    snapshots
        By arm, then by name: the first replicate; (shot, z, y, x). Fields are float32, codes and counts 8-bit integers.
        Of every arm, or empty.
    lineage
        By arm, then by name: the first replicate; (cell,). Empty where it was not asked for.
    """

    arms: tuple[str, ...]
    labels: tuple[str, ...]
    products: tuple[str, ...]
    replicate: NDArray[np.int64] = field(repr=False)
    time: NDArray[np.float64] = field(repr=False)
    shot: NDArray[np.float64] = field(repr=False)
    depth: NDArray[np.float64] = field(repr=False)
    radius: NDArray[np.float64] = field(repr=False)
    shape: tuple[int, int, int]
    spacing: float
    arrays: dict[str, NDArray[Any]] = field(repr=False)
    snapshots: dict[str, dict[str, NDArray[Any]]] = field(repr=False)
    lineage: dict[str, dict[str, NDArray[Any]]] = field(repr=False)

    def __getitem__(self, name: str) -> NDArray[Any]:
        return self.arrays[name]
