"""Spatial scenarios to read: the shipped ones, and a small one to change."""

from pathlib import Path

FOLDER = Path(__file__).parents[2] / "scenarios"
SHIPPED = sorted(FOLDER.rglob("spatial_*.yaml"))
GOOD = """
spatial: 1
name: study
title: A study
disease: hcc
tissue: hcc
lattice:
  extent: [1 mm, 0.8 mm, 60 um]
  duration: 30 day
  replicates: 2
start:
  diameter: 0.6 mm
arms:
  - name: control
  - name: cik
    treatments:
      - {infusion: cik, dose: 6.4e9 cells, schedule: 4 x q1w, until: end}
"""


def written(folder: Path) -> Path:
    """`GOOD` as a file in this folder."""
    path = folder / "study.yaml"
    path.write_text(GOOD)
    return path
