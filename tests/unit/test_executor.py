"""Where work runs: the same result in threads, processes and on a cluster, whoever dies."""

import itertools
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

import toy_simulator as toy
from tumorsim import executor
from tumorsim.executor import DEATHS_AT_MOST, ExecutorError, Outcome, in_order, open_executor

TESTS = Path(__file__).parents[1]
PLACES = ("threads", "processes", "local:2")


@pytest.fixture(scope="module", params=PLACES)
def place(request):
    with open_executor(request.param, 2) as opened:
        yield opened


@pytest.fixture(scope="module", params=PLACES[1:])
def workers(request):
    """Places whose workers may die."""
    with open_executor(request.param, 2) as opened:
        yield opened


def test_same_bits_in_the_order_of_the_tasks(place):
    outcomes = list(place.map(toy.noisy_square, range(30)))
    assert [one.index for one in outcomes] == list(range(30))
    assert all(one.failure is None for one in outcomes)
    for x, one in enumerate(outcomes):
        np.testing.assert_array_equal(one.value, toy.noisy_square(x))


def test_a_failed_task_is_a_recorded_failure(place):
    outcomes = list(place.map(toy.fails_on_three, range(6)))
    assert outcomes[3] == Outcome(3, None, "ValueError: three is no good")
    assert [one.value for one in outcomes] == [0, 1, 2, None, 4, 5]


def test_endless_tasks_are_taken_as_needed_and_end_when_closed(place):
    taken = []

    def endless():
        for x in itertools.count():
            taken.append(x)
            yield x

    outcomes = place.map(toy.fails_on_three, endless())
    assert [next(outcomes).index for _ in range(10)] == list(range(10))
    outcomes.close()
    assert len(taken) < 10 + 6 * place.workers
    assert [one.value for one in place.map(toy.fails_on_three, [7, 8])] == [7, 8]


def test_a_dead_worker_costs_nothing_but_time(workers, tmp_path):
    marker = tmp_path / "died"
    outcomes = list(workers.map(toy.dies_once, [(x, str(marker)) for x in range(8)]))
    assert marker.exists()
    assert [(one.value, one.failure) for one in outcomes] == [(x, None) for x in range(8)]


def test_a_task_that_kills_its_worker_is_found_out_alone(workers):
    outcomes = list(workers.map(toy.dies_on_three, range(8)))
    assert outcomes[3] == Outcome(3, None, "the worker process died on this task, twice")
    assert [one.value for one in outcomes] == [0, 1, 2, None, 4, 5, 6, 7]


def test_workers_that_always_die_end_the_run_with_advice():
    begun = time.monotonic()
    with (
        open_executor("processes", 2) as opened,
        pytest.raises(ExecutorError, match=f"died {DEATHS_AT_MOST + 1} times in a row"),
    ):
        list(opened.map(toy.dies_on_three, itertools.repeat(3)))
    assert time.monotonic() - begun < 30.0


def test_outcomes_are_put_in_order():
    shuffled = [Outcome(i, i) for i in (2, 0, 1, 4, 3)]
    assert [one.index for one in in_order(shuffled)] == [0, 1, 2, 3, 4]


@pytest.mark.parametrize("where", ["", "forks", "local:0", "local:", "local:two"])
def test_an_unknown_place_is_named_with_examples(where):
    with pytest.raises(ExecutorError, match="threads, processes, local:4"):
        open_executor(where)


def test_a_cluster_that_does_not_answer_says_how_to_start_one(monkeypatch):
    import distributed

    client = distributed.Client
    monkeypatch.setattr(distributed, "Client", lambda address, timeout: client(address, timeout="1s"))
    with pytest.raises(ExecutorError, match=r"no Dask scheduler answers at tcp://127.0.0.1:9\. .*dask worker"):
        open_executor("tcp://127.0.0.1:9")


@pytest.fixture
def cluster():
    """A cluster that was there before."""
    from distributed import LocalCluster

    options = {"host": "127.0.0.1", "dashboard_address": "127.0.0.1:0", "silence_logs": 50}
    with LocalCluster(n_workers=2, threads_per_worker=1, processes=True, **options) as opened:
        yield opened


