"""Job arrays: several processes write into one folder at once."""

import os
import subprocess
import sys

import pytest

import small_sweep
from tumorsim.sweep.run import SweepError, sweep
from tumorsim.sweep.runs import Row
from tumorsim.sweep.shards import Shards, open_folder


@pytest.fixture(scope="module")
def alone(tmp_path_factory):
    """The sweep file, and what one process makes of it."""
    folder = tmp_path_factory.mktemp("sweep")
    path = small_sweep.write(folder)
    return path, sweep(path, folder / "alone", workers=1).result


def job(path, out, shard):
    command = [sys.executable, "-m", "tumorsim", "sweep", str(path), "-o", str(out), "--workers", "1", "--batch", "2"]
    return subprocess.Popen([*command, "--shard", shard], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)


@pytest.mark.slow
@pytest.mark.parametrize("parts", [("1/3", "2/3", "3/3"), ("1/2", "1/2", "2/2", "2/2")])
def test_jobs_at_once_come_to_the_table_of_one_process(alone, tmp_path, parts):
    """Each part by one job, or by two at once that know nothing of each other."""
    path, whole = alone
    jobs = [job(path, tmp_path / "out", part) for part in parts]
    for one in jobs:
        said = one.communicate(timeout=300)[0]
        assert one.returncode == 0, said
    last = sweep(path, tmp_path / "out", workers=1)
    assert (last.held, last.done, last.damaged) == (small_sweep.RUNS, 0, ())
    assert last.result.digest == whole.digest
    assert not list((tmp_path / "out" / "shards").glob("*.damaged"))


def test_force_in_an_array_would_delete_what_others_did(tmp_path):
    with pytest.raises(SweepError, match="--force would delete what other jobs did"):
        sweep(small_sweep.write(tmp_path), tmp_path / "out", shard=(1, 2), force=True)
    assert not (tmp_path / "out").exists()


def rows(*numbers, failure=""):
    return [Row(n, () if failure else (float(n), 0.0), failure) for n in numbers]


def held(folder, part=""):
    with Shards(folder, "a sweep", {}, part) as shards:
        return shards.read(20, 2)


def test_a_retry_keeps_what_lies_beside_the_failure_and_is_not_undone_by_it(tmp_path):
    """The retried runs have the ends of an earlier shard, or begin before it."""
    with Shards(tmp_path, "a sweep", {}) as shards:
        shards.write([*rows(0, 3, failure="no"), *rows(1, 2)], 2)
        shards.write([*rows(4), *rows(5, failure="no")], 2)
    with Shards(tmp_path, "a sweep", {}) as shards:
        shards.read(20, 2)
        shards.write(rows(0, 3), 2)
        shards.write(rows(2, 5), 2)
    found = held(tmp_path)
    assert {n: row.values for n, row in found.rows.items()} == {n: (float(n), 0.0) for n in range(6)}
    assert (found.damaged, found.adopted) == ([], [])


def test_two_writers_of_one_part_lose_no_line_and_cut_none_off(tmp_path):
    with Shards(tmp_path, "a sweep", {}, "-1-of-2") as first, Shards(tmp_path, "a sweep", {}, "-1-of-2") as second:
        first.write(rows(0, 1), 2)
        second.write(rows(0, 1), 2)
        second.write(rows(2, 3), 2)
        first.write(rows(1, 3), 2)
        # another part looks while a line is half written
        with (tmp_path / "index-1-of-2.jsonl").open("ab") as stream:
            stream.write(b'{"crc": ')
            stream.flush()
            found = held(tmp_path, "-2-of-2")
            assert sorted(found.rows) == [0, 1, 2, 3]
            assert (found.damaged, found.adopted) == ([], [])
        assert (tmp_path / "index-1-of-2.jsonl").read_bytes().endswith(b'{"crc": ')


def test_a_kill_before_the_index_is_made_does_not_close_the_folder(tmp_path):
    (tmp_path / "shards").mkdir()
    open_folder(tmp_path, force=False)
    assert held(tmp_path).rows == {}


def test_what_another_job_is_writing_is_left_alone(tmp_path):
    with Shards(tmp_path, "a sweep", {}) as shards:
        shards.write(rows(0), 2)
    part = tmp_path / "shards" / ".000-001.shard.77-ab.part"
    part.write_bytes(b"half")
    open_folder(tmp_path, force=False)
    assert part.exists()
    os.utime(part, (0.0, 0.0))
    open_folder(tmp_path, force=False)
    assert not part.exists()
