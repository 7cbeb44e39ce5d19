"""A trial in blocks of patients: the bits of one in one piece, whatever the block, and nothing lost on the way."""

from __future__ import annotations

import errno
import io
import signal
import subprocess
import sys
import time
from pathlib import Path

import h5py
import numpy as np
import pytest

import tumorsim as ts
from toy_result import write_toy
from toy_trial import make_trial
from tumorsim import api, blocks, store
from tumorsim.api import study_of
from tumorsim.blocks import SUFFIX, run_blocks, simulated_blocks
from tumorsim.common_api import partial_folder
from tumorsim.export import TABLES, to_csv
from tumorsim.rows import RowArray, spans
from tumorsim.scenario import Scenario, load
from tumorsim.store import ResultError, digest, sealing
from tumorsim.trial import SimulationError, run_trial
from tumorsim.variables import VARIABLES, VISIT, TrialData

ADJUVANT = "scenarios/hcc_adjuvant_cik_rct.yaml"
SCENARIOS = (ADJUVANT, "scenarios/hcc_adjuvant_cik_rwd.yaml", "scenarios/hcc_sorafenib_cik.yaml")
N = 23
SHORT = ("trial.accrual=6 month", "trial.cutoff=18 month", f"population.patients={N}", "output.traced_patients=9")


def scenario(path: str = ADJUVANT) -> Scenario:
    return load(path, SHORT)


def on_disk(data: TrialData) -> TrialData:
    """The same trial with its visits behind `RowArray`, as if they lay in a file."""

    def leave(array: np.ndarray) -> RowArray:
        return RowArray(array.shape, array.dtype, lambda start, stop: array[:, start:stop].copy())

    arrays = {v.name: leave(data[v.name]) if v.dims == VISIT else data[v.name] for v in VARIABLES}
    return TrialData(data.arms, data.labels, arrays, data.patient, data.trace, data.time, data.setting, data.allocation)


# --- equal bits ---------------------------------------------------------------------------


