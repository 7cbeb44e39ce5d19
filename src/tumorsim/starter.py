"""Starter scenarios: what ``tumorsim init`` writes."""

from __future__ import annotations

import re
from typing import Final, Literal

Setting = Literal["adjuvant", "advanced", "spatial", "sweep"]

_HEAD: Final = """\
# yaml-language-server: $schema={kind}.schema.json
# ^ `tumorsim schema{option} > {kind}.schema.json` gives editors completion and checks.
#
# tumorsim check {name}.yaml    validates, and prints the plan
# tumorsim run {name}.yaml      simulates, and prints {answer}
#
# Every quantity carries its unit: 14 day, 0.8 1/h, 6.4e9 cells, 400 mg, 25 %.
# A name such as hcc or cik is an entry of the library: `tumorsim library` lists them,
# `tumorsim library cik` prints every value with its source. Change one in place:
#   disease: {{base: hcc, growth: {{growth_rate: 0.01 1/day}}}}
# Hypothesis-generating simulation: not for clinical use.

{kind}: 1          # version of this layout
name: {name}
"""
_ANSWERS: Final = {
    "scenario": "simulated beside reported figures",
    "spatial": "what each arm came to, with intervals over replicates",
}
_OPTIONS: Final = {"scenario": "", "spatial": " --spatial"}  # of `tumorsim schema`

_ADJUVANT: Final = """\
title: Adjuvant CIK after curative treatment of hepatocellular carcinoma
seed: 1

disease: hcc

population:
  setting: adjuvant    # treated with curative intent; what was left behind may recur
  patients: 500        # virtual patients; each enters every arm (allocation: twins)
  age: {mean: 55, sd: 10, low: 20, high: 85}
  male: 83 %
  weight_mean: 65 kg
  weight_sd: 10 kg
  hbv: 81 %
  cirrhosis: 60 %
  child_pugh_b: 0 %
  platelets_median: 150 1e3/uL
  platelets_spread: 0.4          # standard deviation of the natural log
  modality: {resection: 31 %, RFA: 58 %, PEI: 11 %}
  diameter: {median: 21 mm, spread: 0.45, low: 8 mm, high: 60 mm}
  number: {single: 85 %}

trial:
  accrual: 30 month
  cutoff: 138 month              # from the first enrolment
  dropout_rate: 0.01 1/year
  visits:
    schedule: q3mo x 8, then q6mo
    jitter: 10 day
  imaging:
    detection_diameter: 10 mm    # seen with probability one half
    detection_steepness: 6
    measurable_diameter: 10 mm

arms:
  - name: control                # the first arm is the reference
    label: No adjuvant treatment
    treatments: []
  - name: cik
    label: Adjuvant CIK
    treatments:
      - infusion: cik            # or {base: cik, kill_rate: 0 1/day}
        dose: 6.4e9 cells
        schedule: 4 x q1w, 4 x q2w, 4 x q4w, 4 x q8w

after_progression:               # the same rule in every arm
  curative_probability: 48 %
  tace: ctace
  tace_at_most: 3
  rescue: {drug: sorafenib, dose: 400 mg, times_per_day: 2}

endpoints: [rfs, ttr, os, css]

# Reported figures to stand beside the simulated ones.
targets:
  - id: R-3
    quantity: rfs.hr
    arm: cik
    reference: control
    reported: 0.72
    reported_ci: [0.54, 0.97]
    n: [114, 112]
    kind: CAL                    # CAL fitted, SOFT loosely, CON shown only, IN set, Q qualitative
    weight: high
    source: Shin 2026 Cancer Immunol Immunother 75:55

output:
  traced_patients: 24            # patients whose trajectories are stored
  interval: 14 day
"""

_ADVANCED: Final = """\
title: Sorafenib with or without CIK in advanced hepatocellular carcinoma
seed: 1

disease: hcc

population:
  setting: advanced      # measurable lesions at the start
  patients: 500          # virtual patients; each enters every arm (allocation: twins)
  age: {mean: 58, sd: 11, low: 20, high: 85}
  male: 85 %
  weight_mean: 65 kg
  weight_sd: 11 kg
  hbv: 80 %
  cirrhosis: 80 %
  child_pugh_b: 10 %
  platelets_median: 150 1e3/uL
  platelets_spread: 0.4          # standard deviation of the natural log
  diameter: {median: 70 mm, spread: 0.5, low: 15 mm, high: 180 mm}
  number: {single: 25 %, more: 3}

trial:
  accrual: 24 month
  cutoff: 48 month               # from the first enrolment
  dropout_rate: 0.05 1/year
  visits:
    schedule: q8w
    jitter: 5 day
  imaging:
    detection_diameter: 10 mm    # seen with probability one half
    detection_steepness: 6
    measurable_diameter: 10 mm

arms:
  - name: sorafenib              # the first arm is the reference
    label: Sorafenib
    treatments:
      - drug: sorafenib          # or {base: sorafenib, vessel_emax: 0}
        dose: 400 mg
        times_per_day: 2
        schedule: continuous
        until: progression
        adherence: {mean: 0.9, sd: 0.1}
  - name: sorafenib_cik
    label: Sorafenib + CIK
    treatments:
      - drug: sorafenib
        dose: 400 mg
        times_per_day: 2
        schedule: continuous
        until: progression
        adherence: {mean: 0.9, sd: 0.1}
      - infusion: cik
        dose: 5e9 cells
        schedule: 4 consecutive days every 6 weeks
        until: progression
        manufacture: {culture: [14 day, 21 day]}    # the drug goes on meanwhile

endpoints: [os, pfs, ttp]

# Reported figures to stand beside the simulated ones go here, e.g.
#   - {id: X-1, quantity: os.hr, arm: sorafenib_cik, reported: 0.7, n: [100, 100], kind: SOFT, source: Author 2020}
targets: []

output:
  traced_patients: 24            # patients whose trajectories are stored
  interval: 14 day
"""

