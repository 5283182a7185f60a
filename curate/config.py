"""curate.toml: what can be set, the defaults, and errors that name the line to mend."""

import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal, Self, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from curate.errors import ConfigError, did_you_mean

CONFIG_NAME = "curate.toml"

ModelT = TypeVar("ModelT", bound=BaseModel)


class Strict(BaseModel):
    """A table of settings in which unknown keys are errors."""

    model_config = ConfigDict(extra="forbid", frozen=True)


def refuse_repeats(value: tuple[str, ...]) -> tuple[str, ...]:
    """Check, as a validator of a field, that a list names something, and each thing once."""
    if not value or len(set(value)) < len(value):
        msg = f"{list(value)} must name at least one, each once"
        raise ValueError(msg)
    return value


class DatasetConfig(Strict):
    """One ``[[real]]`` or ``[[synthetic]]`` table.

    Attributes
    ----------
    path : Path
        Folder; absolute once the file has been read.
    layout : str
        Name of a layout, or ``auto``.
    labels : str or None
        Built-in id map or path of a TOML file; None = the one that belongs to the layout.
    """

    path: Path
    layout: str = "auto"
    labels: str | None = None


class AugmentConfig(Strict):
    """``[augment]``: seeded random changes of training images, the same for both domains.

    Attributes
    ----------
    scale : (float, float)
        Range of the random zoom before a crop of the training size.
    flip : float
        Probability of a horizontal flip.
    colour : float
        Strength of brightness, contrast and saturation changes; 0 = off.
    """

    scale: tuple[float, float] = (0.75, 1.5)
    flip: float = Field(0.5, ge=0, le=1)
    colour: float = Field(0.2, ge=0, le=1)

    @field_validator("scale")
    @classmethod
    def _is_a_range(cls, value: tuple[float, float]) -> tuple[float, float]:
        if not 0.1 <= value[0] <= value[1] <= 10:
            msg = f"scale = {list(value)} is no range within 0.1 .. 10"
            raise ValueError(msg)
        return value


class FitConfig(Strict):
    """``[fit]``: the joint training.

    Attributes
    ----------
    method, segmenter : str
        Registered names; `segmenter` may also be ``package.module:factory``.
    backbone_weights : str
        ``auto`` (the segmenter's own default), ``none``, or the path of a weights file.
    size : (int, int)
        Height and width that images are resized to, in pixels.
    steps : int
        Steps of training.
    batch_size : int
        Images a step: half real and half synthetic, or all real where there is no synthetic set.
        Processes that train together share them.
    learning_rate : float
        Peak of the segmenter's one-cycle schedule; the backbone learns at a third of it.
    weight_decay : float
        Of the segmenter's optimiser.
    synthetic_weight : float
        lambda, the weight of the synthetic half of the segmenter's loss.
    warmup : float
        Share of the steps that are trained with all weights 1.
    held_out : float
        Share of the images that the weighting networks never train on; they decide when to stop.
    evaluate_every, checkpoint_every : int
        Steps between two evaluations on the held-out images, between two checkpoints.
    seed : int
        Start of all random numbers.
    device : str
        Where to compute; ``auto`` takes a GPU if there is one.
    precision : str
        Numbers that training computes with; ``auto`` is bfloat16 on a GPU, float32 on a CPU.
    workers : int or None
        Processes that read images for one that trains; None = 0 on a CPU, 8 for a GPU.
    tensorboard : bool
        Whether to write curves for TensorBoard, too.
    """

    method: str = "streams"
    segmenter: str = "efficientnet_lite0_fpn"
    backbone_weights: str = "auto"
    size: tuple[int, int] = (180, 240)
    steps: int = Field(2000, ge=1)
    batch_size: int = Field(8, ge=2)
    learning_rate: float = Field(3e-3, gt=0)
    weight_decay: float = Field(1e-2, ge=0)
    synthetic_weight: float = Field(1.0, ge=0)
    warmup: float = Field(0.15, ge=0, le=1)
    held_out: float = Field(0.25, gt=0, le=0.5)
    evaluate_every: int = Field(100, ge=1)
    checkpoint_every: int = Field(100, ge=1)
    seed: int = Field(0, ge=0)
    device: Literal["auto", "cpu", "cuda"] = "auto"
    precision: Literal["auto", "float32", "bfloat16"] = "auto"
    workers: int | None = Field(None, ge=0)
    tensorboard: bool = False

    @field_validator("size")
    @classmethod
    def _is_large_enough(cls, value: tuple[int, int]) -> tuple[int, int]:
        if min(value) < 32:
            msg = f"size = {list(value)} is too small: both sides need at least 32 pixels"
            raise ValueError(msg)
        return value

    @field_validator("batch_size")
    @classmethod
    def _is_even(cls, value: int) -> int:
        if value % 2:
            msg = f"batch_size = {value} is odd: half of a batch is real, half synthetic"
            raise ValueError(msg)
        return value


