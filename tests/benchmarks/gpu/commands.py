"""The commands on a GPU: fit, killed and resumed, how scores agree, audit and evaluation."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from itertools import pairwise
from pathlib import Path

import torch

from curate.auditing.audit import audit
from curate.auditing.ranking import spearman
from curate.data.augmentation import fit_to_size
from curate.data.dataset import open_dataset
from curate.data.pairs import read_pair
from curate.files.checkpoint import load_state
from curate.models.devices import choose_device
from curate.records import Batch
from curate.scoring.scorer import put_to_use, score_maps
from curate.training.evaluation import evaluate
from curate.training.fit import fit
from curate.training.loaded_run import load_run
from tests.benchmarks.gpu.drawn import make_config
from tests.benchmarks.gpu.recorder import Recorder

ROOT = Path(__file__).parents[3]


def _rounded(measured):
    return {name: round(value, 3) for name, value in measured.items() if value is not None}


def fit_streams(check):
    """`fit` with the default method: seconds of each part, use of the GPU, steps a second."""
    settings = {"reference_steps": 30}
    if check.is_dry:
        settings = {"reference_steps": 2, "epochs": 1, "folds": 2, "corruptions": ["blur", "noise"]}
    config = make_config(
        check,
        "streams",
        settings,
        steps=4 if check.is_dry else 80,
        evaluate_every=40,
        checkpoint_every=40,
        workers=0 if check.is_dry else None,
    )
    recorder = Recorder(watches=not check.is_dry)
    check.reset_peak()
    began = time.monotonic()
    result = fit(config, out=check.work / "run-streams", overwrite=True, reporter=recorder)
    recorder.stop()
    check.runs["streams"] = result.run
    moments = [moment for _, moment in recorder.times["prepare"]]
    folds = settings.get("folds", 3)
    references = moments[folds] - moments[0]
    check.put("fit streams: seconds of reading images first", moments[0] - began)
    check.put(
        "fit streams: seconds of each part (reference segmenters, streams, calibration)",
        [round(after - before, 1) for before, after in pairwise(moments)],
    )
    name = "fit streams: seconds a reference step"
    check.put(name, references / folds / settings["reference_steps"])
    joint = [moment for _, moment in recorder.times["fit"]]
    for part, begin, end in (
        ("while reference segmenters learn", moments[0], moments[folds]),
        ("while streams learn", moments[folds], moments[-1]),
        ("in the joint training", joint[1], joint[-1]),
    ):
        check.put(f"fit streams: GPU busy % {part}", recorder.busy(begin, end))
    check.put("fit streams: joint steps/s", recorder.rate("fit"))
    check.put("fit streams: seconds", result.seconds)
    check.put("fit streams: measured", _rounded(result.measured))
    check.put("fit streams: peak GiB", check.peak_gib())


def fit_killed(check):
    """The command, undisturbed, and killed with SIGKILL and resumed: do the weights agree?"""
    config = make_config(check, "hierarchical")
    toml = check.work / "killed.toml"
    every = 2 if check.is_dry else 10
    toml.write_text(
        f"classes = {json.dumps(list(config.classes))}\n"
        "real = [{ path = 'real' }]\nsynthetic = [{ path = 'synthetic' }]\n"
        f"[fit]\ncheckpoint_every = {every}\nevaluate_every = 20\ndevice = '{check.device}'\n"
        f"segmenter = '{config.fit.segmenter}'\n"
    )
    flags = ["--size", f"{check.size[0]}x{check.size[1]}", "--method", "hierarchical", "--json"]
    flags += ["--steps", "6" if check.is_dry else "60"]

    def start(name, *more):
        command = [sys.executable, "-m", "curate", "fit", "--config", str(toml), *flags]
        return subprocess.Popen(
            [*command, "--out", str(check.work / name), *more],
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            cwd=ROOT,
            text=True,
            start_new_session=True,
        )

    undisturbed, killed = start("run-undisturbed"), start("run-killed")  # beside each other
    checkpoint = check.work / "run-killed/checkpoint.safetensors"
    deadline = time.monotonic() + max(60, check.left - 30)
    while not checkpoint.exists() and time.monotonic() < deadline and killed.poll() is None:
        time.sleep(0.05)
    os.killpg(killed.pid, signal.SIGKILL)
    killed.communicate()
    told = json.loads(undisturbed.communicate(timeout=max(60, check.left))[0])
    check.runs["hierarchical"] = check.work / "run-undisturbed"
    check.put("fit hierarchical (command): images/s", told["images_per_second"])
    check.put("fit hierarchical (command): measured", _rounded(told["measured"]))
    resumed = start("run-killed", "--resume")
    done = json.loads(resumed.communicate(timeout=max(60, check.left))[0])
    check.put("kill -9 and --resume: steps", done["steps"])
    names = ("run-undisturbed", "run-killed")
    first, second = (load_state(check.work / n / "segmenter.safetensors")[0] for n in names)
    floats = [name for name, value in first.items() if value.is_floating_point()]
    change = sum((first[n].double() - second[n].double()).square().sum().item() for n in floats)
    norm = sum(first[n].double().square().sum().item() for n in floats)
    name = "kill -9 and --resume: |weights - undisturbed| / |undisturbed|"
    check.put(name, (change / norm) ** 0.5)


def agreement(check):
    """The same run's scores in float32 and bfloat16, and on the CPU: how far apart?"""
    for method, run in check.runs.items():
        loaded = load_run(run, trust_run=True)
        batch = _read_batch(check, loaded, 4 if check.is_dry else 16)
        maps = {}
        for precision in ("float32", "bfloat16"):
            device = choose_device(check.device, precision)
            networks = put_to_use(loaded.networks, device, loaded.config.fit.size)
            maps[precision] = score_maps(networks, device, batch)[:, 0]
        few = Batch(batch.images[:2], batch.label_map[:2], batch.is_real[:2], batch.keys[:2])
        cpu = choose_device("cpu", "float32")
        networks = put_to_use(loaded.networks, cpu, loaded.config.fit.size)
        on_cpu = score_maps(networks, cpu, few)[:, 0]
        images = [values.mean((1, 2)).numpy() for values in maps.values()]
        check.put(f"agreement {method}: Spearman of image scores", float(spearman(*images)))
        for name, difference in (
            ("bf16 - fp32", maps["float32"] - maps["bfloat16"]),
            ("GPU fp32 - CPU fp32", maps["float32"][:2] - on_cpu),
        ):
            gap = difference.abs()
            found = [round(gap.mean().item(), 6), round(gap.max().item(), 5)]
            check.put(f"agreement {method}: {name} of combined scores, mean / max", found)


