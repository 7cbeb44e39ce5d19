"""A sweep on a Dask cluster of commands: the same bits, whoever dies."""

import signal
import subprocess
import sys
import time

import pytest

import small_sweep
from loopback import Loopback
from tumorsim.executor import ExecutorError
from tumorsim.sweep import run as sweeping
from tumorsim.sweep.run import SweepError, sweep


@pytest.fixture(scope="module")
def alone(tmp_path_factory):
    """The sweep file, and what one process makes of it."""
    folder = tmp_path_factory.mktemp("sweep")
    path = small_sweep.write(folder)
    return path, sweep(path, folder / "alone", workers=1).result


@pytest.fixture
def cluster(tmp_path):
    with Loopback(tmp_path) as opened:
        yield opened


def at(done, act):
    """Progress that acts once, when so many runs are done."""
    acted = []

    def progress(so_far, _total):
        if so_far >= done and not acted:
            acted.append(so_far)
            act()

    progress.acted = acted
    return progress


@pytest.mark.medium
def test_a_worker_is_killed_and_the_bits_are_those_of_one_process(alone, cluster, tmp_path):
    path, whole = alone
    progress = at(8, cluster.workers[0].kill)
    finished = sweep(path, tmp_path / "out", cluster=cluster.address, batch=2, progress=progress)
    assert progress.acted
    assert cluster.workers[0].wait(10.0) == -signal.SIGKILL
    assert finished.result.digest == whole.digest
    assert (finished.done, finished.failed) == (small_sweep.RUNS, 0)
    assert cluster.scheduler.poll() is None
    assert cluster.workers[1].poll() is None


@pytest.mark.slow
def test_a_lost_scheduler_is_told_and_what_is_done_is_kept(alone, cluster, tmp_path):
    path, whole = alone
    begun = time.monotonic()
    with pytest.raises(ExecutorError, match=r"the Dask scheduler was lost\. Start it and run again"):
        sweep(path, tmp_path / "out", cluster=cluster.address, batch=2, progress=at(8, cluster.scheduler.kill))
    print(f"\nscheduler lost: told after {time.monotonic() - begun:.0f} s in all")
    again = sweep(path, tmp_path / "out", workers=1)
    assert again.held >= 8
    assert again.result.digest == whole.digest


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("numpy", "0.1", r"this worker has numpy .*, the sweep runs with 0\.1: install the same"),
        ("cpu_class", "znver9 0a", r"this worker has cpu_class .*, the sweep runs with znver9 0a: .* one class"),
    ],
)
def test_workers_with_other_software_or_cpu_end_the_sweep_and_say_so(
    alone, cluster, tmp_path, monkeypatch, name, value, said
):
    """Not a list of failed runs, and no table of mixed bits: nothing is written that must be undone later."""
    path, whole = alone
    honest = sweeping.Runs.of.__globals__["surroundings"]
    with monkeypatch.context() as patched:
        patched.setattr("tumorsim.sweep.runs.surroundings", lambda: honest() | {name: value})
        with pytest.raises(SweepError, match=said):
            sweep(path, tmp_path / "out", cluster=cluster.address, batch=2)
    assert not list((tmp_path / "out" / "shards").iterdir())
    again = sweep(path, tmp_path / "again", cluster=cluster.address, batch=2)
    assert (again.held, again.done, again.result.digest) == (0, small_sweep.RUNS, whole.digest)


@pytest.mark.slow
def test_a_worker_that_lacks_the_package_ends_the_sweep_and_says_so(alone, tmp_path):
    path, _ = alone
    hidden = tmp_path / "hidden"
    (hidden / "tumorsim").mkdir(parents=True)
    (hidden / "tumorsim" / "__init__.py").write_text("")
    with Loopback(tmp_path, workers=0) as cluster:
        cluster.add(PYTHONPATH=str(hidden))
        with pytest.raises(ExecutorError, match=r"No module named 'tumorsim\..*install the same version of tumorsim"):
            sweep(path, tmp_path / "out", cluster=cluster.address, batch=2)


@pytest.mark.slow
def test_a_plain_script_on_a_local_cluster_needs_no_main_guard(alone, tmp_path):
    path, whole = alone
    script = tmp_path / "script.py"
    script.write_text(
        "from tumorsim.sweep.run import sweep\n"
        f"print(sweep({str(path)!r}, {str(tmp_path / 'out')!r}, cluster='local:2', batch=2).result.digest)\n"
    )
    done = subprocess.run([sys.executable, script], capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == [whole.digest]


@pytest.mark.slow
def test_a_worker_that_comes_later_works_too(alone, tmp_path):
    path, whole = alone
    with Loopback(tmp_path, workers=1) as cluster:

        def relieve():
            cluster.add()
            cluster.workers[0].kill()

        finished = sweep(path, tmp_path / "out", cluster=cluster.address, batch=1, progress=at(4, relieve))
    assert finished.result.digest == whole.digest
