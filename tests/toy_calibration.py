"""A small made-up calibration of the adjuvant CIK trial; nothing is simulated.

For tests of whatever reads `outcome.json`: figures, page, command line. The model is
linear in latent coordinates, so that the posterior is known: the kill rate and the
recruitment of CIK cells enter every figure as their product alone.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from scipy.special import ndtr

from tumorsim.json_file import sealed_text

PROVENANCE = {"tumorsim": "9.8.7", "seed": 11, "threads": 2, "numpy": "2.1.0", "inputs": {"c.yaml": "ef" * 32}}
WINDOWS = ((0.0, 24.0, 0.2), (24.0, 60.0, 0.3), (60.0, None, 0.45))  # from, to, spread of the log ratio
PAPER = "Shin 2026 Cancer Immunol Immunother 75:55"
# name, label, path, unit, distribution, median or low, spread or high, description
PARAMETERS: tuple[tuple[Any, ...], ...] = (
    ("deposits", "Deposits left behind", "disease.burden.deposits", "", "lognormal", 2.0, 0.6, "Mean number"),
    ("deposit_size", "Size of deposits", "disease.burden.size", "cell", "lognormal", 1e5, 1.5, "Median size"),
    ("new_lesions", "New lesions", "disease.burden.rate", "1/day", "lognormal", 2.2e-4, 0.7, "Rate of new lesions"),
    ("kill_rate", "CIK kill rate", "infusion.cik.kill_rate", "1/day", "lognormal", 1.2, 0.9, "Kills by a CIK cell"),
    ("recruitment", "CIK recruitment", "infusion.cik.recruitment", "", "loguniform", 1e-4, 1e-2, "Share recruited"),
    ("other_deaths", "Other deaths", "disease.hazards.other_rate", "1/day", "uniform", 2e-5, 8e-5, "Hazard of death"),
)
# id, quantity, arm, reported, interval, tolerance, n, kind, fit weight, sampling sd (log for times and ratios)
TARGETS: tuple[tuple[Any, ...], ...] = (
    ("R-1", "rfs.median", "cik", 44.0, None, 8.0, [114], "CAL", 1.0, 0.17),
    ("R-2", "rfs.median", "control", 30.0, None, 6.0, [112], "CAL", 1.0, 0.16),
    ("R-3", "rfs.hr", "cik", 0.72, [0.54, 0.97], None, [114, 112], "CAL", 1.0, 0.15),
    ("R-4", "rfs.crude_survival(9 y)", "cik", 0.254, None, 0.05, [114], "SOFT", 0.5, 0.041),
    ("R-8", "ttr_paper.hr", "cik", 0.71, [0.52, 0.96], None, [114, 112], "CAL", 0.0, 0.156),
    ("R-9", "recurrences", "cik", 83.0, None, 8.0, [114], "CAL", 1.0, 4.8),
    ("R-9", "recurrences", "control", 87.0, None, 8.0, [112], "CAL", 1.0, 4.4),
    ("R-12", "deaths", "cik", 28.0, None, 7.0, [114], "CAL", 1.0, 4.6),
    ("R-12", "deaths", "control", 39.0, None, 7.0, [112], "CAL", 1.0, 5.0),
    ("R-13", "os.hr", "cik", 0.70, [0.44, 1.11], None, [114, 112], "CAL", 1.0, 0.24),
    ("R-14", "os.crude_survival(9 y)", "cik", 0.64, None, None, [114], "CON", 0.0, 0.041),
    ("R-15", "css.hr", "cik", 0.49, [0.25, 0.95], None, [114, 112], "CAL", 1.0, 0.34),
)
NOTES = {"R-14": "equals 73/114 and contradicts 28 deaths; shown, never fitted", "R-15": "about 34 events"}
# what a step of one prior standard deviation does, in sampling errors; columns as PARAMETERS
EFFECTS = np.array(
    [
        [-2.2, -1.1, -0.9, 1.1, 1.1, -0.2],
        [-2.4, -1.2, -1.0, 0.0, 0.0, -0.2],
        [0.2, 0.1, 0.2, -1.2, -1.2, 0.1],
        [-1.4, -0.4, -1.8, 0.9, 0.9, -0.5],
        [0.2, 0.1, 0.2, -1.2, -1.2, 0.0],
        [1.5, 0.5, 1.9, -1.0, -1.0, -0.6],
        [1.4, 0.4, 1.7, 0.0, 0.0, -0.7],
        [0.6, 0.2, 0.7, -0.5, -0.5, 2.1],
        [0.7, 0.3, 0.8, 0.0, 0.0, 2.0],
        [0.1, 0.0, 0.1, -0.7, -0.7, -0.4],
        [-0.7, -0.2, -0.8, 0.5, 0.5, -2.2],
        [0.1, 0.0, 0.2, -0.9, -0.9, 0.0],
    ]
)
OFFSETS = np.array([0.9, 1.1, 0.6, 0.4, 0.7, -0.6, -0.5, 0.3, -0.4, 0.5, 3.0, 0.9])  # misfit at the prior medians
Z90 = 1.6448536269514722


def working(index: int) -> bool:
    """Whether a figure is compared on a log scale."""
    return "hr" in TARGETS[index][1] or "median" in TARGETS[index][1]


def target_values(latent: np.ndarray) -> np.ndarray:
    """Simulated figures at latent points of shape (n, 6); shape (n, 12)."""
    z = OFFSETS + np.atleast_2d(latent) @ EFFECTS.T
    return np.stack([back(index, z[:, index]) for index in range(len(TARGETS))], axis=1)


def back(index: int, z: Any) -> Any:
    """A figure that lies ``z`` sampling errors above the reported one."""
    reported, sd = TARGETS[index][3], TARGETS[index][9]
    return reported * np.exp(z * sd) if working(index) else np.maximum(reported + z * sd, 0.0)


def parameter_values(latent: np.ndarray) -> np.ndarray:
    """Values at latent points of shape (n, 6)."""
    columns = []
    for (_, _, _, _, law, first, second, _), z in zip(PARAMETERS, np.atleast_2d(latent).T, strict=True):
        share = ndtr(z)
        columns.append(
            first * np.exp(second * z) if law == "lognormal"
            else first * (second / first) ** share if law == "loguniform"
            else first + (second - first) * share
        )  # fmt: skip
    return np.stack(columns, axis=1)


def latent_posterior() -> tuple[np.ndarray, np.ndarray]:
    """Mean and covariance of the posterior in latent coordinates."""
    weights = np.array([row[8] for row in TARGETS])
    precision = np.eye(6) + EFFECTS.T @ (weights[:, None] * EFFECTS)
    covariance = np.linalg.inv(precision)
    return -covariance @ EFFECTS.T @ (weights * OFFSETS), covariance


def make_outcome(seed: int = 7, particles: int = 200, **changed: Any) -> dict[str, Any]:
    """An outcome with every stage; ``changed`` replaces whole keys, e.g. ``posterior=None``."""
    rng = np.random.default_rng(seed)
    mean, covariance = latent_posterior()
    drawn = rng.multivariate_normal(mean, 1.15 * covariance, particles)
    weights = rng.gamma(4.0, 1.0, particles)
    outcome = {
        "format": "tumorsim calibration",
        "layout": 1,
        "name": "hcc_adjuvant",
        "title": "Adjuvant CIK after curative treatment of HCC",
        "description": "Both arms of the Korean trial together; seven figures fitted to one set of patients.",
        "notice": "Hypothesis-generating simulation: not for clinical use.",
        "config_text": "calibration: 1\nname: hcc_adjuvant\nseed: 11\n",
        "config_digest": "ab" * 32,
        "log_digest": "cd" * 32,
        "provenance": PROVENANCE,
        "seconds": {
            "screening": 340.0, "optimise": 2150.5, "winner": 61.0, "posterior": 5200.0, "recovery": 900.0,
            "rivals": 240.0,
        },
        "evaluations": {
            "screening": 56, "optimise": 300, "winner": 3, "posterior": 4000, "recovery": 1000, "rivals": 6,
        },
        "failures": [{"stage": "optimise", "index": 17, "message": "SimulationError: 12 of 400 courses failed"}],
        "studies": [
            {
                "name": "hcc_adjuvant_cik_rct", "title": "Adjuvant CIK, 9-year follow-up", "setting": "adjuvant",
                "arms": [
                    {"name": "control", "label": "No adjuvant treatment"},
                    {"name": "cik", "label": "CIK, 16 infusions"},
                ],
                "patients": 400, "resolved_digest": "12" * 32,
            }
        ],
        "parameters": _parameters(mean, covariance),
        "targets": _targets(mean, covariance),
        "loss": {"start": 14.2, "best": 3.1, "fresh": [3.0, 3.4, 3.3]},
        "screening": _screening(rng),
        "optimise": _optimise(rng, mean, covariance),
        "posterior": _posterior(drawn, weights / weights.sum(), covariance),
        "recovery": _recovery(rng, covariance),
        "rivals": _rivals(mean),
        "windows": _windows((0.62, 0.80, 0.93)),
        "residuals": [
            "R-15, hazard ratio of deaths from HCC: simulated 0.56 against 0.49 reported, 0.4 sampling errors high.",
            "Kill rate and recruitment are known as a product alone.",
        ],
    }  # fmt: skip
    return outcome | changed


def write_outcome(folder: Path, **changed: Any) -> Path:
    """A calibration's folder with its ``outcome.json``."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "outcome.json").write_text(sealed_text(make_outcome(**changed)), encoding="utf-8")
    return folder


