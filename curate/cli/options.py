"""Options that several commands share, and parsers of values that Typer does not know."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from curate.cli import completion
from curate.errors import UsageError

if TYPE_CHECKING:
    from curate.dataset_config import ReadingConfig

Device = Literal["auto", "cpu", "cuda"]
Precision = Literal["auto", "float32", "bfloat16"]
Regions = Literal["label_tiles", "components", "grid", "slic"]
Compression = Literal["deflate", "zstd"]
Level = Literal["image", "region", "pixel"]
Control = Literal["random"]
Media = Literal["symlink", "hardlink", "copy", "none"]
Format = Literal[
    "original", "folder", "list", "mmseg", "daformer", "adaptsegnet", "cityscapes", "huggingface",
    "parquet", "coco", "coco-panoptic", "voc", "ultralytics", "nnunet", "fiftyone", "datumaro",
    "webdataset", "mds",
]  # fmt: skip
LabelIds = Literal["raw", "classes", "train"]

READING = "How the data set is read"
MACHINE = "Machine"
OUTPUT = "Output and progress"
"""Groups of options in help texts."""

RENAMED = {"--kinds": "--corruptions", "--labels": "--id-map"}
"""Options that earlier versions had, and what they are called now."""

AsJson = Annotated[
    bool, typer.Option("--json", help="Print one JSON object to stdout.", rich_help_panel=OUTPUT)
]
ConfigFile = Annotated[
    Path | None,
    typer.Option(
        "--config", metavar="FILE", help="Settings; by default this folder's curate.toml."
    ),
]
DeviceChoice = Annotated[
    Device | None,
    typer.Option(
        "--device",
        help="Where to compute; auto takes a GPU if it can.",
        rich_help_panel=MACHINE,
    ),
]
FixList = Annotated[
    Path | None,
    typer.Option("--fix-list", metavar="FILE", help="What to leave out: a list by curate check."),
]
IdMap = Annotated[
    str | None,
    typer.Option(
        "--id-map",
        metavar="NAME|FILE",
        help="Map of the label ids; by default the layout's.",
        autocompletion=completion.complete_id_map,
        rich_help_panel=READING,
    ),
]
Layout = Annotated[
    str | None,
    typer.Option(
        "--layout",
        metavar="NAME",
        help="How the folder is laid out; by default seen.",
        autocompletion=completion.complete_layout,
        rich_help_panel=READING,
    ),
]
ImagePattern = Annotated[
    str | None,
    typer.Option(
        "--image-pattern",
        metavar="PATTERN",
        help="Where images are, as {scene}/rgb/{n}.jpg, in place of a layout.",
        rich_help_panel=READING,
    ),
]
LabelPattern = Annotated[
    str | None,
    typer.Option(
        "--label-pattern",
        metavar="PATTERN",
        help="Where labels are, as {scene}/classes/{n}.png.",
        rich_help_panel=READING,
    ),
]
Split = Annotated[
    str | None,
    typer.Option(
        "--split",
        metavar="NAME",
        help="Take this split only: train, val, ..",
        rich_help_panel=READING,
    ),
]
Overwrite = Annotated[
    bool, typer.Option("--overwrite", help="Replace what is there already.", rich_help_panel=OUTPUT)
]
Quiet = Annotated[
    bool,
    typer.Option(
        "--quiet",
        "-q",
        help="Tell no progress, only warnings and the result.",
        rich_help_panel=OUTPUT,
    ),
]
Resume = Annotated[
    bool,
    typer.Option("--resume", help="Go on where an earlier call stopped.", rich_help_panel=OUTPUT),
]
AlwaysResumed = Annotated[
    bool,
    typer.Option(
        "--resume",
        help="Go on where an earlier call stopped, as it always does.",
        rich_help_panel=OUTPUT,
    ),
]
Run = Annotated[
    Path | None,
    typer.Option(
        "--run",
        metavar="RUN",
        help="Folder of a run; by default the newest that gives scores.",
        autocompletion=completion.complete_run,
    ),
]
OR_URL = (
    " Or a URL (s3:// needs 'curate-seg\\[s3]', gs:// and az:// theirs; to read, https:// too)."
)
"""What is said of every path that may be one."""

ScoresOut = Annotated[
    Path,
    typer.Option(
        "--out",
        metavar="FILE",
        help=f"weights.h5, weights.parquet (tables only) or a folder.{OR_URL}",
    ),
]
Seed = Annotated[
    int, typer.Option("--seed", metavar="N", min=0, help="Start of all random numbers.")
]
TrustRun = Annotated[
    bool, typer.Option("--trust-run", help="Let code run that the run's settings name.")
]
Verbose = Annotated[
    bool,
    typer.Option(
        "--verbose",
        "-v",
        help="Tell more, and of an error where it was raised.",
        rich_help_panel=OUTPUT,
    ),
]
Workers = Annotated[
    int | None,
    typer.Option(
        "--workers",
        metavar="N",
        min=0,
        help="Readers of images beside the computation.",
        rich_help_panel=MACHINE,
    ),
]


def parse_reading(
    layout: str | None,
    id_map: str | None,
    image_pattern: str | None,
    label_pattern: str | None,
    split: str | None,
) -> "ReadingConfig":
    """Put the options about how a data set is read together."""
    from curate.config import parse  # here, so that --help need not wait for pydantic
    from curate.dataset_config import ReadingConfig

    given = {
        "layout": layout,
        "id_map": id_map,
        "image": image_pattern,
        "label": label_pattern,
        "split": split,
    }
    settings = {name: value for name, value in given.items() if value is not None}
    return parse(ReadingConfig, settings, where="options")


def refuse_reading(reading: "ReadingConfig") -> None:
    """Refuse options about how a data set is read where none is named."""
    given = [name for name, value in reading if value != type(reading).model_fields[name].default]
    if given:
        spelled = {"image": "image-pattern", "label": "label-pattern"}
        option = spelled.get(given[0], given[0].replace("_", "-"))
        msg = (
            f"--{option} says how one data set is read, but none is named: name its folder, or "
            "write it into its table in curate.toml."
        )
        raise UsageError(msg)


def parse_size(text: str | None) -> tuple[int, int] | None:
    """Read a size, ``180x240`` being 180 pixels high and 240 wide; None stays None."""
    if text is None:
        return None
    height, _, width = text.lower().partition("x")
    if not (height.isascii() and width.isascii() and height.isdigit() and width.isdigit()):
        msg = f"'{text}' is no size: write height x width, for example 180x240."
        raise UsageError(msg)
    return int(height), int(width)


def parse_list(text: str) -> tuple[str, ...]:
    """Split a list such as ``image,region``."""
    return tuple(item.strip() for item in text.split(",") if item.strip())
