"""What can be set of the method ``streams``."""

from __future__ import annotations

from pydantic import Field, field_validator

from curate.config import Strict, refuse_repeats


class StreamsSettings(Strict):
    """``[method]`` of ``streams``."""

    encoder: str = "efficientnet_lite0_fpn"
    """Segmenter whose pretrained backbone, frozen, gives the features of appearance."""

    appearance: tuple[str, ...] = ("stride2", "stride4", "stride8")
    """Stages of this encoder whose features are taken."""

    enlarge: int = Field(3, ge=1, le=4)
    """Images are enlarged so many times before they are encoded, so that a cell's features come
    from few pixels around it.
    """

    corruptions: tuple[str, ...] = (
        "style",
        "blur",
        "noise",
        "flat",
        "wrong_label",
        "pasted",
        "mixture",
    )
    """What is injected into real images, see `curate.corruptions`; ``mixture`` is several of the
    others that are named.
    """

    injections: int = Field(2, ge=1)
    """Times that each one is injected into each real image at each strength; where real images have
    more cells than 60 of 120x160 pixels, in proportion less often, but at least once; of large
    images, of which too much would have to be kept, into some only.
    """

    folds: int = Field(3, ge=2, le=10)
    """Cross-fitting: each image is scored by networks that did not see it."""

    reference_steps: int = Field(250, ge=1)
    """Training steps of each reference segmenter, which learns from real images only; no more than
    the joint training has.
    """

    reference_learning_rate: float = Field(3e-3, gt=0)
    """Peak of its schedule: a linear warm-up, then a cosine."""

    epochs: int = Field(20, ge=1)
    """Passes over the images, three times as many for *layout*; a stream's network keeps the state,
    after a pass, that did best on held-out images.
    """

    learning_rate: float = Field(4e-3, gt=0)
    """Peak for the streams' networks (AdamW), of the same kind of schedule."""

    weight_decay: float = Field(1e-2, ge=0)
    """Of the streams' networks."""

    own: float = Field(1.0, ge=0, le=1)
    """For weights: exponent of the segmenter's own probability of a label, beside the posterior by
    the reference segmenters' predictions.
    """

    clip: float = Field(4.0, ge=1)
    """Largest multiple of the mean that a weight may have."""

    _has_no_repeats = field_validator("appearance", "corruptions")(refuse_repeats)