def _parameters(mean: np.ndarray, covariance: np.ndarray) -> list[dict[str, Any]]:
    sd = np.sqrt(np.diag(covariance))
    best, low, high = (parameter_values(mean + k * Z90 * sd)[0] for k in (0.0, -1.0, 1.0))
    start, first, last = (parameter_values(np.full(6, k))[0] for k in (0.0, -Z90, Z90))
    rows = []
    for place, (name, label, path, unit, law, a, b, doc) in enumerate(PARAMETERS):
        central = law == "lognormal"
        rows.append(
            {
                "name": name, "label": label, "path": path, "unit": unit, "symbol": name[0], "doc": doc,
                "prior": {
                    "distribution": law,
                    "low": a * np.exp(-4.0 * b) if central else a,
                    "high": a * np.exp(4.0 * b) if central else b,
                    "median": a if central else None,
                    "spread": b if central else None,
                    "text": f"{law}, {'median' if central else 'from'} {a:g}, {'spread' if central else 'to'} {b:g}",
                },
                "start": start[place], "best": best[place], "median": best[place],
                "interval": [low[place], high[place]], "prior_interval": [first[place], last[place]],
                "shrinkage": 1.0 - sd[place],
            }
        )  # fmt: skip
    return rows


def _targets(mean: np.ndarray, covariance: np.ndarray) -> list[dict[str, Any]]:
    z = OFFSETS + EFFECTS @ mean
    spread = np.sqrt(1.0 + np.einsum("ij,jk,ik->i", EFFECTS, covariance, EFFECTS))
    start = target_values(np.zeros(6))[0]
    rows = []
    for place, (name, quantity, arm, reported, ci, tolerance, n, kind, weight, _) in enumerate(TARGETS):
        simulated = float(back(place, z[place]))
        near, far = (
            [float(back(place, z[place] + k * Z90 * width)) for k in (-1.0, 1.0)] for width in (1.0, spread[place])
        )
        count = quantity in ("recurrences", "deaths")
        rows.append(
            {
                "study": "hcc_adjuvant_cik_rct", "id": name, "quantity": quantity, "arm": arm,
                "reference": "control" if quantity.endswith("hr") else None,
                "unit": "month" if "median" in quantity else "patient" if count else "1",
                "reported": reported, "reported_ci": ci, "reported_range": None, "tolerance": tolerance, "n": n,
                "kind": kind, "weight": "medium" if name == "R-15" else "low" if kind == "CON" else "high",
                "fit_weight": weight, "source": PAPER, "note": NOTES.get(name, ""), "start": float(start[place]),
                "simulated": simulated, "mc_se": 0.02 * simulated, "interval": near, "interval_posterior": far,
                "z": float(z[place]), "within": bool(near[0] <= reported <= near[1]),
                "within_tolerance": None if tolerance is None else bool(abs(simulated - reported) <= tolerance),
            }
        )  # fmt: skip
    return rows


