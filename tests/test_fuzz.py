"""Whatever a stranger's file or command line holds: one message, at once, and nothing outside."""

from __future__ import annotations

import contextlib
import importlib
import json
import os
import pickle
import random
import resource
import shutil
import signal
import stat
import subprocess
import sys
import traceback
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from typer.main import get_command

from curate.checking.memory import Memory
from curate.cli.app import app
from curate.config import load_config
from curate.texts import parse_json, parse_toml
from curate.training.fit import fit
from tests.data import making
from tests.data.layouts.drawing import draw
from tests.data.shards.making import IMAGE, LABEL, write_mds, write_parquet, write_tar
from tests.tiny import SEGMENTER, RecordingReporter, tiny_config, write_dataset

NUM_QUICK, NUM_MANY = 500, 50_000
BATCH = 100
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
checkpoint_every = 2
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

LEAVE = '[[leave_out]]\nfile = "images/000.png"\ncode = "blank_image"\n'
UNFINISHED = ["run.json", "config.json", "provenance.json", "splits.parquet", "metrics.parquet"]
OTHER = ["0.tif", "1.bmp", "2.webp", "3.png", "4.jpg"]
LEGENDS = {
    "labelmap.txt": "# label:color_rgb:parts:actions\nground:3,3,3::\nthing:128,64,128::\n",
    "dataset_meta.json": '{"label_map": {"3": "ground"}, "segmentation_colors": [[1, 2, 3]]}',
    "dataset.json": '{"labels": {"ground": 3, "thing": [1, 2]}}',
    "annotation_definitions.json": '{"annotationDefinitions": [{"spec": [{"label_name": "ground",'
    ' "pixel_value": [3, 3, 3, 255]}]}]}',
}

COMMANDS = {
    "toml": (["curate.toml"], ["check"], ["score", "synthetic", "--out", "o.h5"]),
    "id map": (["ids.toml"], ["check", "real", "--id-map", "ids.toml"]),
    "image": (["synthetic/images/000.png", "synthetic/images/001.jpg"], ["check", "synthetic"],
              ["score", "synthetic", "--out", "o.h5"]),
    "label": (["synthetic/labels/000.png"], ["score", "synthetic", "--out", "o.h5"]),
    "scores": (["w.h5"], ["merge", "w.h5", "--out", "o.h5"],
               ["export-subset", "--scores", "w.h5", "--by", "pixel", "--top", "30%"],
               ["score", "synthetic", "--out", "w.h5", "--resume"],
               ["show", "w.h5", "images/000", "--out", "o.png"], ["report", "w.h5"]),
    "tables": (["w.images.parquet", "w.regions.parquet"],
               ["merge", "w.parquet", "--out", "o.parquet"],
               ["export-subset", "--scores", "w.parquet", "--top", "30%"]),
    "run": ([f"runs/a/{n}.json" for n in ("run", "config", "provenance")],
            ["score", "synthetic", "--out", "o.h5"]),
    "weights": (["runs/a/segmenter.safetensors", "runs/a/method.safetensors"],
                ["score", "synthetic", "--out", "o.h5"]),
    "checkpoint": (["runs/b/checkpoint.safetensors"],
                   ["fit", "--out", "runs/b", "--steps", "4", "--resume"]),
    "unfinished run": ([f"runs/b/{n}" for n in UNFINISHED],
                       ["fit", "--out", "runs/b", "--steps", "4", "--resume"]),
    "splits": (["runs/a/splits.parquet"], ["audit", "--images", "1", "--corruptions", "blur"]),
    "state": ([".curate.json"], ["export-subset", "--top", "30%"]),
    "seen before": (["seen.jsonl"], ["check", "synthetic"]),
    "fix list": (["leave.toml"],
                 ["score", "synthetic", "--fix-list", "leave.toml", "--out", "o.h5"]),
    "other images": ([f"other/images/{n}" for n in OTHER], ["check", "other"]),
    "wide labels": (["synthia/GT/LABELS/0000007.png"], ["check", "synthia"]),
    "container": (["blenderproc/scene_1/0.hdf5"], ["check", "blenderproc"]),
    "shards": (["tars/0.tar"], ["check", "tars"]),
    "parquet shards": (["tables/0.parquet"], ["check", "tables"]),
    "mds shards": (["mds/shard.00000.mds", "mds/index.json"], ["check", "mds"]),
    "legends": ([f"legends/{n}" for n in LEGENDS], ["check", "legends"],
                ["init", "new", "--real", "legends", "--synthetic", "synthetic"]),
    "options": ([], ["score", "synthetic", "--out", "o.h5", "--stride", "4", "--levels", "image"],
                ["export-subset", "--scores", "w.h5", "--top", "30%", "--by", "region"],
                ["merge", "w.h5", "--out", "o.parquet", "--overwrite"],
                ["check", "synthetic", "--layout", "auto"]),
}  # fmt: skip
COMMAND_LINE = get_command(app)
FIRST = {}
RUN_OPTIONS = dict.fromkeys(("score", "audit"), ("--run", "runs/a", "--trust-run"))


