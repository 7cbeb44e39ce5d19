"""A checkpoint comes back bit for bit, or not at all."""

from __future__ import annotations

import hashlib
import json
import random
import struct
from pathlib import Path

import numpy as np
import pytest

from tumorsim.store import ResultError, read_checkpoint, write_checkpoint
from tumorsim.store.sealing import SEAL_SIZE, seal

HEADER = {"scenario_sha256": "ab" * 32, "seed": 2**64 - 1, "source_sha256": "cd" * 32, "step": 240, "arm": "cik é"}
MAGIC = b"tumorsim checkpoint 1\n"


def some_arrays() -> dict[str, np.ndarray]:
    luck = np.random.default_rng(3)
    found = {
        kind: luck.integers(0, 256, 8 * 37, dtype=np.uint8).view(kind)
        for kind in ("uint8", "int8", "uint16", "int16", "uint32", "int32", "uint64", "int64", "float32", "float64")
    }
    found |= {f"no {kind}": np.empty(0, kind) for kind in ("uint64", "float64", "uint8")}
    found |= {
        "no rows": np.empty((0, 3), "i4"),
        "flags": np.array([True, False]),
        "box": np.arange(24.0).reshape(2, 3, 4),
    }
    found |= {"one": np.array(7, dtype=np.uint64), "turned": np.arange(6, dtype="u4").reshape(2, 3).T}
    return found | {"every other": np.arange(10)[::2], "big end": np.arange(5, dtype=">i4")}


@pytest.fixture
def path(tmp_path: Path) -> Path:
    write_checkpoint(tmp_path / "a.checkpoint", some_arrays(), HEADER)
    return tmp_path / "a.checkpoint"


def forged(path: Path, content: bytes) -> Path:
    path.write_bytes(content + seal(hashlib.sha256(content).hexdigest()))
    return path


def test_every_bit_comes_back(path):
    arrays, header = read_checkpoint(path)
    assert header == HEADER
    assert list(arrays) == list(some_arrays())
    for name, array in some_arrays().items():
        assert arrays[name].dtype == array.dtype.newbyteorder("="), name
        assert arrays[name].shape == array.shape, name
        assert arrays[name].tobytes() == array.astype(array.dtype.newbyteorder("=")).tobytes(), name
        assert arrays[name].flags.writeable
        assert arrays[name].flags.c_contiguous


def test_no_arrays_at_all_is_a_checkpoint_too(tmp_path):
    write_checkpoint(tmp_path / "a", {}, {})
    assert read_checkpoint(tmp_path / "a") == ({}, {})


def test_what_came_back_shares_nothing(path):
    first, _ = read_checkpoint(path)
    first["box"][:] = 0.0
    again, _ = read_checkpoint(path)
    assert again["box"].sum() == 276.0


def test_a_new_one_takes_the_place_of_the_old_in_one_step(path, monkeypatch):
    before = path.read_bytes()

    def fail(*_: object) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr("os.replace", fail)
        with pytest.raises(ResultError, match="no room"):
            write_checkpoint(path, {"x": np.ones(3)}, HEADER)
    assert path.read_bytes() == before
    write_checkpoint(path, {"x": np.ones(3)}, HEADER)
    assert list(read_checkpoint(path)[0]) == ["x"]
    assert [item.name for item in path.parent.iterdir()] == [path.name]


@pytest.mark.parametrize(
    ("expected", "message"),
    [
        ({"scenario_sha256": "00"}, "header scenario_sha256: is 'abab"),
        ({"source_sha256": None}, "header source_sha256: is 'cdcd"),
        ({"seed": 7}, "this run has 7: the checkpoint is of another run. Delete it"),
        ({"python": "3.11"}, "header python: is None, this run has '3.11'"),
        ({"nothing": None}, "header nothing: is None, this run has None"),
    ],
)
def test_a_checkpoint_of_another_run_is_refused(expected, message, path):
    read_checkpoint(path, HEADER)
    with pytest.raises(ResultError) as caught:
        read_checkpoint(path, HEADER | expected)
    assert message in str(caught.value)


