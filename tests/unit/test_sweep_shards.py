"""What a sweep keeps on disk: nothing is believed because it exists, and nothing that is whole is done twice."""

import json
import os
import time
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from toy_sweep import made_up
from tumorsim.journal import JournalError
from tumorsim.store import read_checkpoint, write_checkpoint
from tumorsim.sweep.inspection import inspect_sweep
from tumorsim.sweep.runs import Asked, Row
from tumorsim.sweep.shards import STALE, Shards, batches, open_folder, stretches

TOTAL, OUTPUTS = 20, 3
ME, OTHER = "a" * 64, "b" * 64
HEAD = {"runs": TOTAL, "outputs": OUTPUTS}


def rows_of(numbers, failing=()):
    return [Row(n, (), "ValueError: no", "") if n in failing else made_up(Asked(n, (), 5)) for n in numbers]


def shards_in(folder, part="", identity=ME):
    return Shards(folder, identity, HEAD, part)


def held(folder, part=""):
    """What a new process finds."""
    with shards_in(folder, part) as shards:
        return shards.read(TOTAL, OUTPUTS)


def paths(folder):
    return sorted((folder / "shards").glob("*.shard"))


@pytest.fixture
def folder(tmp_path):
    """Four shards of five runs; run 7 failed, run 8 has a remark."""
    open_folder(tmp_path, False)
    with shards_in(tmp_path) as shards:
        for numbers in batches(range(TOTAL), 5):
            rows = rows_of(numbers, failing={7})
            shards.write(
                [Row(r.number, r.values, "", "2 patients failed") if r.number == 8 else r for r in rows], OUTPUTS
            )
    return tmp_path


def edit_index(folder, edit):
    path = folder / "index.jsonl"
    path.write_bytes(edit(path.read_bytes()))


def test_what_was_written_is_read_bit_for_bit(folder):
    found = held(folder)
    assert sorted(found.rows) == list(range(TOTAL))
    assert (found.whole, found.damaged, found.adopted) == (4, [], [])
    for row in rows_of(range(TOTAL), failing={7}):
        assert found.rows[row.number].values == row.values
    assert found.rows[7].failure == "ValueError: no"
    assert found.rows[8].remark == "2 patients failed"
    report = inspect_sweep(folder)
    assert report.ok
    assert (report.whole, report.runs, report.total, report.failed) == (4, TOTAL, TOTAL, 1)


# --- damage --------------------------------------------------------------------------------


def cut(path):
    path.write_bytes(path.read_bytes()[:-100])


def emptied(path):
    path.write_bytes(b"")


def flipped(path):
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 4
    path.write_bytes(content)


def seal_flipped(path):
    content = bytearray(path.read_bytes())
    content[-10] ^= 1
    path.write_bytes(content)


def removed(path):
    path.unlink()


def rewritten(path, change):
    arrays, header = read_checkpoint(path)
    change(arrays, header)
    write_checkpoint(path, arrays, header)


def foreign(path):
    rewritten(path, lambda _, header: header.update(identity=OTHER))


def fewer_rows(path):
    rewritten(path, lambda arrays, _: arrays.update(run=arrays["run"][:-1], value=arrays["value"][:-1]))


def run_twice(path):
    rewritten(path, lambda arrays, _: arrays["run"].__setitem__(1, arrays["run"][0]))


def run_too_far(path):
    rewritten(path, lambda arrays, _: arrays["run"].__setitem__(-1, TOTAL))


def other_values(path):
    rewritten(path, lambda arrays, _: arrays["value"].__setitem__((0, 0), 0.5))


def other_outputs(path):
    rewritten(path, lambda arrays, _: arrays.update(value=arrays["value"][:, :2]))


def other_arrays(path):
    rewritten(path, lambda arrays, _: arrays.pop("run"))


def no_shard(path):
    write_checkpoint(path, {}, {"identity": ME})


DAMAGE = [
    cut, emptied, flipped, seal_flipped, removed, foreign, fewer_rows, run_twice, run_too_far, other_values,
    other_outputs, other_arrays, no_shard,
]  # fmt: skip