@pytest.fixture(scope="module")
def base(tmp_path_factory):
    """A project with everything in it that a command reads, made where it will be tried."""
    root = tmp_path_factory.mktemp("fuzz") / "place" / "inside"
    write_dataset(root / "synthetic", 4, is_flat=True, seed=2)
    config = tiny_config(root, steps=1)
    fit(config, out=root / "runs" / "a")
    (root / "curate.toml").write_text(TOML)
    (root / "ids.toml").write_text(IDS)
    with Image.open(root / "synthetic/images/001.png") as image:
        image.save(root / "synthetic/images/001.jpg")
    (root / "synthetic/images/001.png").unlink()
    assert run_in(root, ["score", "synthetic", "--out", "w.h5"])[0] == 0
    make_other_sets(root)
    config = load_config(root / "curate.toml").with_fit(steps=4)
    with pytest.raises(KeyboardInterrupt):
        fit(config, out=root / "runs" / "b", reporter=Interrupting())
    Memory(root, root / "synthetic").path.replace(root / "seen.jsonl")
    return root.rename(root.parent.parent / "base")


class Interrupting(RecordingReporter):
    """Press Ctrl-C once there is a checkpoint."""

    def advance(self, done, values=None):
        super().advance(done, values)
        if done == 3 and self.tasks[-1][0] == "fit":
            os.kill(os.getpid(), signal.SIGINT)


def make_other_sets(root):
    """Make what is read otherwise than the project's own sets, and say which files there are."""
    (root / "leave.toml").write_text(LEAVE)
    for name in OTHER:
        making.save(root / "other/images" / name, making.full((1, 2, 3)))
        making.save(root / "other/labels" / f"{name[0]}.png", making.full(1))
    making.save(root / "other/images/3.png", making.full(700, dtype="u2"))
    for name in ("synthia", "blenderproc"):
        draw(root / name, name)
    write_tar(root / "tars/0.tar", {"a.png": IMAGE, "a.seg.png": LABEL, "b.png": IMAGE})
    write_parquet(root / "tables/0.parquet", [(IMAGE, LABEL), (IMAGE, LABEL)])
    write_mds(root / "mds", [(IMAGE, LABEL), (IMAGE, LABEL)])
    making.save_folder(root / "legends", {"0": 3, "1": 3})
    for name, text in LEGENDS.items():
        (root / "legends" / name).write_text(text)


def run_in(folder, args):
    """Run the command line in a folder: exit code, or the traceback of what it raised."""
    before = Path.cwd()
    os.chdir(folder)
    try:
        COMMAND_LINE(args, standalone_mode=True)
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


def stamps_of(folder):
    """Tell of every file and folder below one what and which it is, and of files since when."""
    found, start = {}, len(str(folder)) + 1
    for top, folders, names in os.walk(folder):
        for name in folders + names:
            about = os.lstat(f"{top}/{name}")
            since = 0 if stat.S_ISDIR(about.st_mode) else about.st_ctime_ns
            found[f"{top}/{name}"[start:]] = about.st_mode, about.st_ino, since
    return found


def restore(base, work, first):
    """Make a folder what it was at first, which `first` keeps: most files need not be copied."""
    now = stamps_of(work)
    changed = {name for name in first if now.get(name) != first[name]}
    if not first or any(stat.S_ISDIR(first[name][0]) for name in changed):
        shutil.rmtree(work, ignore_errors=True)
        shutil.copytree(base, work)
        first.update(stamps_of(work))
        return
    for name in sorted(now.keys() - first.keys() | (now.keys() & changed), reverse=True):
        path = work / name
        path.rmdir() if stat.S_ISDIR(now[name][0]) else path.unlink()
    for name in changed:
        shutil.copy2(base / name, work / name)
    first.update(stamps_of(work) if changed else {})