@pytest.mark.medium
def test_a_cluster_by_its_address_is_used_and_left_running(cluster):
    with open_executor(cluster.scheduler_address) as place:
        assert place.workers == 2
        outcomes = list(place.map(toy.noisy_square, range(5)))
    for x, one in enumerate(outcomes):
        np.testing.assert_array_equal(one.value, toy.noisy_square(x))
    with open_executor(cluster.scheduler_address) as place:
        assert [one.value for one in place.map(toy.fails_on_three, [1])] == [1]


@pytest.mark.medium
def test_a_cluster_that_loses_its_workers_ends_the_run_with_advice(cluster, monkeypatch):
    monkeypatch.setattr(executor, "ASK_SECONDS", 0.1)
    monkeypatch.setattr(executor, "LOST_SECONDS", 0.5)
    with open_executor(cluster.scheduler_address) as place:
        outcomes = place.map(toy.fails_on_three, itertools.repeat(1))
        assert next(outcomes).value == 1
        cluster.scale(0)
        with pytest.raises(ExecutorError, match="has no worker"):
            list(outcomes)
    with pytest.raises(ExecutorError, match="has no worker"):
        open_executor(cluster.scheduler_address)


def test_a_cluster_without_dask_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "distributed", None)
    with pytest.raises(ExecutorError, match=r'pip install "tumorsim\[cluster\]"'):
        open_executor("local:2")


SCRIPT = """
import sys
sys.path.insert(0, {tests!r})
import toy_simulator as toy
from tumorsim.executor import open_executor
if __name__ == "__main__":
    with open_executor({place!r}, 2) as place:
        list(place.map(toy.writes_its_number, [{folder!r}] * 4))
"""


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="looks for processes in /proc")
@pytest.mark.parametrize("place", PLACES[1:])
@pytest.mark.parametrize("end", [signal.SIGINT, signal.SIGKILL])
def test_ending_the_parent_ends_its_workers_at_once(end, place, tmp_path):
    script, folder = tmp_path / "script.py", tmp_path / "workers"
    folder.mkdir()
    script.write_text(SCRIPT.format(tests=str(TESTS), folder=str(folder), place=place))
    # whoever runs the tests may ignore SIGINT, and a child inherits that
    parent = subprocess.Popen(
        [sys.executable, script], stderr=subprocess.PIPE, start_new_session=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    )  # fmt: skip
    _wait_for(lambda: len(list(folder.iterdir())) >= 2, 60.0)
    pids = [int(path.name) for path in folder.iterdir()]
    begun = time.monotonic()
    if end == signal.SIGINT:
        os.killpg(parent.pid, end)  # as a terminal does it
        _, said = parent.communicate(timeout=20.0)
        assert said.decode().strip().endswith("KeyboardInterrupt")
        assert b"orker process" not in said  # no word from the workers
    else:
        parent.kill()
        parent.wait(20.0)
    _wait_for(lambda: not any(_alive(pid) for pid in pids), 20.0)
    took = time.monotonic() - begun
    print(f"\nworkers gone after {took:.1f} s")
    assert took < 5.0
    parent.stderr.close()


def _wait_for(condition, seconds):
    begun = time.monotonic()
    while not condition():
        assert time.monotonic() - begun < seconds
        time.sleep(0.05)


def _alive(pid):
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except OSError:
        return False


def test_a_plain_script_needs_no_main_guard(tmp_path):
    """Workers would otherwise run the script again, each starting others."""
    script = tmp_path / "script.py"
    script.write_text(
        "from tumorsim.executor import open_executor\n"
        "with open_executor('processes', 2) as executor:\n"
        "    print(*sorted(outcome.value for outcome in executor.run(abs, [-1, -2])))\n"
    )
    done = subprocess.run([sys.executable, script], capture_output=True, text=True, timeout=120)
    assert done.stdout.split() == ["1", "2"], done.stderr


def test_something_can_be_done_meanwhile(monkeypatch):
    monkeypatch.setattr("tumorsim.executor.POLL_SECONDS", 0.01)
    looks = []
    with open_executor("threads", 1) as executor:
        outcomes = list(executor.run(time.sleep, [0.2], lambda: looks.append(time.monotonic())))
    assert [outcome.failure for outcome in outcomes] == [None]
    assert len(looks) > 3
