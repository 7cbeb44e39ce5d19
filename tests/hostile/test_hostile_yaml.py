"""Files that attack: each is refused with a sentence, in bounded time and memory, without a traceback.

All run in one fresh process, which reports what each cost. The time is processor
time, so that a busy machine does not fail the test; the limits are generous
against what is measured (0.02 to 0.6 s, below 40 MB).
"""

import json
import subprocess
import sys

import pytest

SECONDS = 2.5
MEGABYTES = 150

LAUGHS = "a: &a [x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"{b}: &{b} [{', '.join(['*' + a] * 9)}]\n" for a, b in zip("abcdefgh", "bcdefghi", strict=True)
)
STUDY = "extends: study.yaml\n"

# name: (text, what the message must hold)
TEXTS = {
    "alias bomb": (LAUGHS, "anchors (&name) are refused"),
    "alias bomb without anchors first": ("a: *a\n", "aliases (*name) are refused"),
    "python object": ("a: !!python/object/apply:os.system ['echo owned > owned']\n", 'tags ("!") are refused'),
    "local tag": ("a: !include /etc/passwd\n", 'tags ("!") are refused'),
    "5,000 deep, block": ("".join(" " * i + "a:\n" for i in range(450)) + "x" * 10, "nested more than 32 deep"),
    "5,000 deep, flow": (
        "a: " + "[" * 2400 + "\n" + "[" * 2600 + "]" * 2400 + "\n" + "]" * 2600,
        "nested more than 32 deep",
    ),
    "5,000 deep, mappings": ("a: " + "{a: \n" * 5000, "nested more than 32 deep"),
    "5,000 deep, one a line": ("a: " + "[\n" * 5000, "nested more than 32 deep"),
    "arithmetic in a quantity": (STUDY + "trial: {accrual: 9**9**9 day}\n", "is not a number and a unit"),
    "power in a unit": (STUDY + "trial: {accrual: 9 day**999999999}\n", "has a power above 9"),
    "powers of numbers in a unit": (STUDY + "trial: {accrual: 9 (1e99^9)^9/1e99^9 day}\n", "trial.accrual"),
    "a number of 4,000 digits": (STUDY + "seed: " + "9" * 4000 + "\n", "seed"),
    "an exponent of 9,999": (STUDY + "trial: {accrual: 1e9999 day}\n", "trial.accrual"),
    "etc passwd": ("extends: ../../etc/passwd\n", "leads out of the folder"),
    "etc passwd, absolute": ("extends: /etc/passwd\n", "must be a relative path"),
    "etc passwd through the library": (STUDY + "disease: ../../../../../etc/passwd\n", "must be the name of a disease"),
    "null byte in a link": ('extends: "a\\0b.yaml"\n', "cannot be followed"),
    "extends itself": ("extends: hostile.yaml\n", "runs in a circle"),
    "extends one file 5,000 times": ("extends: [" + "study.yaml,\n" * 5000 + "]\n", "names more than 16 files"),
    "a line of 100 KB": ("a: " + "x" * 100_000 + "\n", "more than 5000 characters"),
    "100,000 lines": ("\n" * 100_000, "the file is empty"),
    "60,000 values": ("a: [" + "1,\n" * 40_000 + "]\n", "more than 6000 values"),
    "2,900 unknown keys": ("".join(f"k{i}: 1\n" for i in range(2900)), "is no key here"),
    "1,100 long unknown keys": ("".join(f"{'populatio' * 10}{i}: 1\n" for i in range(1100)), "is no key here"),
    "1,100 arms": (STUDY + "arms:\n" + "".join(f"- {{name: A{i}, x: 2}}\n" for i in range(1100)), "at most 16"),
    "1,100 treatments": (
        STUDY
        + "arms:\n- name: a\n  treatments:\n"
        + "".join(f"  - {{drug: sorafeni, dose: {i} mg}}\n" for i in range(1100)),
        "at most 16",
    ),
    "450 schedules": (
        STUDY
        + "arms:\n- name: a\n  treatments:\n"
        + "  - {drug: sorafenib, dose: 1 mg, schedule: 'days 1,3,5,7,9 of 10'}\n" * 450,
        "at most 16",
    ),
    "5,900 unknown end points": (STUDY + "endpoints:\n" + "".join(f"- e{i}\n" for i in range(5900)), "at most 32"),
    "2,900 unknown units": (
        STUDY
        + "trial: {ratio: ["
        + ",\n".join(f"{i} u{'abcdefghij'[i % 10]}q{'xyz'[i % 3]}" for i in range(2900))
        + "]}\n",
        "at most 500",
    ),
    "a schedule of a billion doses": (STUDY + "trial: {visits: {schedule: 999999 x q1d}}\n", "trial.visits.schedule"),
    "a schedule of nested counts": (STUDY + "trial: {visits: {schedule: '" + "q1d, " * 900 + "q1d'}}\n", "characters"),
    "tabs": ("\t" * 4000 + "\n", "indent with spaces"),
    "50,000 documents": ("---\n" * 30_000, "a second document"),
    "50,000 directives": ("%FOO bar\n" * 14_000, "YAML"),
    "colons": (":" * 4000 + "\n", "YAML"),
    "anchors without end": ("&a " * 1600 + "\n", "anchors (&name) are refused"),
    "exclamation marks": ("!" * 4000 + "\n", 'tags ("!") are refused'),
    "quotes": ('"' * 4000 + "\n", "YAML"),
    "a block scalar of 60,000 lines": ("a: |\n" + " x\n" * 40_000, "more than 10000 characters"),
    "terminal control codes": ("title: \x1b]0;owned\x07\n", "U+001B is not allowed"),
    "terminal control codes, escaped": (STUDY + 'seed: "\\e]0;owned\\a"\n', "seed: ?]0;owned? must be a whole number"),
    "text that turns around": ("title: \u202edetrevni\n", "U+202E is not allowed"),
}

