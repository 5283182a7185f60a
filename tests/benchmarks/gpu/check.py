"""How fast, and how alike, everything is on a GPU: one call that measures it all.

    python -m tests.benchmarks.gpu.check --out FOLDER [--budget SECONDS] [--only steps] [--dry]

Needs nothing but the repository, its dependencies and a CUDA device: a world is drawn on all cores
and enlarged, with noise, to the sizes of Cityscapes and GTA5. Every section is fenced in: one that
fails prints its traceback and the next one goes on; one for which the time is short is skipped.
They come in the order of their importance. The figures go to stdout, beside what was estimated
before anything had run on a GPU, and to results.json in FOLDER; profile.txt and pytest.txt lie
beside it. ``--dry`` runs the same on a CPU with tiny sizes and networks, to see that it runs; its
figures mean nothing.
"""

from __future__ import annotations

import argparse
import json
import os
import time
import traceback
from pathlib import Path
from tempfile import TemporaryDirectory

import torch

from tests.benchmarks.gpu.commands import agreement, audit_and_evaluate, fit_killed, fit_streams
from tests.benchmarks.gpu.drawn import draw
from tests.benchmarks.gpu.parts import gpu_ms, parts
from tests.benchmarks.gpu.rates import score_hierarchical, score_streams
from tests.benchmarks.gpu.steps import profile, steps
from tests.tiny import SEGMENTER, STREAMS_METHOD

ESTIMATES = {
    "step uniform bfloat16: ms": "25 to 45 (11 by bytes alone)",
    "fit streams: seconds a reference step": "0.5 to 0.7: one process reads, the GPU waits",
    "fit streams: GPU busy % while reference segmenters learn": "below 10",
    "fit streams: joint steps/s": "9 to 13",
    "score streams: images/s once readers run": "45 to 70",
    "score hierarchical: images/s once readers run": "90 to 130",
    "score streams: main process, cores busy (about 1 = held by the GIL)": "near 1 to 1.5",
    "read alone: images/s": "250 to 310",
    "image: encoder at 3x fp32, ms": "6 to 12 (5.5 by bytes alone)",
    "image: segmenter fp32, ms": "1 to 2",
    "kill -9 and --resume: |weights - undisturbed| / |undisturbed|": "below 0.05; not 0, as "
    "kernels add in any order",
}
"""For an H100 and 16 cores, made on a CPU before anything ran on a GPU."""


class Check:
    """What the sections share: sizes, folders, the time that is left, and the figures."""

    def __init__(self, out: Path, work: Path, *, budget: float, is_dry: bool) -> None:
        self.out, self.work, self.budget, self.is_dry = out, work, budget, is_dry
        self.device = "cpu" if is_dry else "cuda"
        self.size = (48, 64) if is_dry else (512, 1024)
        self.real_size = (96, 128) if is_dry else (1024, 2048)  # as Cityscapes
        self.synthetic_size = (98, 134) if is_dry else (1052, 1914)  # as GTA5
        self.num_real, self.num_synthetic = (8, 12) if is_dry else (60, 160)
        self.num_steps = 1 if is_dry else 12
        self.cores = len(os.sched_getaffinity(0))
        self.readers = 0 if is_dry else self.cores
        self.fit = {"segmenter": SEGMENTER} if is_dry else {}
        self.streams = STREAMS_METHOD if is_dry else {}
        self.runs: dict[str, Path] = {}
        self.results: dict[str, object] = {}
        self.began = time.monotonic()

    @property
    def left(self) -> float:
        """Seconds of the budget that are left."""
        return self.budget - (time.monotonic() - self.began)

    def put(self, name: str, value: object, note: str = "") -> None:
        """Keep a figure, and print it at once."""
        if isinstance(value, float):
            value = float(f"{value:.4g}")
        self.results[name] = value
        seconds = time.monotonic() - self.began
        print(f"[{seconds:5.0f} s] {name} = {value} {note}".rstrip(), flush=True)

    def run(self, section, need: float) -> None:
        """Run a section if there is time; never let it end the others."""
        name = section.__name__
        if self.left < need and not self.is_dry:
            self.put(f"SKIPPED {name}", f"{self.left:.0f} s left, {need:.0f} needed")
            return
        began = time.monotonic()
        try:
            section(self)
        except Exception:  # noqa: BLE001, what failed is a figure, too
            traceback.print_exc()
            self.put(f"FAILED {name}", traceback.format_exc().strip().splitlines()[-1][:300])
        self.put(f"seconds {name}", time.monotonic() - began)
        text = json.dumps(self.results, indent=1, default=str)
        (self.out / "results.json").write_text(text)

    def settings(self, method: str) -> dict[str, object]:
        """Return the settings of a method."""
        return dict(self.streams) if method == "streams" else {}

    def synchronise(self) -> None:
        """Wait for the GPU."""
        if not self.is_dry:
            torch.cuda.synchronize()

    def reset_peak(self) -> None:
        """Begin to watch the memory of the GPU."""
        if not self.is_dry:
            torch.cuda.reset_peak_memory_stats()

    def peak_gib(self) -> float:
        """Return the most memory since `reset_peak`; 0 on a CPU."""
        return 0.0 if self.is_dry else torch.cuda.max_memory_allocated() / 2**30


def machine(check: Check) -> None:
    """Which device, and how fast it copies and multiplies."""
    check.put("torch", torch.__version__)
    check.put("cores", check.cores)
    if check.is_dry:
        return
    found = torch.cuda.get_device_properties(0)
    memory = found.total_memory / 2**30
    capability = f"{found.major}.{found.minor}, cuDNN {torch.backends.cudnn.version()}"
    check.put("device", f"{found.name}, {memory:.0f} GiB, capability {capability}")
    source = torch.empty(2**31, dtype=torch.uint8, device="cuda")
    target = torch.empty_like(source)
    milliseconds = gpu_ms(check, lambda: target.copy_(source))
    check.put("ceiling: copy, TB/s read and written", 2 * source.numel() / milliseconds / 1e9)
    matrix = torch.randn(8192, 8192, device="cuda", dtype=torch.bfloat16)
    milliseconds = gpu_ms(check, lambda: matrix @ matrix)
    check.put("ceiling: bfloat16 product, TFLOP/s", 2 * 8192**3 / milliseconds / 1e9)


SECTIONS = {
    machine: 5,
    draw: 30,
    steps: 40,
    fit_streams: 100,
    score_streams: 40,
    fit_killed: 60,
    score_hierarchical: 35,
    agreement: 20,
    profile: 20,
    parts: 20,
    audit_and_evaluate: 20,
}
"""In the order of their importance, with the seconds that each may need."""


def main(arguments: list[str] | None = None) -> dict[str, object]:
    """Run the sections, print all figures, and return them."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--budget", type=float, default=390.0, help="seconds")
    parser.add_argument("--only", help="sections by name, with commas; the data is always drawn")
    parser.add_argument("--dry", action="store_true")
    options = parser.parse_args(arguments)
    options.out.mkdir(parents=True, exist_ok=True)
    wanted = set(options.only.split(",")) | {"draw"} if options.only else None
    with TemporaryDirectory() as work:
        check = Check(options.out, Path(work), budget=options.budget, is_dry=options.dry)
        for section, need in SECTIONS.items():
            if wanted is None or section.__name__ in wanted:
                check.run(section, need)
    print("\n=== all figures")
    for name, value in check.results.items():
        estimate = f"   [estimated: {ESTIMATES[name]}]" if name in ESTIMATES else ""
        print(f"{name}: {value}{estimate}")
    return check.results


if __name__ == "__main__":
    main()
