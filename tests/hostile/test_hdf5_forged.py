"""Result files made with intent: nothing outside is read, nothing is exhausted, nothing is believed.

Every forged file has a valid seal, so that the guard behind it must refuse.
"""

from __future__ import annotations

import hashlib
import json
import tracemalloc
from collections.abc import Callable
from pathlib import Path

import h5py
import numpy as np
import pytest

from toy_result import forge, reseal, write_toy
from toy_trial import make_trial
from tumorsim.store import LAYOUT_VERSION, ResultError, read
from tumorsim.store.sealing import SEAL_SIZE, check_seal
from tumorsim.variables import VARIABLES
from tumorsim.verify import verify

MEMORY = 10_000_000  # bytes a reader may take before it refuses: twice what 6000 objects take, the longest walk


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    return write_toy(tmp_path_factory.mktemp("whole") / "a.h5", make_trial(n=4, trace=1)).read_bytes()


@pytest.fixture
def path(whole: bytes, tmp_path: Path) -> Path:
    (tmp_path / "secret.h5").write_bytes(b"")
    with h5py.File(tmp_path / "secret.h5", "w") as file:
        file["age"] = np.full(4, 42.0)
    (tmp_path / "secret.txt").write_bytes(b"\x2a" * 4096)
    result = tmp_path / "a.h5"
    result.write_bytes(whole)
    return result


def put(place: str, **options: object) -> Callable[[h5py.File], None]:
    """Replace one dataset."""

    def edit(file: h5py.File) -> None:
        kept = dict(file[place].attrs) if place in file else {}
        if kept:
            del file[place]
        dataset = file.create_dataset(place, **options)
        dataset.attrs.update({name: kept[name] for name in ("units", "memory_dtype") if name in kept})

    return edit


def virtual(file: h5py.File) -> None:
    layout = h5py.VirtualLayout(shape=(4,), dtype="f8")
    layout[:] = h5py.VirtualSource("secret.h5", "age", shape=(4,))
    del file["patients/age"]
    file.create_virtual_dataset("patients/age", layout)


def endless_virtual(file: h5py.File) -> None:
    """One source file after another, as many as there are: 0.h5, 1.h5, ..."""
    settings = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
    here = h5py.h5s.create_simple((4,), (h5py.h5s.UNLIMITED,))
    here.select_hyperslab((0,), (h5py.h5s.UNLIMITED,), (4,), (4,))
    settings.set_virtual(here, b"%b.h5", b"age", h5py.h5s.create_simple((4,)))
    del file["patients/age"]
    space = h5py.h5s.create_simple((4,), (h5py.h5s.UNLIMITED,))
    h5py.h5d.create(file["patients"].id, b"age", h5py.h5t.IEEE_F64LE, space, dcpl=settings)


def linked(link: object) -> Callable[[h5py.File], None]:
    def edit(file: h5py.File) -> None:
        del file["patients/age"]
        file["patients/age"] = link

    return edit


def cycle(file: h5py.File) -> None:
    file["patients/again"] = file["/patients"]


def second_name(file: h5py.File) -> None:
    del file["patients/age"]
    file["patients/age"] = file["patients/weight"]


def committed_type(file: h5py.File) -> None:
    del file["patients/age"]
    file["patients/age"] = np.dtype("f8")


def deep(file: h5py.File) -> None:
    group = file["statistics"]
    for _ in range(200):
        group = group.create_group("a")


def many(file: h5py.File) -> None:
    group = file["statistics"].create_group("many")
    for i in range(6000):
        group.create_group(f"g{i}")


def missing_chunk(file: h5py.File) -> None:
    put("patients/age", shape=(4,), dtype="f8", chunks=(2,), compression="gzip", shuffle=True, fletcher32=True)(file)
    file["patients/age"][:2] = 1.0


CHECKED = {"compression": "gzip", "shuffle": True, "fletcher32": True}
HUGE = 1 << 40
NO_SHAPE = "no plain, fixed shape"
NO_TYPE = "a type that no result holds"

