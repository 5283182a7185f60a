"""What can be set of the method ``streams``."""

from __future__ import annotations

from pydantic import Field, field_validator

from curate.config import Strict, refuse_repeats


class StreamsSettings(Strict):
    """``[method]`` of ``streams``.

    Attributes
    ----------
    encoder : str
        Segmenter whose pretrained backbone, frozen, tells how things look.
    appearance : names
        Stages of this encoder whose features are taken.
    enlarge : int
        Images are enlarged so many times before the encoder sees them, so that a cell's features
        come from few pixels around it.
    faults : names
        Kinds that are planted in real images, see `curate.corruptions`; ``mixture`` is several of
        the others that are named.
    plantings : int
        Times that each kind is planted in each real image at each strength; where real images have
        more cells than 60 of 120x160 pixels, in proportion less often, but at least once; of large
        images, of which too much would have to be kept, in some only.
    folds : int
        Cross-fitting: each image is scored by networks that did not see it.
    reference_steps : int
        Training steps of each witness, a segmenter that learns from real images only; no more
        than the joint training has.
    reference_learning_rate : float
        Peak of its one-cycle schedule.
    epochs : int
        Passes over the images, three times as many of *layout*; a stream's network keeps the
        state, after a pass, that did best on held-out images.
    learning_rate, weight_decay : float
        Of the streams' networks (AdamW); the rate is the peak of a one-cycle schedule.
    min_ess : float
        Weights are flattened where their effective sample size would be below it.
    """

    encoder: str = "efficientnet_lite0_fpn"
    appearance: tuple[str, ...] = ("stride2", "stride4", "stride8")
    enlarge: int = Field(3, ge=1, le=4)
    corruptions: tuple[str, ...] = (
        "style",
        "blur",
        "noise",
        "flat",
        "wrong_label",
        "pasted",
        "mixture",
    )
    injections: int = Field(2, ge=1)
    folds: int = Field(3, ge=2, le=10)
    reference_steps: int = Field(250, ge=1)
    reference_learning_rate: float = Field(3e-3, gt=0)
    epochs: int = Field(20, ge=1)
    learning_rate: float = Field(4e-3, gt=0)
    weight_decay: float = Field(1e-2, ge=0)
    min_ess: float = Field(0.2, gt=0, le=1)

    _has_no_repeats = field_validator("appearance", "corruptions")(refuse_repeats)