@pytest.mark.parametrize("damage", DAMAGE, ids=lambda one: one.__name__)
def test_a_shard_that_cannot_be_trusted_is_found_put_aside_and_done_again(folder, damage):
    victim = paths(folder)[1]
    damage(victim)
    report = inspect_sweep(folder)
    assert not report.ok
    assert report.whole == 3
    assert [victim.name in line for line in report.problems] == [True]
    assert sorted(held(folder).rows) == [n for n in range(TOTAL) if not 5 <= n < 10]
    assert damage is removed or victim.with_name(victim.name + ".damaged").exists()
    with shards_in(folder) as shards:
        shards.write(rows_of(range(5, 10)), OUTPUTS)
    again = held(folder)
    assert sorted(again.rows) == list(range(TOTAL))
    assert again.damaged == []
    assert inspect_sweep(folder).ok


def test_every_planted_damage_is_found_at_once(tmp_path):
    total = 5 * len(DAMAGE)
    with Shards(tmp_path, ME, {"runs": total, "outputs": OUTPUTS}) as shards:
        for numbers in batches(range(total), 5):
            shards.write(rows_of(numbers), OUTPUTS)
    for victim, damage in zip(paths(tmp_path), DAMAGE, strict=True):
        damage(victim)
    with Shards(tmp_path, ME, {}) as shards:
        found = shards.read(total, OUTPUTS)
    # a run number that ends a smaller sweep is an ordinary one here, but its shard has other bytes than the index says
    assert len(found.damaged) == len(DAMAGE)
    assert found.rows == {}


