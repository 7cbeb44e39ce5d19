"""A disk that is full while a journal grows: told with the place, and what was recorded is kept."""

import errno
import os

import pytest

from tumorsim.journal import JournalError
from tumorsim.sweep.shards import Index


def test_a_full_disk_is_told_and_nothing_recorded_is_lost(tmp_path, monkeypatch):
    path = tmp_path / "index.jsonl"
    with Index.open(path, "a sweep", {}) as index:
        index.append("shard", 1, {"file": "a"})

        def refuse(_descriptor):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

        with monkeypatch.context() as patched:
            patched.setattr(os, "fsync", refuse)
            with pytest.raises(JournalError, match=r"index\.jsonl: cannot be written \(No space left.*Free some space"):
                index.append("shard", 2, {"file": "b"})
    path.write_bytes(path.read_bytes()[:-5])  # of the line that did not go, a part
    with Index.open(path, "a sweep", {}) as index:
        assert [record["file"] for record in index.stage("shard")] == ["a"]
        index.append("shard", 2, {"file": "b"})
    assert [record["file"] for record in Index.look(path, "a sweep").stage("shard")] == ["a", "b"]
