"""Whatever a stranger's file or command line holds: one message, at once, and nothing outside."""

from __future__ import annotations

import json
import os
import pickle
import random
import resource
import shutil
import signal
import subprocess
import sys
import traceback
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from curate.cli.app import app
from curate.texts import parse_json, parse_toml
from curate.training.fit import fit
from tests.tiny import SEGMENTER, tiny_config

NUM_QUICK, NUM_MANY = 500, 50_000
BATCH = 25
LIMIT_S, LIMIT_BYTES = 10, 3 << 30
EXIT_CODES = {0, 1, 2}

TOML = f"""
classes = ["ground", "thing", "sky"]
real = [{{ path = "real", id_map = "ids.toml" }}]
synthetic = [{{ path = "synthetic" }}]
[fit]
method = "hierarchical"
segmenter = "{SEGMENTER}"
size = [32, 48]
steps = 1
batch_size = 4
[method]
inputs = ["image"]
min_class_px = 10
"""
IDS = '[ids]\n0 = "ground"\n1 = "thing"\n2 = "sky"\n'
INSTEAD = [
    b"\0",
    b"\xff\xfe",
    b"-1",
    b"1e999",
    b"9" * 5_000,
    b"[" * 2_000,
    b'"\\ud800"',
    b"../",
    b"~",
]

COMMANDS = {
    "toml": (["curate.toml"], ["check"], ["score", "synthetic", "--out", "o.h5"]),
    "id map": (["ids.toml"], ["check", "real", "--id-map", "ids.toml"]),
    "image": (["synthetic/images/000.png", "synthetic/images/001.jpg"], ["check", "synthetic"],
              ["score", "synthetic", "--out", "o.h5"]),
    "label": (["synthetic/labels/000.png"], ["score", "synthetic", "--out", "o.h5"]),
    "scores": (["w.h5"], ["merge", "w.h5", "--out", "o.h5"],
               ["export-subset", "--scores", "w.h5", "--by", "pixel", "--top", "30%"],
               ["score", "synthetic", "--out", "w.h5", "--resume"]),
    "tables": (["w.images.parquet", "w.regions.parquet"],
               ["merge", "w.parquet", "--out", "o.parquet"],
               ["export-subset", "--scores", "w.parquet", "--top", "30%"]),
    "run": ([f"runs/a/{n}.json" for n in ("run", "config", "provenance")],
            ["score", "synthetic", "--out", "o.h5"]),
    "weights": (["runs/a/segmenter.safetensors", "runs/a/method.safetensors"],
                ["score", "synthetic", "--out", "o.h5"]),
    "state": ([".curate.json"], ["export-subset", "--top", "30%"]),
    "options": ([], ["score", "synthetic", "--out", "o.h5", "--stride", "4", "--levels", "image"],
                ["export-subset", "--scores", "w.h5", "--top", "30%", "--by", "region"],
                ["merge", "w.h5", "--out", "o.parquet", "--overwrite"],
                ["check", "synthetic", "--layout", "auto"]),
}  # fmt: skip


@pytest.fixture(scope="module")
def base(tmp_path_factory):
    """A project with everything in it that a command reads."""
    root = tmp_path_factory.mktemp("fuzz") / "base"
    root.mkdir()
    config = tiny_config(root, steps=1)
    fit(config, out=root / "runs" / "a")
    (root / "curate.toml").write_text(TOML)
    (root / "ids.toml").write_text(IDS)
    with Image.open(root / "synthetic/images/001.png") as image:
        image.save(root / "synthetic/images/001.jpg")
    (root / "synthetic/images/001.png").unlink()
    assert run_in(root, ["score", "synthetic", "--out", "w.h5"])[0] == 0
    return root


def run_in(folder, args):
    """Run the command line in a folder: exit code, or the traceback of what it raised."""
    before = Path.cwd()
    os.chdir(folder)
    try:
        app(args, standalone_mode=True)
    except SystemExit as done:
        return done.code or 0, ""
    except BaseException:  # noqa: BLE001 (that is what is looked for)
        return -1, traceback.format_exc()
    finally:
        os.chdir(before)
    return 0, ""


def mutate(rng, content):
    """Change some bytes of a file."""
    data = bytearray(content)
    for _ in range(rng.choice([1, 1, 2, 5, 20])):
        at = rng.randrange(len(data) + 1)
        how = rng.randrange(6)
        if how == 0 and at < len(data):
            data[at] ^= 1 << rng.randrange(8)
        elif how == 1:
            del data[at : at + rng.choice([1, 4, 100, 10**6])]
        elif how == 2:
            data[at:at] = rng.choice(INSTEAD)
        elif how == 3:
            data[at : at + 8] = rng.randbytes(8)
        elif how == 4:
            start = rng.randrange(len(data) + 1)
            data[at:at] = data[start : start + 64]
        else:
            data[at : at + 4] = rng.choice([b"\0" * 4, b"\xff" * 4, b"\x7f\xff\xff\xff"])
    return bytes(data)


