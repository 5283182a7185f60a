"""Export formats by name."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

# isort: off
from curate.selection.formats import (
    adaptsegnet, city_folders, coco, daformer, datumaro, fiftyone, folder, huggingface, lists, mds,
    mmseg, nnunet, original, parquet, ultralytics, voc, webdataset,
)  # fmt: skip
# isort: on

if TYPE_CHECKING:
    from curate.selection.dialect import Format

FORMATS: Final[dict[str, type[Format]]] = {
    "original": original.OriginalFormat,
    "folder": folder.FolderFormat,
    "list": lists.ListFormat,
    "mmseg": mmseg.MmsegFormat,
    "daformer": daformer.DaformerFormat,
    "adaptsegnet": adaptsegnet.AdaptSegNetFormat,
    "cityscapes": city_folders.CityscapesFormat,
    "huggingface": huggingface.HuggingFaceFormat,
    "parquet": parquet.ParquetFormat,
    "coco": coco.CocoStuffFormat,
    "coco-panoptic": coco.CocoPanopticFormat,
    "voc": voc.VocFormat,
    "ultralytics": ultralytics.UltralyticsFormat,
    "nnunet": nnunet.NnUnetFormat,
    "fiftyone": fiftyone.FiftyOneFormat,
    "datumaro": datumaro.DatumaroFormat,
    "webdataset": webdataset.WebDatasetFormat,
    "mds": mds.MdsFormat,
}
"""One class a format; a new one needs a file here, a line here, and a test."""
