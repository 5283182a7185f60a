"""What else could score the cells of a pool: rivals of `streams`, each in its strongest fair form.

None of them gets the truth or an injected corruption. All get what a user of `streams` has: the
real images, the pool, an ImageNet encoder, and reference segmenters that learned from real images
only, trained to resist pasted content as those of `streams`. Where a form had to be chosen, it was
the one that did best on pools of seed 0, which favours the rival.

===================== ===========================================================================
p(label)              Probability of the label, by the reference segmenters.
confidence            Highest probability of a class, by the reference segmenters.
cleanlab              Score of a pixel by `cleanlab.segmentation.rank`: p(label) by theirs.
cleanlab, adjusted    Margin between the label and the best other class, after each class's
                      probability is set against its usual one (Northcutt et al., Confident
                      Learning, JAIR 2021), by `cleanlab.rank`.
density ratio         Real over synthetic density of the features that `streams` has for how things
                      look, by logistic regression of the domain (Sugiyama, Suzuki & Kanamori,
                      Density Ratio Estimation in Machine Learning, 2012, chapter 4), cross-fitted
                      over images.
                      Second-order terms of 32 principal components beat linear ones, and both
                      beat uLSIF with Gaussian kernels and the Mahalanobis distance.
ratio and p(label)    Density ratio times p(label): how it looks and what it is called.
gradient              Cosine between the gradient of a cell's loss by the last layer and the mean
                      gradient of cells of the same class in real images that the segmenter did not
                      see. It beats inner products, the mean gradient of all classes, and a
                      segmenter trained jointly with the pool, but for wrong labels (.93 to .96).
===================== ===========================================================================
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import torch
import torch.nn.functional as F

from curate.grid import centres, grid_size, to_grid
from curate.methods import last_layer
from curate.methods.gradient_alignment import class_gradients, cosine_with_class
from curate.methods.streams.features import encode_appearance
from curate.records import IGNORE_INDEX, Batch
from curate.seeding import stable_rng

try:
    from cleanlab.rank import get_label_quality_scores as rate_labels
    from cleanlab.segmentation.rank import get_label_quality_scores as rate_maps
    from sklearn.decomposition import PCA
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import PolynomialFeatures, StandardScaler
except ImportError as error:
    msg = f"{error.name} is missing. This benchmark needs: pip install 'curate-seg[benchmarks]'."
    raise SystemExit(msg) from error

if TYPE_CHECKING:
    from torch import Tensor

    from curate.methods.streams.method import Streams
    from curate.models import Segmenter

RIVALS = (
    "p(label)",
    "confidence",
    "cleanlab",
    "cleanlab, adjusted",
    "density ratio",
    "ratio and p(label)",
    "gradient",
)
CHUNK = 16
LEAST = 1e-6
NUM_CELLS, NUM_COMPONENTS, INVERSE_PENALTY = 48_000, 32, 1e-2
"""Of the regression: cells of each domain at most, principal components, scikit-learn's C."""


class Seen(NamedTuple):
    """Probabilities and features of N images by a reference segmenter, on the weighting grid.

    Attributes
    ----------
    probabilities : (N, C, h, w) float32
    features : (N, F + 1, h, w) float16
        Input of the last layer, and a 1 for its bias.
    """

    probabilities: Tensor
    features: Tensor

    def gradients(self, labels: Tensor) -> last_layer.Gradients:
        """Take the gradients of cells with these labels, (N, h, w)."""
        return last_layer.factor(self.probabilities, self.features.float(), labels)


@torch.no_grad()
def score_rivals(pool: Batch, real: Batch, method: Streams, seed: int) -> dict[str, Tensor]:
    """Score the cells of a pool by every rival, (N, h, w) each; higher = better.

    Parameters
    ----------
    pool, real : Batch
        At the training size, without random changes.
    method : Streams
        Its reference segmenters are trained; nothing else is used but its encoder and folds.
    """
    labels = centres(pool.label_map).long()
    seen = [watch(reference, pool.images) for reference in method.references]
    probabilities = torch.stack([each.probabilities for each in seen]).mean(dim=0)
    logs = torch.stack([each.probabilities.clamp(min=LEAST).log() for each in seen]).mean(dim=0)
    given = labels.clamp(max=logs.shape[1] - 1)  # what stands at ignored cells is not measured
    chosen = logs.gather(1, given[:, None])[:, 0]
    ratio = density_ratio(pool, real, method, seed)
    found = (
        chosen,
        logs.amax(dim=1),
        torch.from_numpy(rate_maps(given.numpy(), probabilities.numpy(), verbose=False)[1]),
        _adjusted_margin(given, labels != IGNORE_INDEX, probabilities),
        ratio,
        ratio + chosen,
        gradient_agreement(seen, labels, real, method),
    )
    return dict(zip(RIVALS, found, strict=True))