FORGERIES: dict[str, tuple[Callable[[h5py.File], None], str]] = {
    "external link": (linked(h5py.ExternalLink("secret.h5", "age")), "soft, external or foreign link"),
    "soft link": (linked(h5py.SoftLink("/patients/weight")), "soft, external or foreign link"),
    "dangling soft link": (linked(h5py.SoftLink("/nowhere")), "soft, external or foreign link"),
    "soft link to itself": (linked(h5py.SoftLink("/patients/age")), "soft, external or foreign link"),
    "external storage": (put("patients/age", shape=(4,), dtype="f8", external="secret.txt"), "external storage"),
    "virtual dataset": (virtual, "virtual dataset"),
    "endless virtual dataset": (endless_virtual, "virtual dataset"),
    "hard-linked cycle": (cycle, "second name of another object"),
    "two names": (second_name, "second name of another object"),
    "committed type": (committed_type, "neither a group nor a dataset"),
    "200 groups deep": (deep, "too deep"),
    "6000 objects": (many, "too many objects"),
    "a dataset of 8 TB": (put("patients/age", shape=(HUGE,), dtype="f8"), "claims 8796093022208 bytes and holds 0"),
    "8 TB in chunks that are not there": (
        put("patients/age", shape=(HUGE,), dtype="f8", chunks=(1 << 17,), **CHECKED),
        "chunks and lacks some of them",
    ),
    "one chunk of 2 GB": (
        put("patients/age", shape=(1 << 28,), dtype="f8", chunks=(1 << 28,), **CHECKED),
        "chunks above",
    ),
    "a missing chunk": (missing_chunk, "lacks some of them"),
    "a foreign filter": (
        put("patients/age", data=np.ones(4), chunks=(4,), compression="lzf", shuffle=True, fletcher32=True),
        "needs filters other than",
    ),
    "no checksum": (put("patients/age", data=np.ones(4), chunks=(4,), compression="gzip"), "needs filters other than"),
    "no chunks": (put("patients/age", data=np.ones(4)), "is not chunked and has no checksum"),
    "unlimited": (
        put("patients/age", data=np.ones(4), maxshape=(None,), chunks=(4,), **CHECKED),
        NO_SHAPE,
    ),
    "a scalar": (put("patients/age", data=1.0), NO_SHAPE),
    "no value at all": (put("patients/age", data=h5py.Empty("f8")), NO_SHAPE),
    "five dimensions": (
        put("patients/age", data=np.ones((1, 1, 1, 1, 4)), chunks=True, **CHECKED),
        NO_SHAPE,
    ),
    "a compound type": (
        put("patients/age", data=np.zeros(4, "f8,i4"), chunks=(4,), **CHECKED),
        NO_TYPE,
    ),
    "lists of any length": (
        put("patients/age", shape=(4,), dtype=h5py.vlen_dtype(np.float64)),
        NO_TYPE,
    ),
    "references": (put("patients/age", shape=(4,), dtype=h5py.ref_dtype), NO_TYPE),
    "half floats": (put("patients/age", data=np.ones(4, "f2"), chunks=(4,), **CHECKED), NO_TYPE),
    "an enumeration": (
        put("patients/male", data=np.zeros(4, bool), chunks=(4,), **CHECKED),
        NO_TYPE,
    ),
    "text for numbers": (put("patients/age", data=np.full(4, b"x"), chunks=(4,), **CHECKED), "has kind S"),
    "wrong shape": (put("patients/age", data=np.ones((2, 4)), chunks=(2, 4), **CHECKED), "expected if in 1 dimensions"),
    "a missing array": (lambda file: file.__delitem__("patients/age"), "patients/age: is missing"),
    "a missing group": (lambda file: file.__delitem__("provenance"), "provenance: is missing"),
    "a foreign dataset": (
        put("patients/extra", data=np.ones(4), chunks=(4,), **CHECKED),
        f"is no part of layout {LAYOUT_VERSION}",
    ),
    "a foreign group": (lambda file: file.create_group("payload"), f"is no part of layout {LAYOUT_VERSION}"),
    "a group for an array": (
        lambda file: (file.__delitem__("patients/age"), file.create_group("patients/age")),
        "is a group where a dataset is due",
    ),
    "an array for a group": (
        lambda file: (file.__delitem__("provenance"), put("provenance", data=np.ones(4), chunks=(4,), **CHECKED)(file)),
        "is a group where a dataset is due",
    ),
    "no format": (lambda file: file.attrs.__delitem__("format"), "no tumorsim result"),
    "a newer layout": (
        lambda file: file.attrs.modify("layout_version", LAYOUT_VERSION + 1),
        f"has layout {LAYOUT_VERSION + 1}; this tumorsim",
    ),
    "no layout": (lambda file: file.attrs.__delitem__("layout_version"), "is None, not a number from 1"),
    "layout 0": (lambda file: file.attrs.modify("layout_version", 0), "not a number from 1"),
    "layout as text of any length": (
        lambda file: file.attrs.__setitem__("layout_version", "1"),
        "is a text of unknown length",
    ),
    "an attribute of 1 MB": (
        lambda file: file["provenance"].attrs.__setitem__("cpu", np.zeros(1 << 17)),
        "no plain attribute of at most 64 KiB",
    ),
    "a compound attribute": (
        lambda file: file["provenance"].attrs.__setitem__("cpu", np.zeros(2, "f8,i4")),
        "no plain attribute",
    ),
    "another unit": (
        lambda file: file["patients/age"].attrs.__setitem__("units", np.bytes_("month")),
        "patients/age@units: is 'month', expected 'year'",
    ),
    "another memory type": (
        lambda file: file["patients/steps"].attrs.__setitem__("memory_dtype", np.bytes_("int8")),
        "do not fit int8",
    ),
    "an object as memory type": (
        lambda file: file["patients/steps"].attrs.__setitem__("memory_dtype", np.bytes_("object")),
        "is not a type of this array",
    ),
    "another value": (lambda file: file["patients/age"].__setitem__(0, 1.0), "is not the hash of the data"),
    "another arm's name": (
        lambda file: file.attrs.__setitem__("arms", np.bytes_('["control", "x"]')),
        "is not the hash of the data",
    ),
    "arms that are no list": (
        lambda file: file.attrs.__setitem__("arms", np.bytes_('{"a": 1}')),
        "no JSON list of texts",
    ),
    "arms that are no texts": (
        lambda file: file.attrs.__setitem__("arms", np.bytes_("[1, 2]")),
        "no JSON list of texts",
    ),
    "arms nested deep": (lambda file: file.attrs.__setitem__("arms", np.bytes_("[" * 60000)), "no JSON list of texts"),
    "another visit axis": (lambda file: file["visits/visit"].__setitem__(0, 9), "does not count the visits from 0"),
    "another patient axis": (lambda file: file["visits/patient"].__setitem__(0, 9), "names other patients"),
    "a code that is none": (lambda file: file["patients/death_cause"].__setitem__((0, 0), 9), "a code outside 0..3"),
    "another scenario": (
        lambda file: file["scenario/resolved"].__setitem__(0, b"scenario: 2"),
        "is not the text whose hash is stored with it",
    ),
    "a longer curve": (lambda file: file["statistics/rfs/length"].__setitem__(0, 99), "does not fit its lengths"),
    "a negative length": (lambda file: file["statistics/rfs/length"].__setitem__(0, -1), "one length for each arm"),
    "a name that drives the terminal": (
        lambda file: file.create_group("\x1b]0;owned\x07"),
        f"\N{REPLACEMENT CHARACTER}]0;owned\N{REPLACEMENT CHARACTER}: is no part of layout {LAYOUT_VERSION}",
    ),
}