def try_one(base, place, number):
    """Try one input: what kind it was, and what went wrong, if anything did."""
    rng = random.Random(number)
    kind = rng.choice(list(COMMANDS))
    names, *commands = COMMANDS[kind]
    args = list(rng.choice(commands))
    work = place / "inside"
    restore(base, work, FIRST)
    if names:
        path = work / rng.choice(names)
        content = mutate(rng, path.read_bytes())
        if kind == "seen before":
            path = Memory(work, work / "synthetic").path
        path.write_bytes(content)
    else:
        at = rng.randrange(1, len(args))
        text = rng.choice(
            ["", "-1", "é" * 200, "a" * 5_000, "../../x", "\x1b[2J", "nan", "1e999", "%"]
        )
        args[at] = rng.choice([text, args[at] + text, rng.randbytes(6).decode("latin-1")[:6]])
        args = [arg.replace("\0", "0") for arg in args]
    args += RUN_OPTIONS.get(args[0], ())
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


def try_many(base, place, count, log=None):
    """Try seeded inputs: how many there were of each kind, and all that went wrong.

    `log` is a file that keeps both, batch by batch: another call goes on from there.
    """
    shutil.rmtree(place, ignore_errors=True)
    place.mkdir()
    (place / "victim").write_text("precious")
    counts, problems, number = Counter(), [], 0
    if log and Path(log).exists():
        number, counts, problems = json.loads(Path(log).read_text().splitlines()[-1])
        counts = Counter(counts)
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
        if log:
            with Path(log).open("a") as file:
                file.write(json.dumps([number, counts, problems]) + "\n")
    sys.stdout.write(f"{dict(counts)}, {len(problems)} problems\n")
    return problems


def load_all(base, place):
    """Load what the commands load when they need it: once here, and not in every process."""
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        os.dup2(os.open(os.devnull, os.O_RDWR), 2)
        sys.stdout = sys.stderr = open(2, "w")  # noqa: SIM115
        for _, *commands in COMMANDS.values():
            for args in commands:
                shutil.copytree(base, place, dirs_exist_ok=True)
                run_in(place, [*args, *RUN_OPTIONS.get(args[0], ())])
                shutil.rmtree(place)
        with os.fdopen(writer, "w") as file:
            file.write("\n".join(sys.modules))
        os._exit(0)
    os.close(writer)
    with os.fdopen(reader) as file:
        names = file.read().split()
    os.waitpid(child, 0)
    for name in names:
        with contextlib.suppress(ImportError):
            importlib.import_module(name)


def try_apart(base, place, count):
    """Try inputs from an interpreter that has no threads yet: those are lost where it forks."""
    program = (
        "import json, os, pathlib, sys; from tests.test_fuzz import load_all, try_many; "
        "base, place = map(pathlib.Path, sys.argv[1:3]); load_all(base, place); "
        "log = os.environ.get('CURATE_FUZZ_LOG'); "
        "print(json.dumps(try_many(base, place, int(sys.argv[3]), log)))"
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
def test_strangers_files_and_command_lines_end_in_one_message(base):
    assert try_apart(base, base.parent / "place", NUM_QUICK) == []


@pytest.mark.fuzz
@pytest.mark.skipif(sys.platform != "linux", reason="needs /proc and fork")
def test_many_strangers_files_and_command_lines_end_in_one_message(base):
    count = int(os.environ.get("CURATE_FUZZ_INPUTS", NUM_MANY))
    assert try_apart(base, base.parent / "place", count) == []


@given(st.binary() | st.text().map(lambda text: text.encode("utf-8", "surrogatepass")))
@settings(deadline=None)
def test_no_bytes_break_the_readers_of_toml_and_json(content):
    for parse in (parse_toml, parse_json):
        try:
            parse(content)
        except ValueError:
            continue


def test_what_the_fuzzer_looks_for_is_found(base, monkeypatch):
    def fail(*_, **__):
        raise ZeroDivisionError

    monkeypatch.setattr("curate.texts.read_bytes", fail)
    problems = try_many(base, base.parent / "place", 8)
    assert problems
    assert any("ZeroDivisionError" in problem for problem in problems)