@pytest.mark.parametrize("array", [np.array(["text"]), np.array([None]), np.zeros(2, "f2"), np.zeros(2, "c16")])
def test_what_cannot_be_kept_is_refused(array, tmp_path):
    with pytest.raises(ResultError, match="which a checkpoint cannot hold"):
        write_checkpoint(tmp_path / "a", {"x": array}, {})
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("header", [{"x": float("nan")}, {"x": {1}}, {"x": (1, 2)}, {1: "x"}])
def test_a_header_that_json_would_change_is_refused(header, tmp_path):
    with pytest.raises(ResultError, match="header"):
        write_checkpoint(tmp_path / "a", {}, header)
    assert list(tmp_path.iterdir()) == []


def test_every_bit_and_every_cut_counts(path, tmp_path):
    content, luck, damaged = path.read_bytes(), random.Random(1), tmp_path / "damaged"
    for at in [luck.randrange(len(content)) for _ in range(150)] + [0, len(content) - 1]:
        damaged.write_bytes(content[:at] + bytes([content[at] ^ (1 << luck.randrange(8))]) + content[at + 1 :])
        with pytest.raises(ResultError, match=r"is damaged|no seal"):
            read_checkpoint(damaged)
    for size in [luck.randrange(len(content)) for _ in range(150)] + [0, 1, SEAL_SIZE, len(content) - 1]:
        damaged.write_bytes(content[:size])
        with pytest.raises(ResultError, match=r"is damaged|no seal"):
            read_checkpoint(damaged)
    damaged.write_bytes(content + b"x")
    with pytest.raises(ResultError, match="no seal"):
        read_checkpoint(damaged)
    with pytest.raises(ResultError, match="does not exist"):
        read_checkpoint(tmp_path / "none")


def test_bits_flipped_and_sealed_again_give_an_error_or_arrays_of_the_declared_shape(path, tmp_path):
    """A forger may change values; nothing else may come of it than an error."""
    body, luck, outcomes = path.read_bytes()[:-SEAL_SIZE], random.Random(2), {"refused": 0, "read": 0}
    for _ in range(300):
        at = luck.randrange(1500)  # the table of contents and a little more
        damaged = forged(tmp_path / "b", body[:at] + bytes([body[at] ^ (1 << luck.randrange(8))]) + body[at + 1 :])
        try:
            read_checkpoint(damaged)
            outcomes["read"] += 1
        except ResultError:
            outcomes["refused"] += 1
    assert outcomes["refused"] > 100


def contents(table: object, header: object = None, size: int | None = None) -> bytes:
    text = json.dumps({"header": {} if header is None else header, "arrays": table}).encode()
    return MAGIC + struct.pack("<Q", len(text) if size is None else size) + text


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"x" * 200, "is no checkpoint of this version"),
        (MAGIC, "is no checkpoint of this version"),
        (contents([], size=1 << 60), "holds more than its arrays"),
        (contents([], size=3), "cannot be read"),
        (contents([], header=3), "cannot be read"),
        (contents([["x", "<f8"]]), "cannot be read"),
        (contents([["x", "<f8", ["a"]]]), "cannot be read"),
        (contents([["x", "|O", [1]]]), "is no array of a checkpoint"),
        (contents([["x", "<f8", [-1]]]), "is no array of a checkpoint"),
        (contents([["x", "|u1", [0]], ["x", "|u1", [0]]]) + bytes(64 - 22 - 8), "is no array of a checkpoint"),
        (contents([["x", "<f8", [1 << 60]]]), "claims more bytes than there are"),
        (contents([["x", "<f8", [1 << 40, 1 << 40]]]), "claims more bytes than there are"),
        (contents([]) + b"more", "holds more than its arrays"),
        (MAGIC + struct.pack("<Q", 60000) + b"[" * 60000, "cannot be read"),
    ],
)
def test_forged_contents_are_refused(content, message, tmp_path):
    with pytest.raises(ResultError) as caught:
        read_checkpoint(forged(tmp_path / "a", content))
    assert message in str(caught.value)