def _read_batch(check, loaded, count):
    """Read the first synthetic images."""
    folder = check.work / "synthetic"
    source = open_dataset(folder, layout="auto", id_map=None, classes=loaded.classes, key="new")
    pairs = source.pairs[:count]
    read = [fit_to_size(*read_pair(source, pair), check.size) for pair in pairs]
    images, label_map = (torch.stack(part) for part in zip(*read, strict=True))
    keys = tuple(source.key_of(pair) for pair in pairs)
    return Batch(images, label_map, torch.zeros(len(pairs), dtype=torch.bool), keys)


def audit_and_evaluate(check):
    """That these run at all, and how fast."""
    method, run = next(iter(check.runs.items()))
    began = time.monotonic()
    result = audit(
        config=make_config(check, method),
        run=run,
        real=[check.work / "real"],
        images=2 if check.is_dry else 6,
        corruptions=("blur", "wrong_label"),
        device=check.device,
    )
    seconds = time.monotonic() - began
    check.put(f"audit of {result.images} images, 2 corruptions: seconds", seconds)
    began = time.monotonic()
    found = evaluate(run, check.work / "real", device=check.device, trust_run=True)
    rate = found.images / (time.monotonic() - began)
    check.put("evaluate: images/s", rate, f"mIoU {found.miou():.3f}")
