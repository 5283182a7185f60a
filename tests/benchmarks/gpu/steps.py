"""A step of the joint training: its time, memory, waits for the GPU, and a profile."""

from __future__ import annotations

import time
import warnings
from collections import Counter
from pathlib import Path
from statistics import median

import torch
import torch.nn.functional as F

from curate.config import Config
from curate.methods import Split
from curate.models.devices import choose_device
from curate.records import Batch
from curate.training.networks import build_networks
from curate.training.trainer import Trainer

BATCH, NUM_CLASSES = 8, 8
WARM_STEPS = 4


def make_trainer(method, size, device, settings=None, **fit):
    """Make a trainer after its warm-up; the streams, untrained, are all active."""
    config = Config(method=settings or {}).with_fit(
        method=method, size=size, batch_size=BATCH, warmup=0.0, steps=10_000, **fit
    )
    networks = build_networks(
        config,
        num_classes=NUM_CLASSES,
        real_class_px=[10**6] * NUM_CLASSES,
        splits={"r0:0": Split(held_out=False, fold=0)},
        is_restored=True,
    )
    trainer = Trainer(
        networks.segmenter,
        networks.method,
        stages=networks.stages,
        settings=config.fit,
        device=device,
    )
    if method == "streams":
        trainer.method.fusion.is_active.fill_(value=True)
    torch.manual_seed(0)
    return trainer


def trainer_of(check, method, precision):
    """Make a trainer with the networks and on the device of a check."""
    device = choose_device(check.device, precision)
    return make_trainer(method, check.size, device, check.settings(method), **check.fit)


def make_batches(count, size):
    """Make batches of noise and coarse labels, half real and half synthetic."""
    generator = torch.Generator().manual_seed(0)
    half, (height, width) = BATCH // 2, size

    def draw(number):
        shape = (number, 3, height, width)
        images = torch.randint(0, 256, shape, generator=generator, dtype=torch.uint8)
        coarse = (number, 1, height // 16, width // 16)
        labels = torch.randint(0, NUM_CLASSES, coarse, generator=generator).float()
        labels = F.interpolate(labels, scale_factor=16.0)[:, 0].byte()
        if torch.cuda.is_available():
            return images.pin_memory(), labels.pin_memory()
        return images, labels

    batches = []
    for number in range(count):
        keys = [f"{domain}0:{number}-{row}" for domain in "rs" for row in range(half)]
        is_real = torch.arange(BATCH) < half
        batches.append(Batch(*draw(BATCH), is_real, tuple(keys)))
    return batches


def time_steps(check, trainer, batches):
    """Median milliseconds of a step by the clock, and the peak memory in GiB."""
    check.reset_peak()
    found = []
    for number in range(check.num_steps + WARM_STEPS):
        batch = batches[number % len(batches)]
        began = time.perf_counter()
        trainer.step(number, batch)
        check.synchronise()
        found.append((time.perf_counter() - began) * 1e3)
    return median(found[WARM_STEPS:]), check.peak_gib()


def steps(check):
    """Step times, their ratios, peak memory, waits for the GPU, and what could be switched on."""
    times = {}
    for method, precision in (
        ("uniform", "float32"),
        ("uniform", "bfloat16"),
        ("hierarchical", "bfloat16"),
        ("streams", "bfloat16"),
    ):
        trainer = trainer_of(check, method, precision)
        batches = make_batches(3, check.size)
        name = f"step {method} {precision}"
        times[name], peak = time_steps(check, trainer, batches)
        check.put(f"{name}: ms", times[name])
        check.put(f"{name}: peak GiB", peak)
        if check.is_dry:
            continue
        if precision == "bfloat16":
            waits = count_waits(trainer, batches[0])
            check.put(f"{name}: waits for the GPU a step", waits)
        if (method, precision) == ("uniform", "bfloat16"):
            _try_switches(check, trainer, batches)
        del trainer
        torch.cuda.empty_cache()
    for name, milliseconds in times.items():
        ratio = milliseconds / times["step uniform bfloat16"]
        check.put(f"ratio: {name} / uniform bfloat16", ratio)


def _try_switches(check, trainer, batches):
    """Time the step with cuDNN's own search, and with the other memory layout."""
    torch.backends.cudnn.benchmark = True
    searched, _ = time_steps(check, trainer, batches)
    check.put("  with cudnn.benchmark: ms", searched)
    torch.backends.cudnn.benchmark = False
    trainer.segmenter.memory_format = torch.contiguous_format
    trainer.segmenter.network.to(memory_format=torch.contiguous_format)
    contiguous, _ = time_steps(check, trainer, batches)
    check.put("  with NCHW instead of channels last: ms", contiguous)


def count_waits(trainer, batch):
    """Operations in one step that make the host wait for the GPU, by torch's own debug mode."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        torch.cuda.set_sync_debug_mode("warn")
        trainer.step(100, batch)
        torch.cuda.set_sync_debug_mode("default")
    lines = Counter(
        f"{Path(w.filename).name}:{w.lineno}" for w in caught if "synchroniz" in str(w.message)
    )
    told = ", ".join(f"{line} x{number}" for line, number in lines.most_common(12))
    return f"{sum(lines.values())} ({told})"


def profile(check):
    """torch.profiler over one step each; the tables go to profile.txt, their heads to stdout."""
    activities = [torch.profiler.ProfilerActivity.CPU]
    activities += [] if check.is_dry else [torch.profiler.ProfilerActivity.CUDA]
    key = "self_cpu_time_total" if check.is_dry else "self_device_time_total"
    with (check.out / "profile.txt").open("w") as file:
        for method in ("uniform", "hierarchical", "streams"):
            trainer = trainer_of(check, method, "bfloat16")
            batches = make_batches(2, check.size)
            for number in range(WARM_STEPS):
                trainer.step(number, batches[0])
            with torch.profiler.profile(activities=activities) as found:
                began = time.perf_counter()
                trainer.step(WARM_STEPS, batches[1])
                wall = (time.perf_counter() - began) * 1e3
            averages = found.key_averages()
            events = [e for e in averages if check.is_dry or str(e.device_type).endswith("CUDA")]
            busy = sum(getattr(event, key) for event in events) / 1e3
            check.put(f"profile {method}: GPU busy, ms of a step", busy, f"of {wall:.1f} ms")
            check.put(f"profile {method}: kernels a step", sum(event.count for event in events))
            table = averages.table(sort_by=key, row_limit=30, max_name_column_width=70)
            file.write(f"=== {method}\n{table}\n")
            for event in sorted(events, key=lambda event: -getattr(event, key))[:8]:
                milliseconds = getattr(event, key) / 1e3
                print(f"      {milliseconds:8.2f} ms  x{event.count:4d}  {event.key[:90]}")