def _screening(rng: np.random.Generator) -> dict[str, Any]:
    effects = np.vstack([np.abs(EFFECTS).sum(axis=0), np.abs(EFFECTS)]) * 2.1
    noise = 1.0 + 0.1 * rng.standard_normal(effects.shape)
    names = [f"{row[0]} {row[1]}{f', {row[2]}' if row[2] else ''}" for row in TARGETS]
    return {
        "trajectories": 8, "levels": 6, "evaluations": 56, "outputs": ["loss", *names],
        "mu_star": np.abs(effects * noise).tolist(), "mu_star_ci": (0.15 * effects + 0.05).tolist(),
        "sigma": (0.4 * effects + 0.1).tolist(),
    }  # fmt: skip


def _optimise(rng: np.random.Generator, mean: np.ndarray, covariance: np.ndarray) -> dict[str, Any]:
    rows, precision = [], np.linalg.inv(covariance)
    for index in range(300):
        generation = index // 10
        step = 0.9 * 0.88**generation + 0.03
        point = mean * (1.0 - 0.85**generation) + step * rng.standard_normal(6)
        loss = float(3.1 + 0.5 * (point - mean) @ precision @ (point - mean))
        failed = index in (17, 83)
        rows.append(
            {
                "index": index, "generation": generation, "values": parameter_values(point)[0].tolist(),
                "loss": None if failed else loss, "failed": failed,
            }
        )  # fmt: skip
    return {"generations": 30, "population": 10, "sigma": 0.6, "stop": {"maxfevals": 300}, "evaluations": rows}


