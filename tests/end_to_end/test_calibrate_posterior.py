"""``tumorsim calibrate`` with a posterior and its check; killed, and ended on a cluster, it has the same outcome."""

import json
import os
import signal
import subprocess
import sys
import time

import pytest

import small_calibration
from tumorsim.calibration.run import calibrate

pytestmark = pytest.mark.slow

LEAN = small_calibration.TEXT[: small_calibration.TEXT.index("screening:")] + (
    "optimise: {evaluations: 4, population: 4, sigma: 0.5}\n"
    "winner: {patients: 40, seeds: 1}\n"
    "posterior: {particles: 20, populations: 2, simulations: 60, least_acceptance: 0.1, predictive: 20}\n"
    "recovery: {simulations: 50, datasets: 10}\n"
)
STAGES = ("optimise", "winner", "posterior", "recovery")


def lean(outcome):
    """What must repeat: all but times, places and the machine."""
    kept = {k: v for k, v in outcome.items() if k not in ("seconds", "provenance")}
    return json.loads(json.dumps(kept))


@pytest.fixture(scope="module")
def file(tmp_path_factory):
    return small_calibration.write(tmp_path_factory.mktemp("scenarios"), LEAN)


@pytest.fixture(scope="module")
def done(file, tmp_path_factory):
    out = tmp_path_factory.mktemp("out")
    return lean(calibrate(file, out, threads=2, stages=STAGES)), out


def test_the_outcome_has_a_posterior_and_its_check(done):
    outcome, out = done
    posterior, recovery = outcome["posterior"], outcome["recovery"]
    assert len(posterior["particles"]) == len(posterior["weights"]) == len(posterior["adjusted"])
    assert sum(posterior["weights"]) == pytest.approx(1.0)
    assert posterior["populations"][0]["epsilon"] is None
    assert [one["name"] for one in recovery["parameters"]] == [one["name"] for one in outcome["parameters"]]
    assert all(
        0.0 <= one["coverage"] <= 1.0 and len(one["ranks"]) == recovery["datasets"] for one in recovery["parameters"]
    )
    for one in outcome["parameters"]:
        assert one["interval"][0] <= one["median"] <= one["interval"][1]
    assert any(target["interval_posterior"] for target in outcome["targets"])
    assert {"posterior.db", "posterior.csv", "outcome.json"} <= {path.name for path in out.iterdir()}


def test_killed_in_the_posterior_it_ends_on_a_cluster_with_the_same_outcome(file, done, tmp_path):
    command = [sys.executable, "-m", "tumorsim", "calibrate", str(file), "-o", str(tmp_path), "--threads", "2"]
    log = tmp_path / "log.jsonl"
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        begun = time.monotonic()
        while not log.exists() or log.read_text().count('"posterior"') < 25:
            assert time.monotonic() - begun < 300.0
            assert process.poll() is None
            time.sleep(0.05)
        os.kill(process.pid, signal.SIGKILL)
    assert not (tmp_path / "outcome.json").exists()
    assert lean(calibrate(file, tmp_path, threads=1, cluster="local:2", stages=STAGES)) == done[0]