class ScoreConfig(Strict):
    """``[score]``: how data sets are scored.

    Attributes
    ----------
    stride : int
        Pixels of the original image per cell of the stored maps.
    regions : str
        ``label_tiles`` (what one class shows of one square), ``components`` (of the label map),
        ``grid`` (squares) or ``slic`` (superpixels; slow).
    region_px : int
        Side of a square in pixels of the original image; ``slic`` aims at it.
    batch_size : int
        Images that are computed at a time.
    compression : str
        Of pixel maps: ``deflate`` is readable everywhere, ``zstd`` needs hdf5plugin and is faster.
    stream_maps : bool
        Whether to keep a map of each stream beside that of the combined score. Needs a method
        with streams and the pixel level.
    """

    stride: int = Field(4, ge=1, le=64)
    regions: Literal["label_tiles", "components", "grid", "slic"] = "label_tiles"
    region_px: int = Field(48, ge=4)
    batch_size: int = Field(8, ge=1)
    compression: Literal["deflate", "zstd"] = "deflate"
    stream_maps: bool = False


class Config(Strict):
    """The whole of curate.toml.

    Attributes
    ----------
    root : Path
        Folder of curate.toml, or the working directory: relative paths, ``runs/`` and the
        record of the newest run and score file live here. Not a key of the file.
    classes : str, list of str or None
        A built-in class set or a list of names; None = the class set of the first real layout.
    method : dict
        ``[method]``: settings of the method that ``[fit]`` names; checked by that method.
    """

    root: Path = Field(default_factory=Path.cwd, exclude=True)
    classes: str | tuple[str, ...] | None = None
    real: tuple[DatasetConfig, ...] = ()
    synthetic: tuple[DatasetConfig, ...] = ()
    fit: FitConfig = FitConfig()
    method: dict[str, Any] = Field(default_factory=dict)
    augment: AugmentConfig = AugmentConfig()
    score: ScoreConfig = ScoreConfig()

    def with_fit(self, **settings: object) -> Self:
        """Return a copy in which the given ``[fit]`` settings that are not None are replaced."""
        given = {key: value for key, value in settings.items() if value is not None}
        merged = self.fit.model_dump() | given
        return self.model_copy(update={"fit": parse(FitConfig, merged, where="[fit]")})


def load_config(path: Path | str | None = None) -> Config:
    """Read `path`, or ``curate.toml`` of the working directory, or return the defaults.

    Raises
    ------
    ConfigError
        If `path` was given but cannot be read, or the file is not what it should be.
    """
    if path is None and not Path(CONFIG_NAME).exists():
        return Config(root=Path.cwd())
    path = Path(path or CONFIG_NAME)
    table = read_toml(path)
    if "root" in table:
        msg = f"{path}: unknown key 'root': paths are relative to the folder of this file."
        raise ConfigError(msg)
    config = parse(Config, table, where=str(path))
    root = path.resolve().parent
    return config.model_copy(
        update={
            "root": root,
            "real": tuple(_anchor(item, root) for item in config.real),
            "synthetic": tuple(_anchor(item, root) for item in config.synthetic),
        }
    )


def read_toml(path: Path) -> dict[str, Any]:
    """Read a TOML file; every failure is a `ConfigError` that names the file."""
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        msg = f"{path} does not exist. Create it with 'curate init', or name another with --config."
        raise ConfigError(msg) from None
    except (OSError, UnicodeDecodeError) as error:
        msg = f"{path} cannot be read: {error}."
        raise ConfigError(msg) from error
    except tomllib.TOMLDecodeError as error:
        msg = f"{path} is not valid TOML: {error}."
        raise ConfigError(msg) from error


def parse(model: type[ModelT], table: Mapping[str, Any], *, where: str) -> ModelT:
    """Check `table` against `model`.

    Raises
    ------
    ConfigError
        Naming the first wrong key, what it must be, and for an unknown key the nearest known one.
    """
    try:
        return model.model_validate(table)
    except ValidationError as error:
        raise ConfigError(_explain(model, error, where)) from None


def _explain(model: type[BaseModel], error: ValidationError, where: str) -> str:
    """Put the first problem of a validation error into one sentence."""
    first = error.errors(include_url=False)[0]
    place = ".".join(str(part) for part in first["loc"] if not isinstance(part, int))
    if first["type"] != "extra_forbidden":
        return f"{where}: {place}: {first['msg']} (given: {first['input']!r})."
    unknown = str(first["loc"][-1])
    known = _keys_at(model, first["loc"][:-1])
    hint = did_you_mean(unknown, known, cutoff=0.5) or f"Known keys: {', '.join(known)}."
    return f"{where}: unknown key '{place}'. {hint}"


def _keys_at(model: type[BaseModel], location: tuple[int | str, ...]) -> list[str]:
    """List the keys that the table at `location` may have."""
    for part in location:
        if isinstance(part, int):
            continue
        annotation = model.model_fields[part].annotation
        inner = [annotation, *getattr(annotation, "__args__", ())]
        model = next(t for t in inner if isinstance(t, type) and issubclass(t, BaseModel))
    return [key for key in model.model_fields if key != "root"]


def _anchor(dataset: DatasetConfig, root: Path) -> DatasetConfig:
    """Make the paths of a data set absolute, `root` being the folder of curate.toml."""
    labels = dataset.labels
    if labels is not None and labels.endswith(".toml"):
        labels = str(root / labels)
    return dataset.model_copy(update={"path": root / dataset.path, "labels": labels})