@settings(deadline=None)  # every example writes and reads files
@given(st.data())
def test_no_flipped_bit_goes_unseen(tmp_path_factory, data):
    folder = tmp_path_factory.mktemp("flip")
    with shards_in(folder) as shards:
        path = shards.write(rows_of(range(3)), OUTPUTS)
    content = bytearray(path.read_bytes())
    bit = data.draw(st.integers(0, 8 * len(content) - 1))
    content[bit // 8] ^= 1 << bit % 8
    path.write_bytes(content)
    found = held(folder)
    assert found.rows == {}
    assert len(found.damaged) == 1


# --- the index ------------------------------------------------------------------------------


def test_a_torn_last_line_costs_nothing(folder):
    edit_index(folder, lambda content: content[:-30])
    report = inspect_sweep(folder)
    assert report.ok
    assert report.adopted == 1
    before = (folder / "index.jsonl").read_bytes()
    inspect_sweep(folder)
    assert (folder / "index.jsonl").read_bytes() == before
    found = held(folder)
    assert sorted(found.rows) == list(range(TOTAL))
    assert len(found.adopted) == 1
    assert held(folder).adopted == []


def test_a_damaged_line_costs_nothing_and_takes_no_other_line_along(folder):
    edit_index(folder, lambda content: content.replace(b'"rows": 5', b'"rows": 6', 1))
    assert len(held(folder).adopted) == 1
    found = held(folder)
    assert sorted(found.rows) == list(range(TOTAL))
    assert (found.adopted, found.damaged) == ([], [])


def test_an_index_without_its_first_line_is_put_aside(folder):
    edit_index(folder, lambda content: b"#" + content)
    found = held(folder)
    assert sorted(found.rows) == list(range(TOTAL))
    assert len(found.adopted) == 4
    assert (folder / "index.jsonl.damaged").exists()
    assert held(folder).adopted == []


def test_a_lost_index_is_made_again(folder):
    (folder / "index.jsonl").unlink()
    assert "no index" in inspect_sweep(folder).problems[0]
    open_folder(folder, False)
    assert len(held(folder).adopted) == 4
    assert held(folder).adopted == []


def test_a_shard_under_another_name_is_still_itself(folder):
    victim = paths(folder)[1]
    victim.rename(victim.with_name("zzz.shard"))
    found = held(folder)
    assert sorted(found.rows) == list(range(TOTAL))
    assert found.damaged == []


def test_a_copy_of_a_shard_does_no_harm(folder):
    victim = paths(folder)[1]
    victim.with_name("000-copy.shard").write_bytes(victim.read_bytes())
    found = held(folder)
    assert found.damaged == []
    assert sorted(found.rows) == list(range(TOTAL))


def test_two_shards_that_disagree_are_told(folder):
    with shards_in(folder) as shards:
        shards.write([Row(3, (0.1, 0.2, 0.3))], OUTPUTS)
    found = held(folder)
    assert "gives run 3 other values than another shard" in found.damaged[0]
    assert found.rows[3].values == made_up(Asked(3, (), 5)).values


# --- runs done again -----------------------------------------------------------------------


@pytest.mark.parametrize("number", [5, 7, 9])
def test_a_run_that_failed_and_then_did_not_is_held_as_done_whatever_the_names_say(tmp_path, number):
    with shards_in(tmp_path) as shards:
        shards.write(rows_of(range(5, 10), failing={number}), OUTPUTS)
        shards.write(rows_of([number]), OUTPUTS)
    assert not held(tmp_path).rows[number].failure


def test_runs_done_again_never_take_the_place_of_a_shard_with_the_same_ends(folder):
    before = {path.name for path in paths(folder)}
    with shards_in(folder) as shards:
        shards.write(rows_of([5, 7, 9]), OUTPUTS)
    assert before < {path.name for path in paths(folder)}
    assert sorted(held(folder).rows) == list(range(TOTAL))
    assert held(folder).rows[6].values == made_up(Asked(6, (), 5)).values


# --- whose folder ----------------------------------------------------------------------------


def test_the_folder_of_another_sweep_is_refused_and_left_as_it_was(folder):
    before = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    with pytest.raises(JournalError, match=r"belongs to another configuration.*--out.*--force"):
        shards_in(folder, identity=OTHER)
    with pytest.raises(JournalError, match="belongs to another configuration"):
        shards_in(folder, "-1-of-2", identity=OTHER)
    assert {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()} == before


@pytest.mark.parametrize("force", [False, True])
def test_a_folder_with_other_files_is_refused_and_left_as_it_was(tmp_path, force):
    (tmp_path / "sweep.yaml").write_text("mine")
    with pytest.raises(JournalError, match="holds other files and no sweep"):
        open_folder(tmp_path, force)
    assert (tmp_path / "sweep.yaml").read_text() == "mine"


def test_force_deletes_the_sweep_and_nothing_else(folder):
    (folder / "notes.txt").write_text("mine")
    flipped(paths(folder)[0])
    held(folder)
    open_folder(folder, True)
    assert {path.name for path in folder.rglob("*") if path.is_file()} == {"notes.txt"}


def test_jobs_that_share_a_folder_see_each_other_and_touch_nothing_of_each_other(tmp_path):
    first, second = shards_in(tmp_path, "-1-of-2"), shards_in(tmp_path, "-2-of-2")
    first.write(rows_of(range(10)), OUTPUTS)
    path = tmp_path / "index-1-of-2.jsonl"
    with path.open("ab") as stream:  # a line under way
        stream.write(b'{"crc": "0')
    before = path.read_bytes()
    found = second.read(TOTAL, OUTPUTS)
    assert sorted(found.rows) == list(range(10))
    assert (found.adopted, found.damaged) == ([], [])
    assert path.read_bytes() == before
    second.write(rows_of(range(10, 20)), OUTPUTS)
    assert sorted(first.read(TOTAL, OUTPUTS).rows) == list(range(TOTAL))
    first.close(), second.close()
    assert sorted(held(tmp_path).rows) == list(range(TOTAL))


def test_a_half_written_file_of_a_living_process_is_left_alone(folder):
    young, old = (folder / "shards" / name for name in (".a.shard.1-2.part", ".b.shard.1-2.part"))
    young.touch()
    old.touch()
    os.utime(old, (time.time() - 2 * STALE,) * 2)
    open_folder(folder, False)
    assert young.exists()
    assert not old.exists()


def test_a_folder_that_is_no_sweep(tmp_path):
    with pytest.raises(JournalError, match="holds no sweep"):
        inspect_sweep(tmp_path)


def test_an_unfinished_sweep_is_whole_as_far_as_it_is(tmp_path):
    with shards_in(tmp_path) as shards:
        shards.write(rows_of(range(10)), OUTPUTS)
    report = inspect_sweep(tmp_path)
    assert report.ok
    assert "10 of 20 runs" in str(report)


@given(st.sets(st.integers(0, 60)))
def test_stretches_say_which_runs(numbers):
    runs = sorted(numbers)
    found = stretches(runs)
    assert [run for first, last in found for run in range(first, last + 1)] == runs
    assert all(b[0] > a[1] + 1 for a, b in pairwise(found))
    assert json.loads(json.dumps(found)) == found


def test_an_empty_value_and_no_value_are_two_things(tmp_path):
    with shards_in(tmp_path) as shards:
        shards.write([Row(0, (float("nan"),) * OUTPUTS), Row(1, (), "ValueError: no")], OUTPUTS)
    rows = held(tmp_path).rows
    assert np.isnan(rows[0].values).all()
    assert (len(rows[0].values), rows[0].failure) == (OUTPUTS, "")
    assert (rows[1].values, rows[1].failure) == ((), "ValueError: no")