@pytest.mark.parametrize("name", FORGERIES)
def test_a_forged_file_is_refused_before_much_is_read(name, path):
    edit, message = FORGERIES[name]
    forge(path, edit)
    check_seal(path)
    tracemalloc.start()  # what is read is held: memory tells the effort, whatever else the machine does
    try:
        with pytest.raises(ResultError) as caught:
            read(path)
        print(f"\n{name}: {tracemalloc.get_traced_memory()[1]:,} bytes")
        assert tracemalloc.get_traced_memory()[1] < MEMORY
    finally:
        tracemalloc.stop()
    assert message in str(caught.value)
    assert caught.value.advice


@pytest.mark.parametrize(
    "name", ["external link", "virtual dataset", "8 TB in chunks that are not there", "200 groups deep"]
)
def test_verify_refuses_them_too(name, path):
    edit, message = FORGERIES[name]
    report = verify(forge(path, edit))
    assert not report.ok
    assert message in str(report)


def replaced_text(place: str, text: bytes) -> Callable[[h5py.File], None]:
    """A text with a matching hash beside it."""

    def edit(file: h5py.File) -> None:
        del file[place]
        values = np.array([text], dtype=f"S{len(text)}")
        dataset = file.create_dataset(place, data=values, chunks=(1,), **CHECKED)
        dataset.attrs["sha256"] = np.bytes_(hashlib.sha256(text).hexdigest())

    return edit


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (b"{", "is not JSON"),
        (b"[1]", "has no whole number `seed`"),
        (b'{"seed": "7"}', "has no whole number `seed`"),
        (b'{"seed": true}', "has no whole number `seed`"),
        (b'{"seed": NaN}', "NaN is not allowed"),
        (b'{"seed": 8}', "is not the hash of the data"),
        (b"[" * 100_000, "is not JSON"),
        (b"\xff\xfe", "is not JSON"),
        (b'{"seed": ' + b"9" * 5000 + b"}", "is not JSON"),
    ],
)
def test_a_forged_summary_is_refused(text, message, path):
    forge(path, replaced_text("summary/json", text))
    with pytest.raises(ResultError) as caught:
        read(path)
    assert message in str(caught.value)