def watch(reference: Segmenter, images: Tensor) -> Seen:
    """Run a reference segmenter over images (N, 3, H, W) uint8."""
    parts = []
    for start in range(0, len(images), CHUNK):
        some = images[start : start + CHUNK].float() / 255
        prediction = reference(some, ("decoder",))
        grid = grid_size(*some.shape[2:])
        features = to_grid(prediction.features["decoder"], grid)
        probabilities = to_grid(prediction.logits.softmax(dim=1), grid)
        parts.append((probabilities, F.pad(features, (0, 0, 0, 0, 0, 1), value=1.0).half()))
    return Seen(*(torch.cat(part) for part in zip(*parts, strict=True)))


def _adjusted_margin(given: Tensor, valid: Tensor, probabilities: Tensor) -> Tensor:
    """Rate the labels of the valid cells as those of a classification; 0 elsewhere."""
    cells = probabilities.permute(0, 2, 3, 1)[valid].double()
    rated = rate_labels(
        given[valid].numpy(),
        (cells / cells.sum(dim=1, keepdim=True)).numpy(),
        method="normalized_margin",
        adjust_pred_probs=True,
    )
    scores = torch.zeros(given.shape, dtype=torch.float64)
    scores[valid] = torch.from_numpy(rated)
    return scores


def density_ratio(pool: Batch, real: Batch, method: Streams, seed: int) -> Tensor:
    """Log-ratio of the densities of each cell's features by a regression that never saw the image.

    Each domain counts the same: of each, as many cells are drawn.
    """
    features = [_encode(method, batch.images) for batch in (real, pool)]
    valid = [centres(batch.label_map).numpy() != IGNORE_INDEX for batch in (real, pool)]
    folds = [np.array([method.splits[key].fold for key in batch.keys]) for batch in (real, pool)]
    scores = np.zeros(valid[1].shape)
    for fold in range(method.settings.folds):
        rng = stable_rng(seed, "density ratio", fold)
        cells = []
        for maps, mask, own in zip(features, valid, folds, strict=True):
            usable = maps[own != fold][mask[own != fold]]
            cells.append(usable[rng.permutation(len(usable))[:NUM_CELLS]])
        count = min(map(len, cells))
        domains = np.repeat([1, 0], count)
        regression = make_pipeline(
            StandardScaler(),
            PCA(NUM_COMPONENTS, random_state=fold),
            PolynomialFeatures(2, include_bias=False),
            StandardScaler(),
            LogisticRegression(C=INVERSE_PENALTY, max_iter=300),
        )
        regression.fit(np.concatenate([some[:count] for some in cells]), domains)
        asked = features[1][folds[1] == fold]
        logits = regression.decision_function(asked.reshape(-1, asked.shape[-1]))
        scores[folds[1] == fold] = logits.reshape(asked.shape[:3])
    return torch.from_numpy(scores)


def _encode(method: Streams, images: Tensor) -> np.ndarray:
    """Features of the frozen encoder's early stages, as `streams` gets them, (N, h, w, F)."""
    parts = [
        encode_appearance(
            method.encoder,
            images[start : start + CHUNK].float() / 255,
            method.settings.appearance,
            enlarge=method.settings.enlarge,
        )
        for start in range(0, len(images), CHUNK)
    ]
    return torch.cat(parts).permute(0, 2, 3, 1).float().numpy()


def gradient_agreement(seen: list[Seen], labels: Tensor, real: Batch, method: Streams) -> Tensor:
    """Mean cosine, over the folds, between each cell's gradient and that of real cells."""
    total = torch.zeros(labels.shape)
    for fold, reference in enumerate(method.references):
        rows = [row for row, key in enumerate(real.keys) if method.splits[key].fold == fold]
        unseen = watch(reference, real.images[rows])
        given = centres(real.label_map[rows]).long()
        sums, counts = class_gradients(unseen.gradients(given), given)
        means = sums / counts.clamp(min=1)[:, None, None]
        total += cosine_with_class(seen[fold].gradients(labels), labels, means)
    return total / len(seen)
