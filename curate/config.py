"""curate.toml: what can be set, the defaults, and errors that name the line to mend."""

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, Self, TypeVar

from pydantic import BaseModel, Field, ValidationError, field_validator

from curate import remote, texts
from curate.dataset_config import DatasetConfig as DatasetConfig
from curate.dataset_config import Strict as Strict
from curate.errors import ConfigError, did_you_mean

CONFIG_NAME = "curate.toml"

ModelT = TypeVar("ModelT", bound=BaseModel)


RENAMED = {
    "faults": "corruptions",
    "labels": "id_map",
    "plantings": "injections",
    "witness_steps": "reference_steps",
    "witness_learning_rate": "reference_learning_rate",
}
"""Keys that earlier versions of curate.toml had, and what they are called now."""


def refuse_repeats(value: tuple[str, ...]) -> tuple[str, ...]:
    """Check, as a validator of a field, that a list names something, and each thing once."""
    if not value or len(set(value)) < len(value):
        msg = f"{list(value)} must name at least one, each once"
        raise ValueError(msg)
    return value


class ArmConfig(Strict):
    """One ``[[arm]]`` table: an arm of ``curate compare`` that is the user's own."""

    name: str
    """What the arm is called on the command line and in the tables."""

    real: tuple[DatasetConfig, ...] = ()
    """Real data sets in place of those of the file."""

    synthetic: tuple[DatasetConfig, ...] = ()
    """Synthetic data sets in place of those of the file."""

    method: str | None = None
    """How synthetic pixels are weighed; by default all alike."""

    settings: dict[str, Any] = Field(default_factory=dict)
    """Settings of that method."""

    fit: dict[str, Any] = Field(default_factory=dict)
    """Keys of ``[fit]`` that differ; those that settle the budget must not be among them."""

    @field_validator("fit")
    @classmethod
    def _keeps_the_budget(cls, value: dict[str, Any]) -> dict[str, Any]:
        if same := sorted({"steps", "batch_size", "size", "seed", "draw", "num_real"} & set(value)):
            msg = f"{', '.join(same)} must be the same for all arms"
            raise ValueError(msg)
        return value


class AugmentConfig(Strict):
    """``[augment]``: seeded random changes of training images, the same for both domains."""

    scale: tuple[float, float] = (0.75, 1.5)
    """Range of the random zoom before a crop of the training size."""

    flip: float = Field(0.5, ge=0, le=1)
    """Probability of a horizontal flip."""

    colour: float = Field(0.2, ge=0, le=1)
    """Strength of brightness, contrast and saturation changes; 0 = off."""

    @field_validator("scale")
    @classmethod
    def _is_a_range(cls, value: tuple[float, float]) -> tuple[float, float]:
        if not 0.1 <= value[0] <= value[1] <= 10:
            msg = f"scale = {list(value)} is no range within 0.1 .. 10"
            raise ValueError(msg)
        return value