@pytest.mark.parametrize("path", SCENARIOS)
def test_no_block_size_changes_a_bit(path: str, tmp_path: Path) -> None:
    study = study_of(scenario(path))
    whole = run_trial(study, threads=1)
    for size, threads in ((1, 1), (5, 2), (N, 1), (N + 1, 2)):
        folder = tmp_path / str(size)
        folder.mkdir()
        parts = run_blocks(study, folder, size, threads=threads)
        assert len(list(folder.glob(f"*{SUFFIX}"))) == -(-N // size)
        assert isinstance(parts["visit_time"], RowArray)
        assert digest(parts) == digest(whole)
        assert store.compare(whole, parts) == []


def test_the_file_is_the_same_for_every_block_size(tmp_path: Path) -> None:
    one = ts.run(scenario(), threads=1, out=tmp_path / "one.h5")
    some = ts.run(scenario(), threads=2, block=4, out=tmp_path / "some.h5")
    assert some.digest == one.digest
    assert some.as_dict == one.as_dict
    assert sorted(p.name for p in tmp_path.iterdir()) == ["one.h5", "some.h5"]
    with h5py.File(one.path) as a, h5py.File(some.path) as b:
        places: list[str] = []
        a.visit(places.append)
        assert len(places) > 100
        for place in places:
            if isinstance(a[place], h5py.Dataset):
                assert (a[place].dtype, a[place].chunks) == (b[place].dtype, b[place].chunks), place
                assert a[place][...].tobytes() == b[place][...].tobytes() or a[place].dtype.kind == "O", place
                assert dict(a[place].attrs).keys() == dict(b[place].attrs).keys(), place


def test_progress_counts_every_course_once(tmp_path: Path) -> None:
    told: list[tuple[int, int]] = []
    run_blocks(study_of(scenario()), tmp_path, 5, progress=lambda *pair: told.append(pair))
    assert told[-1] == (2 * N, 2 * N)
    assert told == sorted(told)


def test_a_replay_in_blocks_tells_the_differing_element() -> None:
    study = study_of(scenario())
    whole = run_trial(study)
    assert store.compare_blocks(whole, simulated_blocks(study, 7)) == []
    last = np.unravel_index(whole["sum_diameters"].size - 1, whole["sum_diameters"].shape)
    changed = whole["sum_diameters"].copy()
    changed[last] = changed[0, 2, 1] = 1e6
    (found,) = store.compare_blocks(
        TrialData(**{**vars(whole), "arrays": whole.arrays | {"sum_diameters": changed}}), simulated_blocks(study, 7)
    )
    assert (found.name, found.index, found.count) == ("sum_diameters", (0, 2, 1), 2)
    (fewer,) = store.compare_blocks(whole, list(simulated_blocks(study, 7))[:-1])
    assert (fewer.name, "shape" in fewer.reason) == ("axis patient", True)


# --- nothing lost -------------------------------------------------------------------------


def stopped_after(done: int, out: Path, block: int) -> None:
    """Run, and be interrupted when so many courses are done."""

    def stop(count: int, total: int) -> None:
        if count > done:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        ts.run(scenario(), threads=1, block=block, out=out, progress=stop)


def test_an_interrupted_run_goes_on_with_any_block_size(tmp_path: Path) -> None:
    out = tmp_path / "r.h5"
    stopped_after(2 * 10, out, block=5)
    kept = sorted(path.name for path in partial_folder(out).iterdir())
    assert kept == [f"0000000000-0000000005{SUFFIX}", f"0000000005-0000000010{SUFFIX}"]
    told: list[int] = []
    notes: list[str] = []
    made = ts.run(
        scenario(), threads=1, block=8, out=out, progress=lambda done, _: told.append(done), notify=notes.append
    )
    assert told[0] > 2 * 10
    assert any("10 of 23 patients are there" in note for note in notes)
    assert "statistics follow" in notes[-1]  # minutes for a million, in which nothing else is said
    assert made.digest == digest(run_trial(study_of(scenario())), made.stored.scenario_text, scenario().seed)
    assert not partial_folder(out).exists()


def test_a_run_that_stops_before_its_first_block_leaves_nothing(tmp_path: Path) -> None:
    stopped_after(0, tmp_path / "r.h5", block=20)
    assert list(tmp_path.iterdir()) == []


def test_damaged_and_overlapping_blocks_are_done_again(tmp_path: Path) -> None:
    study = study_of(scenario())
    reference = digest(run_blocks(study, tmp_path, 5))
    damaged = sorted(tmp_path.iterdir())[1]
    content = bytearray(damaged.read_bytes())
    content[len(content) // 2] ^= 1
    damaged.write_bytes(content)
    # as another process with other blocks could have left it
    (tmp_path / f"0000000003-0000000010{SUFFIX}").write_bytes((tmp_path / sorted(tmp_path.iterdir())[0]).read_bytes())
    notes: list[str] = []
    assert digest(run_blocks(study, tmp_path, 5, notify=notes.append)) == reference
    assert any("simulated again" in note for note in notes)
    assert len(list(tmp_path.iterdir())) == 5


def test_blocks_of_another_run_are_refused(tmp_path: Path) -> None:
    study = study_of(scenario())
    run_blocks(study, tmp_path, 20, identity="one")
    with pytest.raises(ResultError, match=r"another scenario.*Delete the folder"):
        run_blocks(study, tmp_path, 20, identity="other")
    assert len(list(tmp_path.iterdir())) == 2, "they are not ours to delete"


def test_a_trial_in_which_all_fail_is_no_result_but_a_block_may(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    study, real = study_of(scenario()), blocks.simulate_patients

    def failing(study, numbers, *rest, **more):  # type: ignore[no-untyped-def]
        data = real(study, numbers, *rest, **more)
        data["status"][:, numbers >= spared] = 3
        return data

    monkeypatch.setattr(blocks, "simulate_patients", failing)
    spared = 5
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    assert (run_blocks(study, tmp_path / "a", 5)["status"] == 3).sum() == 2 * (N - 5)
    spared = 0
    with pytest.raises(SimulationError, match="46 integrations failed"):
        run_blocks(study, tmp_path / "b", 5)


CHILD = """
import sys, tumorsim as ts
from tumorsim.scenario import load
ts.run(load(sys.argv[1], sys.argv[3:]), threads=1, block=2, out=sys.argv[2])
"""


@pytest.mark.medium
@pytest.mark.skipif(sys.platform == "win32", reason="kills by signal")
def test_kill_9_loses_no_finished_block(tmp_path: Path) -> None:
    out = tmp_path / "r.h5"
    child = subprocess.Popen([sys.executable, "-c", CHILD, ADJUVANT, str(out), *SHORT])
    while len(list(partial_folder(out).glob(f"*{SUFFIX}"))) < 3 and child.poll() is None:
        time.sleep(0.005)
    child.send_signal(signal.SIGKILL)
    assert child.wait() == -signal.SIGKILL, "it was done before it could be killed"
    kept = len(list(partial_folder(out).glob(f"*{SUFFIX}")))
    assert kept >= 3
    assert not out.exists()
    told: list[int] = []
    made = ts.run(scenario(), threads=1, block=2, out=out, progress=lambda done, _: told.append(done))
    assert told[0] > 2 * 2 * kept
    assert made.digest == digest(run_trial(study_of(scenario())), made.stored.scenario_text, scenario().seed)
    assert [path.name for path in tmp_path.iterdir()] == ["r.h5"]


# --- arrays on disk -----------------------------------------------------------------------


def test_an_array_on_disk_answers_like_one_in_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    array = np.arange(2 * 7 * 3).reshape(2, 7, 3).astype(np.float64)
    left = RowArray(array.shape, array.dtype, lambda start, stop: array[:, start:stop])
    assert (left.ndim, left.size) == (3, 42)
    chosen = np.array([True, False] * 3 + [True])
    for key in (
        1, slice(None), (0, slice(2, 5)), (slice(None), slice(3, None)), (1, slice(5, 2)), (0, chosen), (1, 2, 0),
        (0, slice(0, 7, 2)), (slice(None), slice(1, 3), 2), (1, slice(-2, None)), np.array([1, 0]),
    ):  # fmt: skip
        np.testing.assert_array_equal(left[key], array[key])
    np.testing.assert_array_equal(np.asarray(left), array)
    monkeypatch.setattr("tumorsim.rows.SPAN_BYTES", 2 * 3 * 8 * 2)
    assert [(rows.start, rows.stop) for rows in spans(left)] == [(0, 2), (2, 4), (4, 6), (6, 7)]


@pytest.mark.parametrize("setting", ["adjuvant", "advanced"])
def test_whatever_reads_a_trial_reads_one_on_disk(
    setting: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from tumorsim import summary
    from tumorsim.endpoints import endpoints_of
    from tumorsim.figures.curves import survival_columns

    monkeypatch.setattr("tumorsim.rows.SPAN_BYTES", 4000)
    data = make_trial(n=60, setting=setting)
    far = on_disk(data)
    assert summary.build(far, "s", "t", 1) == summary.build(data, "s", "t", 1)
    names = [declared.name for declared in endpoints_of(setting)]
    here, there = survival_columns(data, names), survival_columns(far, names)
    assert all(
        np.array_equal(here[e][a][c], there[e][a][c], equal_nan=True) for e in here for a in here[e] for c in here[e][a]
    )
    near = write_toy(tmp_path / "near.h5", data)
    write_toy(tmp_path / "far.h5", far)
    monkeypatch.setattr("tumorsim.store.decoding.MOST_IN_MEMORY", 0)
    held = store.read(tmp_path / "far.h5")
    assert isinstance(held.data["sum_diameters"], RowArray)
    assert held.digest == store.read(near).digest
    assert store.compare(held.data, data) == []
    to_csv(tmp_path / "far.h5", tmp_path / "far")
    monkeypatch.undo()
    monkeypatch.setattr("tumorsim.export.AT_ONCE", 7)
    to_csv(near, tmp_path / "near")
    for table in TABLES:
        assert (tmp_path / "far" / table).read_bytes() == (tmp_path / "near" / table).read_bytes(), table


def test_lesions_are_the_same_from_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    from tumorsim.figures.curves import study_view
    from tumorsim.figures.lesions import lesions

    monkeypatch.setattr("tumorsim.rows.SPAN_BYTES", 4000)
    data = make_trial(n=60, setting="advanced")
    views = [study_view(one, {"arms": []}) for one in (data, on_disk(data))]
    for first in (0, 7, 60):
        here, there = (lesions(view, 1, "recist", first) for view in views)
        assert len(here.months) == min(first, here.best.size)
        for name, value in vars(here).items():
            np.testing.assert_array_equal(getattr(there, name), value, err_msg=name)


def test_a_file_replaced_after_opening_is_not_read_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tumorsim.store.decoding.MOST_IN_MEMORY", 0)
    path = write_toy(tmp_path / "a.h5", make_trial(n=9))
    held = store.read(path)
    write_toy(path, make_trial(n=9, seed=1), force=True)
    with pytest.raises(ResultError, match="was replaced since it was opened"):
        np.asarray(held.data["visit_time"])
    path.unlink()
    with pytest.raises((ResultError, OSError)):
        np.asarray(held.data["visit_time"])


class Full(io.FileIO):
    """A file on a disk with room for some bytes."""

    room = 0

    def write(self, content: object) -> int:
        if self.tell() + len(memoryview(content)) > Full.room:  # type: ignore[arg-type]
            raise OSError(errno.ENOSPC, "No space left on device")
        return super().write(content)  # type: ignore[arg-type]


def test_a_disk_that_fills_while_a_large_file_is_laid_out_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = on_disk(make_trial(n=60))
    monkeypatch.setattr(sealing, "open", lambda name, mode: Full(name, mode.replace("b", "")), raising=False)
    for room in (0, 100, 5_000, 50_000, 90_000):
        Full.room = room
        with pytest.raises(ResultError, match=r"no room for .* nothing was written"):
            write_toy(tmp_path / "a.h5", data)
        assert list(tmp_path.iterdir()) == []


# --- memory -------------------------------------------------------------------------------

PEAK = """
import resource, sys
from pathlib import Path
import tumorsim as ts
from tumorsim.scenario import load
changes = ["trial.accrual=1 day", "trial.cutoff=29 day", "trial.visits.schedule=q1w", "trial.visits.jitter=0 day"]
ts.run(load(sys.argv[1], changes, int(sys.argv[2])), threads=2, block=1000, out=sys.argv[3])
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
"""
BYTES_A_PATIENT = 2_500  # of two arms, in the statistics; the visits of the whole trial alone would need as much again


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="ru_maxrss has other units elsewhere")
def test_memory_grows_with_the_statistics_alone(tmp_path: Path) -> None:
    def peak(patients: int) -> int:
        command = [sys.executable, "-c", PEAK, ADJUVANT, str(patients), str(tmp_path / f"{patients}.h5")]
        return 1024 * int(subprocess.run(command, capture_output=True, text=True, check=True).stdout)

    peak(100)  # compiles what is not in the cache yet
    few, many = peak(10_000), peak(40_000)
    assert many - few < 30_000 * BYTES_A_PATIENT, f"{few / 2**20:.0f} and {many / 2**20:.0f} MiB"


def test_api_knows_the_block_of_trials_alone(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="block=0: at least one patient"):
        ts.run(scenario(), block=0, out=tmp_path / "a.h5")
    with pytest.raises(ValueError, match="block=5 does not fit"):
        api.run("scenarios/small/spatial_tace_nk.yaml", block=5, out=tmp_path / "a.h5")