RUNNER = """
import json, os, resource, sys, time
os.chdir(sys.argv[1])
from tumorsim.scenario import ScenarioError, load
load("study.yaml")  # imports and schema are paid for before the clock starts
for path in json.load(open("paths.json")):
    before, start = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, time.process_time()
    try:
        load(path)
        said = "loaded"
    except ScenarioError as error:
        said = str(error)
    seconds = time.process_time() - start
    grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024
    print(json.dumps([path, seconds, grown, said]), flush=True)
"""


def run(folder, paths):
    (folder / "paths.json").write_text(json.dumps(paths))
    done = subprocess.run(
        [sys.executable, "-c", RUNNER, str(folder)], capture_output=True, text=True, timeout=300, check=False
    )
    assert done.returncode == 0, done.stderr[-2000:]
    assert done.stderr == ""
    return {path: (seconds, grown, said) for path, seconds, grown, said in map(json.loads, done.stdout.splitlines())}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    from tumorsim import starter

    path = tmp_path_factory.mktemp("hostile")
    (path / "study.yaml").write_text(starter.text("study"))
    return path


@pytest.fixture(scope="module")
def texts(folder):
    names = {}
    for number, (name, (text, _)) in enumerate(TEXTS.items()):
        path = "hostile.yaml" if name == "extends itself" else f"t{number}.yaml"
        (folder / path).write_text(text, encoding="utf-8")
        names[name] = path
    found = run(folder, list(names.values()))
    return {name: found[path] for name, path in names.items()}


@pytest.mark.parametrize("name", TEXTS)
def test_an_attack_is_refused_quickly_with_a_sentence(texts, name, folder):
    seconds, grown, said = texts[name]
    assert TEXTS[name][1] in said
    assert seconds < SECONDS
    assert grown < MEGABYTES
    assert len(said) < 60_000
    assert all(character.isprintable() or character == "\n" for character in said)
    assert not (folder / "owned").exists()


@pytest.fixture(scope="module")
def files(folder):
    """Things that are no plain files, and chains of files."""
    import os

    large = folder / "large.yaml"
    with large.open("wb") as stream:
        stream.truncate(3 * 1024**3)  # sparse: 3 GB of zeros
    os.mkfifo(folder / "pipe.yaml")
    (folder / "folder.yaml").mkdir()
    (folder / "loop.yaml").symlink_to("loop.yaml")
    (folder / "device.yaml").symlink_to("/dev/zero")
    (folder / "latin.yaml").write_bytes("title: Müller\n".encode("latin-1"))
    (folder / "utf16.yaml").write_text("title: a\n", encoding="utf-16")
    for i in range(12):
        (folder / f"chain{i}.yaml").write_text(f"extends: chain{i + 1}.yaml\n")
    for level in range(4):  # 16 ** 4 paths, if every one were walked
        for i in range(4):
            links = ", ".join(f"fan{level + 1}_{j}.yaml" for j in range(4))
            (folder / f"fan{level}_{i}.yaml").write_text(f"extends: [{links}]\n" if level < 3 else "seed: 3\n")
    (folder / "reads_pipe.yaml").write_text("extends: pipe.yaml\n")
    (folder / "reads_device.yaml").write_text("extends: device.yaml\n")
    return {
        "large.yaml": "is larger than 128 KB",
        "pipe.yaml": "is not a regular file",
        "folder.yaml": "is not a regular file",
        "loop.yaml": "cannot be followed|cannot be opened",
        "device.yaml": "is not a regular file",
        "latin.yaml": "is not UTF-8 text",
        "utf16.yaml": "is not UTF-8 text",
        "chain0.yaml": "more than 8 files deep",
        "fan0_0.yaml": "is missing",
        "reads_pipe.yaml": "there is no such file",
        "reads_device.yaml": "leads out of the folder",
    }


def test_files_that_are_no_files_are_refused(folder, files):
    import re

    for path, (seconds, grown, said) in run(folder, list(files)).items():
        assert re.search(files[path], said), f"{path}: {said}"
        assert seconds < SECONDS, path
        assert grown < MEGABYTES, path