_SPATIAL: Final = """\
title: Sorafenib, and CIK cells after it, in a slice of a nodule
seed: 1

disease: hcc           # growth, vessels, resistance: the laws of the patient model
tissue: hcc            # what only a lattice has: motility, contact, diffusion, network

lattice:
  extent: [1 mm, 1 mm, 20 um]    # along x, y, z; one voxel deep is one slice
  # spacing: 20 um               # side of a voxel, which holds one tumour cell
  # step: 1 h
  duration: 42 day
  replicates: 4                  # lattices in each arm, the same ones in every arm

start:                           # day 0; what is left out comes from disease and tissue
  tumour: sphere                 # a disc in one slice; or slab, filled
  diameter: 0.6 mm
  cell_fraction: 0.8             # of the voxels inside the tumour; the rest is stroma
  resistant_fraction: 5 %
  resistant_clusters: 1          # in one patch; 0 scatters resistant cells
  lesion_volume: 5 mL            # of the lesion that the lattice is a sample of

arms:
  - name: control                # the first arm is the reference
    label: No treatment
    treatments: []
  - name: sorafenib
    label: Sorafenib
    treatments:
      - {drug: sorafenib, dose: 400 mg, times_per_day: 2, start: 0 day, until: end}
  - name: sorafenib_cik
    label: Sorafenib, then CIK
    treatments:
      - {drug: sorafenib, dose: 400 mg, times_per_day: 2, start: 0 day, until: end}
      - infusion: cik            # or {base: cik, kill_rate: 0 1/day}
        dose: 6.4e9 cells
        schedule: 4 x q1w
        start: 7 day
        until: end
      # - {tace: ctace, schedule: once, start: 7 day}

output:
  interval: 1 day                # between points of the series
  snapshots: {every: 14 day}     # whole lattices of the first replicate; or [0 day, 42 day]
  lineage: true                  # mother, birth and death of every tumour cell of the first replicate
  # checkpoint: 7 day            # to go on within a lattice after an interruption
"""


_SWEEP: Final = """\
# yaml-language-server: $schema=sweep.schema.json
# ^ `tumorsim schema --sweep > sweep.schema.json` gives editors completion and checks.
#
# tumorsim check {name}.yaml    validates, and prints points, runs, time and disk
# tumorsim sweep {name}.yaml    runs what is not done yet, and writes the table
#
# Hypothesis-generating simulation: not for clinical use.

sweep: 1             # version of this layout
name: {name}
title: Number of cells and their power to kill
scenario: scenario.yaml          # beside this file or one folder above; `tumorsim init` writes one
set: ["trial.cutoff=60 month"]   # changed in every run, as of --set
patients: 100                    # virtual patients of a run
replicates: 2                    # seeds of each point, the same at every point
design: grid                     # or list, latin_hypercube, sobol (the last two with samples: 64)

factors:                         # what changes from point to point
  - name: dose
    label: Cells of one infusion
    path: arms.cik.treatments.0.dose   # place in the scenario, as of --set
    low: 1e9 cells
    high: 1e10 cells
    points: 3
    scale: log
  - name: kill_rate
    path: infusion.cik.kill_rate       # of a library entry, wherever it is used
    values: [0.5 1/day, 1 1/day, 2 1/day]

outputs:                         # what is read off each run
  - {{name: hr, quantity: rfs.hr, arm: cik, label: Hazard ratio of recurrence}}
  - {{name: months, quantity: rfs.rmst(48 month), arm: cik}}
"""


def text(name: str = "my_trial", setting: Setting = "adjuvant") -> str:
    """Commented starter scenario.

    Parameters
    ----------
    name
        Name of the study; brought into the form of a name if it is none.
    setting
        ``adjuvant`` (after curative treatment), ``advanced`` (measurable lesions), ``spatial`` (a lattice) or
        ``sweep`` (many runs of ``scenario.yaml``).
    """
    plain = re.sub(r"[^a-z0-9_-]+", "_", name.lower()).strip("_-")[:64] or (
        {"spatial": "my_lattice", "sweep": "my_sweep"}.get(setting, "my_trial")
    )
    if setting == "sweep":
        return _SWEEP.format(name=plain)
    body = {"adjuvant": _ADJUVANT, "advanced": _ADVANCED, "spatial": _SPATIAL}[setting]
    kind = "spatial" if setting == "spatial" else "scenario"
    return _HEAD.format(name=plain, kind=kind, answer=_ANSWERS[kind], option=_OPTIONS[kind]) + body