def try_one(base, place, number):
    """Try one input: what kind it was, and what went wrong, if anything did."""
    rng = random.Random(number)
    kind = rng.choice(list(COMMANDS))
    names, *commands = COMMANDS[kind]
    args = list(rng.choice(commands))
    work = place / "inside"
    shutil.rmtree(work, ignore_errors=True)
    shutil.copytree(base, work)
    if names:
        path = work / rng.choice(names)
        path.write_bytes(mutate(rng, path.read_bytes()))
    else:
        at = rng.randrange(1, len(args))
        text = rng.choice(
            ["", "-1", "é" * 200, "a" * 5_000, "../../x", "\x1b[2J", "nan", "1e999", "%"]
        )
        args[at] = rng.choice([text, args[at] + text, rng.randbytes(6).decode("latin-1")[:6]])
        args = [arg.replace("\0", "0") for arg in args]
    if args[0] == "score":
        args += ["--run", "runs/a", "--trust-run"]
    code, told = run_in(work, args)
    outside = sorted(path.name for path in place.iterdir())
    if told or code not in EXIT_CODES:
        return kind, f"{number}: {args}: exit {code} {told[-1500:]}"
    if outside != ["inside", "victim"] or (place / "victim").read_text() != "precious":
        return kind, f"{number}: {args}: changed something outside: {outside}"
    return kind, ""


def try_batch(base, place, numbers, writer):
    """Try some inputs in a process of their own, under limits; tell of each before and after."""
    silence = os.open(os.devnull, os.O_RDWR)
    for handle in (0, 1, 2):
        os.dup2(silence, handle)
    sys.stdout, sys.stderr = open(1, "w"), open(2, "w")  # noqa: SIM115
    used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (used + LIMIT_BYTES,) * 2)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    for number in numbers:
        signal.signal(signal.SIGALRM, signal.SIG_DFL)  # ends the process: a hang
        signal.alarm(LIMIT_S)
        found = try_one(base, place, number)
        signal.alarm(0)
        content = pickle.dumps((number, *found))
        os.write(writer, len(content).to_bytes(4, "little") + content)
    os._exit(0)


def try_many(base, place, count):
    """Try seeded inputs: how many there were of each kind, and all that went wrong."""
    place.mkdir()
    (place / "victim").write_text("precious")
    counts, problems, number = Counter(), [], 0
    while number < count:
        reader, writer = os.pipe()
        child = os.fork()
        if child == 0:
            try_batch(base, place, range(number, min(number + BATCH, count)), writer)
        os.close(writer)
        with os.fdopen(reader, "rb") as file:
            while head := file.read(4):
                number, kind, problem = pickle.loads(file.read(int.from_bytes(head, "little")))
                number += 1
                counts[kind] += 1
                problems += [problem] if problem else []
        _, status = os.waitpid(child, 0)
        if os.WIFSIGNALED(status):
            name = signal.Signals(os.WTERMSIG(status)).name
            problems.append(
                f"{number}: ended by {name}: {'hang' if name == 'SIGALRM' else 'crash'}"
            )
            number += 1
    sys.stdout.write(f"{dict(counts)}, {len(problems)} problems\n")
    return problems


def try_apart(base, place, count):
    """Try inputs from an interpreter that has no threads yet: those are lost where it forks."""
    program = (
        "import json, pathlib, sys; from tests.test_fuzz import try_many; "
        "base, place = map(pathlib.Path, sys.argv[1:3]); "
        "print(json.dumps(try_many(base, place, int(sys.argv[3]))))"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, base, place, str(count)],
        cwd=Path(__file__).parents[1],
        env=os.environ | {"OMP_NUM_THREADS": "1"},
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    counts, problems = done.stdout.splitlines()[-2:]
    sys.stdout.write(f"{counts}\n")
    return json.loads(problems)


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="needs /proc and fork")
def test_strangers_files_and_command_lines_end_in_one_message(base, tmp_path):
    assert try_apart(base, tmp_path / "place", NUM_QUICK) == []


@pytest.mark.fuzz
@pytest.mark.skipif(sys.platform != "linux", reason="needs /proc and fork")
def test_many_strangers_files_and_command_lines_end_in_one_message(base, tmp_path):
    count = int(os.environ.get("CURATE_FUZZ_INPUTS", NUM_MANY))
    assert try_apart(base, tmp_path / "place", count) == []


@given(st.binary() | st.text().map(lambda text: text.encode("utf-8", "surrogatepass")))
@settings(deadline=None)
def test_no_bytes_break_the_readers_of_toml_and_json(content):
    for parse in (parse_toml, parse_json):
        try:
            parse(content)
        except ValueError:
            continue


def test_what_the_fuzzer_looks_for_is_found(base, tmp_path, monkeypatch):
    def fail(*_, **__):
        raise ZeroDivisionError

    monkeypatch.setattr("curate.texts.read_bytes", fail)
    problems = try_many(base, tmp_path / "place", 8)
    assert problems
    assert any("ZeroDivisionError" in problem for problem in problems)