class FitConfig(Strict):
    """``[fit]``: the joint training."""

    method: str = "streams"
    """How synthetic pixels are weighed: ``streams``, ``confidence``, ``hierarchical``, or
    ``uniform``.
    """

    segmenter: str = "efficientnet_lite0_fpn"
    """A built-in segmenter, or ``package.module:factory``."""

    backbone_weights: str = "auto"
    """``auto`` (the segmenter's own default), ``none``, or the path of a weights file."""

    size: tuple[int, int] = (180, 240)
    """Height and width that images are resized to, in pixels."""

    steps: int = Field(2000, ge=1, le=10**9)
    """Steps of training."""

    batch_size: int = Field(8, ge=2, le=65_536)
    """Images a step: half real and half synthetic, or all real where there is no synthetic set.
    Processes that train together share them.
    """

    learning_rate: float = Field(3e-3, gt=0)
    """Peak of the segmenter's schedule, a linear warm-up, then a cosine; the backbone learns at a
    third of it.
    """

    weight_decay: float = Field(1e-2, ge=0)
    """Weight decay of the segmenter's optimiser."""

    synthetic_weight: float = Field(1.0, ge=0)
    """lambda, the weight of the synthetic half of the segmenter's loss."""

    num_real: int | None = Field(None, ge=2, examples=[20])
    """Real images to learn from, drawn at random; by default all."""

    draw: int = Field(0, ge=0)
    """Which random draw of `num_real` real images."""

    start_from: Path | None = Field(None, examples=["runs/run-0001"])
    """Folder of a finished run whose segmenter is trained on; by default a new one."""

    fix_list: Path | None = Field(None, examples=["fixes.toml"])
    """File of ``[[leave_out]]`` tables, as ``curate check --fix-list`` writes it: images that are
    not used.
    """

    warmup: float = Field(0.15, ge=0, le=1)
    """Share of the steps that are trained with all weights 1."""

    held_out: float = Field(0.25, gt=0, le=0.5)
    """Share of the images that the weighting networks never train on; they decide when to stop."""

    evaluate_every: int = Field(100, ge=1)
    """Steps between two evaluations on the held-out images."""

    checkpoint_every: int = Field(100, ge=1)
    """Steps between two checkpoints."""

    seed: int = Field(0, ge=0)
    """Start of all random numbers."""

    preparation_seed: int | None = Field(None, ge=0, examples=[0])
    """Start of the random numbers of splits and of what a method prepares; by default `seed`.
    Trainings of several seeds can so share a preparation.
    """

    device: Literal["auto", "cpu", "cuda"] = "auto"
    """Where to compute; ``auto`` takes a GPU if there is one."""

    precision: Literal["auto", "float32", "bfloat16"] = "auto"
    """Numbers that training computes with; ``auto`` is bfloat16 on GPUs that have it (compute
    capability 8.0), else float32, which convolutions on such a GPU round to TF32.
    """

    workers: int | None = Field(None, ge=0)
    """Processes that read images for one that trains; by default 0 on a CPU, and one a core, at
    most 16, beside a GPU.
    """

    keep_mib: int = Field(0, ge=0)
    """MiB of decoded training images that each process that reads keeps in memory."""

    tensorboard: bool = False
    """Whether to write curves for TensorBoard, too."""

    @property
    def seed_before(self) -> int:
        """Start of the random numbers that come before the joint training."""
        return self.seed if self.preparation_seed is None else self.preparation_seed

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
    """``[score]``: how data sets are scored."""

    stride: int = Field(4, ge=1, le=64)
    """Pixels of the original image per cell of the stored maps."""

    regions: Literal["label_tiles", "components", "grid", "slic"] = "label_tiles"
    """``label_tiles`` (what one class shows of one square), ``components`` (of the label map),
    ``grid`` (squares) or ``slic`` (superpixels; slow).
    """

    region_px: int = Field(48, ge=4)
    """Side of a square in pixels of the original image; ``slic`` aims at it."""

    batch_size: int = Field(8, ge=1, le=65_536)
    """Images that are scored at a time."""

    compression: Literal["deflate", "zstd"] = "deflate"
    """Of pixel maps: all programs read ``deflate``; ``zstd`` is faster and needs hdf5plugin."""

    stream_maps: bool = False
    """Whether to keep a map of each stream beside that of the combined score; needs a method with
    streams, and the pixel level.
    """