def test_a_bomb_of_zeros_is_refused_before_it_is_read(path):
    """2 GiB of zeros in about 2 MB, well formed in every other respect."""

    def bomb(file: h5py.File) -> None:
        shape = (2, 4, 1 << 25)
        for variable in VARIABLES:
            if variable.group == "visits":
                del file[f"visits/{variable.name}"]
        options = CHECKED | {"compression_opts": 9, "chunks": (1, 1, 1 << 20), "dtype": "i1"}
        dataset = file.create_dataset("visits/lesions_seen", shape=shape, **options)
        block = np.zeros((1, 1, 1 << 20), "i1")
        dataset[:1, :1, : 1 << 20] = block
        raw = dataset.id.read_direct_chunk((0, 0, 0))[1]
        for arm in range(2):
            for patient in range(4):
                for start in range(0, shape[2], 1 << 20):
                    dataset.id.write_direct_chunk((arm, patient, start), raw)

    forge(path, bomb)
    assert path.stat().st_size < 3_000_000
    with pytest.raises(ResultError, match=r"claims .* bytes of data in"):
        read(path)


def test_more_than_the_machine_has_is_refused(path, monkeypatch):
    monkeypatch.setattr("tumorsim.store.guard.machine_memory", lambda: 1e4)
    with pytest.raises(ResultError, match=r"needs 0\.0 GB of memory; this machine has 0\.0 GB"):
        read(path)


def test_a_result_behind_a_link_or_in_another_folder_is_still_one_file(path, tmp_path):
    (tmp_path / "link.h5").symlink_to(path)
    assert read(tmp_path / "link.h5").summary["seed"] == 7


# --- verify -----------------------------------------------------------------------------


def test_verify_a_whole_file(path):
    report = verify(path)
    assert report.ok, str(report)
    assert report.digest == read(path).digest
    assert report.layout_version == LAYOUT_VERSION
    assert report.datasets > len(VARIABLES)
    assert f"whole; layout {LAYOUT_VERSION}" in str(report)


