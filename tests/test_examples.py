"""Every recipe in examples/ runs where its package is, and learns something."""

import ast
import importlib.util
import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from curate.scoring.score import score
from curate.selection.export import export_subset

EXAMPLES = Path(__file__).parent.parent / "examples"
RECIPES = sorted(path.name for path in EXAMPLES.glob("*.py"))
NEEDS = {
    "with_albumentations.py": "albumentations",
    "with_kornia.py": "kornia",
    "with_lightning.py": "lightning",
    "with_mmseg.py": "mmseg",
    "with_smp.py": "segmentation_models_pytorch",
    "with_transformers.py": "accelerate",
    "with_ultralytics.py": "ultralytics",
    "query_duckdb.py": "duckdb",
    "query_polars.py": "polars",
}
SUBSETS = {
    "train_on_subset.py": {"format": "folder", "by": "pixel"},
    "with_lightning.py": {"format": "folder", "weight_maps": True},
    "with_mmseg.py": {"format": "mmseg"},
    "with_smp.py": {"format": "folder", "by": "region"},
    "with_ultralytics.py": {"format": "ultralytics"},
}
WITHOUT_CURATE = ("train_on_subset.py", "weigh_pixels.py", "query_duckdb.py", "query_polars.py")
STEPS = {"with_smp.py": 4, "with_mmseg.py": 3, "with_ultralytics.py": 2, "with_transformers.py": 8}
STAND_IN = """
import runpy, sys, types
extension = types.ModuleType("mmcv._ext")  # mmcv-lite has no compiled operators
extension.__getattr__ = lambda name: name
extension.__spec__ = __import__("importlib.machinery").machinery.ModuleSpec("mmcv._ext", None)
if sys.argv[1].endswith("with_mmseg.py") and not __import__("importlib.util").util.find_spec(
    "mmcv._ext"
):
    sys.modules["mmcv._ext"] = extension
sys.argv = sys.argv[1:]
runpy.run_path(sys.argv[0], run_name="__main__")
"""


def run(name, *args, cwd):
    done = subprocess.run(
        [sys.executable, "-c", STAND_IN, str(EXAMPLES / name), *map(str, args)],
        capture_output=True,
        text=True,
        check=False,
        cwd=cwd,
        env=os.environ | {"YOLO_OFFLINE": "true", "NO_ALBUMENTATIONS_UPDATE": "1"},
    )
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-4000:]
    return done.stdout + done.stderr


@pytest.fixture(scope="module")
def scored(finished_run, tmp_path_factory):
    """Scores of images whose labels hold Cityscapes' ids, as strangers' data sets do."""
    config, _ = finished_run
    folder = tmp_path_factory.mktemp("examples")
    root, raw = folder / "synthetic", np.array([7, 23, 26], np.uint8)
    for path in sorted((config.root / "synthetic").rglob("*.png")):
        target = root / path.relative_to(config.root / "synthetic")
        target.parent.mkdir(parents=True, exist_ok=True)
        with Image.open(path) as image:
            pixels = np.asarray(image)
        Image.fromarray(raw[pixels] if target.parent.name == "labels" else pixels).save(target)
    ids = folder / "ids.toml"
    names = config.classes if isinstance(config.classes, tuple | list) else ()
    ids.write_text("[ids]\n" + "".join(f'{r} = "{n}"\n' for r, n in zip(raw, names, strict=True)))
    from curate.dataset_config import ReadingConfig

    out = folder / "weights.h5"
    score(root, out, config=config, reading=ReadingConfig(id_map=str(ids)))
    return out


@pytest.mark.slow
@pytest.mark.parametrize("name", RECIPES)
def test_recipe_runs(scored, tmp_path, name):
    package = NEEDS.get(name, "torch")
    if importlib.util.find_spec(package) is None:
        pytest.skip(f"{package} is not installed")
    if name.startswith("query"):
        tables = [scored.with_suffix(f".{table}.parquet") for table in ("images", "regions")]
        assert "ground" in run(name, *tables, cwd=tmp_path)
        return
    source = scored
    if name in SUBSETS:
        source = tmp_path / "subset"
        export_subset(scored, out=source, top="90%", **SUBSETS[name])
    text = run(name, source, STEPS.get(name, 20), cwd=tmp_path)
    losses = [float(found) for found in re.findall(r"loss:? (\d+\.\d+|nan)", text)]
    assert np.isfinite(losses).all()
    if name in STEPS:
        assert len(losses) >= STEPS[name]
    else:
        assert np.mean(losses[-3:]) < 0.9 * np.mean(losses[:3])


def test_recipes_are_short():
    for name in RECIPES:
        text = (EXAMPLES / name).read_text(encoding="utf-8")
        lines = text.split('"""')[2].splitlines()
        assert len([line for line in lines if line.strip()]) <= 40, name


def test_recipes_for_strangers_import_nothing_of_ours():
    for name in WITHOUT_CURATE:
        names = set()
        for node in ast.walk(ast.parse((EXAMPLES / name).read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                names |= {alias.name.partition(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and node.module:
                names.add(node.module.partition(".")[0])
        assert "curate" not in names, name