class Config(Strict):
    """The whole of curate.toml."""

    root: Path = Field(default_factory=Path.cwd, exclude=True)
    """Folder of curate.toml, or the working directory: relative paths, ``runs/`` and the record of
    the newest run and score file live here. Not a key of the file.
    """

    classes: str | tuple[str, ...] | None = None
    """A built-in class set or a list of names; by default those of the first real layout."""

    real: tuple[DatasetConfig, ...] = ()
    synthetic: tuple[DatasetConfig, ...] = ()
    test: tuple[DatasetConfig, ...] = ()
    """Real data sets that ``curate compare`` evaluates on, and nothing learns from."""

    arm: tuple[ArmConfig, ...] = ()
    """Arms of ``curate compare`` beside the built-in ones."""

    fit: FitConfig = FitConfig()
    method: dict[str, Any] = Field(default_factory=dict)
    """``[method.streams]``: settings of a method, used where ``[fit]`` names it and checked by it.
    What stands in ``[method]`` itself is of whichever method that is.
    """

    augment: AugmentConfig = AugmentConfig()
    score: ScoreConfig = ScoreConfig()

    @property
    def method_settings(self) -> dict[str, Any]:
        """Return the settings of the method that ``[fit]`` names."""
        own = self.method_tables.get(self.fit.method.partition(":")[0], {})
        return {k: v for k, v in self.method.items() if k not in self.method_tables} | own

    @property
    def method_tables(self) -> dict[str, dict[str, Any]]:
        """Return the tables ``[method.<name>]`` by name."""
        return {name: table for name, table in self.method.items() if isinstance(table, dict)}

    def with_fit(self, **settings: object) -> Self:
        """Return a copy in which the given ``[fit]`` settings that are not None are replaced."""
        return self._with("fit", settings)

    def with_datasets(self, **folders: Sequence[Path] | None) -> Self:
        """Return a copy with other folders as ``real`` or ``synthetic``, where some are given."""
        given = {
            domain: tuple(DatasetConfig(path=remote.as_path(path).absolute()) for path in paths)
            for domain, paths in folders.items()
            if paths
        }
        return self.model_copy(update=given)

    def with_score(self, **settings: object) -> Self:
        """Return a copy in which the given ``[score]`` settings that are not None are replaced."""
        return self._with("score", settings)

    def _with(self, table: str, settings: Mapping[str, object]) -> Self:
        """Replace settings of a table."""
        before: Strict = getattr(self, table)
        given = {key: value for key, value in settings.items() if value is not None}
        after = parse(type(before), before.model_dump() | given, where=f"[{table}]")
        return self.model_copy(update={table: after})


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
    table = texts.read_toml(path)
    if "root" in table:
        msg = f"{path}: unknown key 'root': paths are relative to the folder of this file."
        raise ConfigError(msg)
    config = parse(Config, table, where=str(path))
    return _anchor_all(config, path.resolve().parent)


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
        return f"{where}: {place}: {first['msg']} (given: {texts.shown(first['input'])})."
    unknown = str(first["loc"][-1])
    known = _keys_at(model, first["loc"][:-1])
    if RENAMED.get(unknown) in known:
        return f"{where}: '{place}' is called '{RENAMED[unknown]}' now. Rename it."
    hint = did_you_mean(unknown, known, cutoff=0.5) or f"Known keys: {', '.join(known) or 'none'}."
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


PATH_SETTINGS = ("maps",)
"""Keys of ``[method]``, and of an arm's settings, that are paths."""


def _anchor_all(config: Config, root: Path) -> Config:
    """Make every path absolute."""

    def anchored(table: Config | ArmConfig, *names: str) -> dict[str, Any]:
        return {name: tuple(_anchor(item, root) for item in getattr(table, name)) for name in names}

    def anchored_arm(arm: ArmConfig) -> ArmConfig:
        settings = {"settings": _anchor_settings(arm.settings, root)}
        return arm.model_copy(update=anchored(arm, "real", "synthetic") | settings)

    arms = tuple(map(anchored_arm, config.arm))
    named = {name: getattr(config.fit, name) for name in ("start_from", "fix_list")}
    places = {name: path and _join(root, path) for name, path in named.items()}
    weights = {"backbone_weights": _expand(config.fit.backbone_weights)}
    fit = config.fit.model_copy(update=places | weights)
    method = _anchor_settings(config.method, root)
    own = {"root": root, "arm": arms, "fit": fit, "method": method}
    return config.model_copy(update=own | anchored(config, "real", "synthetic", "test"))


def _anchor_settings(settings: dict[str, Any], root: Path) -> dict[str, Any]:
    """Make the paths among the settings of a method absolute."""

    def anchor(value: Any, *, is_path: bool) -> Any:  # noqa: ANN401 (not checked yet)
        if isinstance(value, dict):  # the table of a method
            return _anchor_settings(value, root)
        if is_path and isinstance(value, list):
            return [anchor(each, is_path=True) for each in value]
        return str(_join(root, Path(value))) if is_path and isinstance(value, str) else value

    return {k: anchor(v, is_path=k in PATH_SETTINGS) for k, v in settings.items()}


def _anchor(dataset: DatasetConfig, root: Path) -> DatasetConfig:
    """Make the paths of a data set absolute, `root` being the folder of curate.toml."""
    id_map = dataset.id_map
    if id_map is not None and id_map.endswith(".toml"):
        id_map = str(_join(root, Path(id_map)))
    return dataset.model_copy(update={"path": _join(root, dataset.path), "id_map": id_map})


def _join(root: Path, path: Path) -> Path:
    """Make a path of the file absolute; ``~`` is the home folder, as in a shell."""
    return path if path.is_absolute() else root / _expand(str(path))


def _expand(path: str) -> str:
    """Put the home folder in the place of ``~``; what is nobody's home stays."""
    return os.path.expanduser(path)  # noqa: PTH111 (Path's own raises)