def _posterior(drawn: np.ndarray, weights: np.ndarray, covariance: np.ndarray) -> dict[str, Any]:
    sd = np.sqrt(np.diag(covariance))
    values, axes = np.linalg.eigh(covariance)
    names = [row[0] for row in PARAMETERS]
    return {
        "method": "ABC-SMC with regression adjustment", "distance": "Euclidean in sampling errors",
        "particles": parameter_values(drawn * 1.2).tolist(), "weights": weights.tolist(),
        "distances": np.linspace(1.0, 3.0, len(drawn)).tolist(),
        "populations": [
            {"t": t, "epsilon": 8.0 * 0.7**t, "evaluations": 500, "acceptance": 0.4 * 0.7**t} for t in range(8)
        ],
        "adjusted": parameter_values(drawn).tolist(), "correlation": (covariance / np.outer(sd, sd)).tolist(),
        "directions": [
            {"shrinkage": float(1.0 - np.sqrt(value)), "weights": dict(zip(names, axis.tolist(), strict=True))}
            for value, axis in zip(values, axes.T, strict=True)
        ],
        "summaries": target_values(drawn).tolist(),
    }  # fmt: skip


def _recovery(rng: np.random.Generator, covariance: np.ndarray) -> dict[str, Any]:
    rows = []
    for place, row in enumerate(PARAMETERS):
        ranks = rng.integers(0, 100, 200)
        covered = 0.90 + 0.01 * (place - 2)
        rows.append(
            {
                "name": row[0], "coverage": covered, "coverage_ci": [covered - 0.04, covered + 0.035],
                "rank_p": float(rng.uniform(0.05, 1.0)), "ranks": ranks.tolist(),
                "shrinkage": float(1.0 - np.sqrt(covariance[place, place])),
            }
        )  # fmt: skip
    return {"method": "simulation-based calibration", "datasets": 200, "draws": 99, "level": 0.9, "parameters": rows}


def _rivals(mean: np.ndarray) -> list[dict[str, Any]]:
    off, halting = mean.copy(), mean.copy()
    off[3] -= 0.7
    halting[3:5] -= 0.45
    return [
        {
            "name": "memory_off", "label": "Memory off", "settings": ["disease.immunity.memory_rate=0 1/day"],
            "refitted": False, "loss": 6.9, "targets": target_values(off)[0].tolist(),
            "windows": _windows((0.63, 0.96, 1.02)),
        },
        {
            "name": "halting", "label": "Halts growth, does not clear", "settings": ["infusion.cik.mode=halting"],
            "refitted": True, "loss": 5.2, "targets": target_values(halting)[0].tolist(),
            "windows": _windows((0.55, 0.99, 1.15)),
        },
    ]  # fmt: skip


def _windows(ratios: tuple[float, float, float]) -> list[dict[str, Any]]:
    rows = []
    for endpoint, factor in (("rfs", 1.0), ("os", 0.97)):
        for (start, stop, spread), ratio in zip(WINDOWS, ratios, strict=True):
            hr = ratio * factor
            near, far = ([hr * float(np.exp(k * width)) for k in (-1.0, 1.0)] for width in (spread / 2, Z90 * spread))
            rows.append(
                {
                    "study": "hcc_adjuvant_cik_rct", "endpoint": endpoint, "arm": "cik", "reference": "control",
                    "from": start, "to": stop, "hr": hr, "ci": near, "mc_se": 0.03, "events": [140, 180],
                    "interval": far,
                }
            )  # fmt: skip
    return rows