def test_verify_names_the_damaged_dataset(path):
    with h5py.File(path) as file:
        chunk = file["patients/weight"].id.get_chunk_info(0)
    content = bytearray(path.read_bytes())
    content[chunk.byte_offset + 3] ^= 16
    path.write_bytes(content)
    report = verify(path)
    assert [problem.place for problem in report.problems] == ["file", "patients/weight"]
    assert "SHA-256 differs" in report.problems[0].rule


def test_verify_sees_what_read_does_not_need(path):
    """Axes and the targets table serve other tools; a forger may turn them round."""

    def detach(file: h5py.File) -> None:
        file["patients/age"].dims[0].detach_scale(file["patients/patient"])
        file["patients/arm"][0] = "x"
        file["patients/arm_label"][0] = "x"
        file["statistics/rfs/arm"][1] = "x"
        file["targets/simulated"][0] = 99.0
        file["targets/id"][1] = "R-9"
        file["targets/within"][0] = 0
        file["targets/interval_high"][0] = 99.0

    forge(path, detach)
    read(path)
    rules = {str(problem).split(". ")[0] for problem in verify(path).problems}
    assert rules == {
        "patients/age: its axis patient is not attached",
        "patients/arm: differs from the attribute arms of the file",
        "patients/arm_label: differs from the attribute arm_labels of the file",
        "statistics/rfs/arm: differs from the attribute arms of the file",
        "targets/simulated: differs from the summary",
        "targets/id: differs from the summary",
        "targets/within: differs from the summary",
        "targets/interval: differs from the summary",
    }


@pytest.mark.parametrize(
    ("deed", "message"),
    [
        ("os.kill(os.getpid(), signal.SIGSEGV)", "it crashes the HDF5 library (SIGSEGV)"),
        ("time.sleep(60)", "the inspection hung for 1 s"),
        ("os._exit(7)", "the inspection broke off with code 7"),
        ("bytearray(1 << 33)", "needs more memory than allowed"),
    ],
)
def test_verify_survives_whatever_opening_does(deed, message, path, monkeypatch, tmp_path):
    """A stand-in for the HDF5 library misbehaves in the inspecting process when it opens a file."""
    fakes = tmp_path / "fakes"
    (fakes / "h5py").mkdir(parents=True)
    (fakes / "h5py" / "__init__.py").write_text(
        "import os, signal, sys, time\n"
        f"sys.path.remove({str(fakes)!r}); del sys.modules['h5py']\n"
        "import h5py\n"
        f"h5py.File = lambda *arguments, **options: {deed}\n"
    )
    import tumorsim.verify as module

    environment = module._environment()
    environment["PYTHONPATH"] = f"{fakes}:{environment['PYTHONPATH']}"
    monkeypatch.setattr(module, "_environment", lambda: environment)
    report = verify(path, seconds=1 if "hung" in message else 60, memory=2 << 30)
    assert not report.ok
    assert message in str(report)


def test_verify_runs_no_code_from_the_folder_it_is_called_in(path, tmp_path, monkeypatch):
    (tmp_path / "h5py.py").write_text("raise SystemExit(9)")
    (tmp_path / "json.py").write_text("raise SystemExit(9)")
    monkeypatch.chdir(tmp_path)
    assert verify("a.h5").ok


def test_verify_says_so_when_there_is_no_file(tmp_path):
    assert "does not exist" in str(verify(tmp_path / "none.h5"))
    assert "not a regular file" in str(verify(tmp_path))


def test_verify_reads_no_byte_behind_a_forged_end(path):
    """Cut inside the HDF5 file, then sealed again."""
    path.write_bytes(path.read_bytes()[: -SEAL_SIZE - 5000])
    reseal(path)
    report = verify(path)
    assert "truncated file" in str(report)
    with pytest.raises(ResultError, match="truncated file"):
        read(path)


def test_summary_of_a_stranger_is_data_only(path):
    text = json.dumps({"seed": 7, "__class__": "os.system", "py/object": "posix.system"}).encode()
    forge(path, replaced_text("summary/json", text))
    assert read(path).summary["py/object"] == "posix.system"
