"""Projects of small street scenes, sound as they are drawn, for tests to put defects into."""

from pathlib import Path

import numpy as np
from PIL import Image

CLASSES = ("sky", "road", "building", "car")
COLOURS = np.array([[120, 170, 220], [90, 90, 90], [150, 90, 60], [200, 30, 40]], float)
SIZE = (48, 64)


def scene(seed):
    """Sky above a road, a building and a car on it: (48, 64, 3) and (48, 64) uint8."""
    rng = np.random.default_rng(seed)
    width = SIZE[1]
    label = np.zeros(SIZE, np.uint8)
    horizon = int(rng.integers(16, 30))
    label[horizon:] = 1
    left, wide = int(rng.integers(0, 40)), int(rng.integers(10, 24))
    label[max(0, horizon - int(rng.integers(6, 16))) : horizon, left : left + wide] = 2
    left = int(rng.integers(0, width - 16))
    label[horizon + 4 : horizon + 12, left : left + 14] = 3
    light = rng.uniform(0.6, 1.1, 3)
    image = COLOURS[label] * light + rng.normal(0, 12, (*SIZE, 3))
    image += np.linspace(0, rng.uniform(-40, 40), width)[None, :, None]
    return image.clip(0, 255).astype(np.uint8), label


def save(array, path, **how):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(array).save(path, **how)


def write_set(root: Path, count: int, seed: int) -> Path:
    for number in range(count):
        image, label = scene(seed + number)
        save(image, root / "images" / f"{number:03d}.png")
        save(label, root / "labels" / f"{number:03d}.png")
    return root


def write_toml(folder: Path, *, classes=CLASSES, more="", real="", synthetic="", test=False):
    """Write a curate.toml for the sets real/, synth/ and, if asked for, test/."""
    names = ", ".join(f'"{name}"' for name in classes)
    text = f'classes = [{names}]\n[[real]]\npath = "real"\n{real}\n'
    text += f'[[synthetic]]\npath = "synth"\n{synthetic}\n'
    text += '[[test]]\npath = "test"\n' if test else ""
    text += f'[fit]\nmethod = "uniform"\nsize = [48, 64]\n{more}\n'
    (folder / "curate.toml").write_text(text)
    return folder / "curate.toml"


def write_project(folder: Path) -> Path:
    """Write a project without any defect: 10 real, 30 synthetic and 6 test images."""
    write_set(folder / "real", 10, seed=0)
    write_set(folder / "synth", 30, seed=100)
    write_set(folder / "test", 6, seed=200)
    return write_toml(folder, test=True)


def edit_label(path: Path, change) -> None:
    """Replace a label by what `change` makes of its array."""
    with Image.open(path) as opened:
        array = np.array(opened)
    save(change(array), path)


def edit_all(root: Path, change) -> None:
    for path in sorted((root / "labels").glob("*.png")):
        edit_label(path, change)


def save_palette(label, path, colours):
    """Save a label as a palette PNG."""
    picture = Image.fromarray(label, mode=None).convert("L")
    picture = Image.frombytes("P", picture.size, label.tobytes())
    picture.putpalette(np.asarray(colours, np.uint8).ravel().tolist())
    picture.save(path)


def codes_of(result):
    """Pairs of code and file, for all that was found."""
    return {(problem.code, problem.file) for problem in result.problems}
