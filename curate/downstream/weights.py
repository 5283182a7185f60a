"""Training weights from the scores of a whole data set."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from curate.weighting import fit_weight_rule

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray


def weights_from_scores(scores: ArrayLike, *, min_ess: float = 0.4) -> NDArray[np.float64]:
    """Turn the scores of a whole data set into training weights of mean 1.

    Parameters
    ----------
    scores : array of float
        Scores in [0, 1] of the images, regions or pixels of a **whole** data set; NaN = not scored.
    min_ess : float
        As in `curate.weighting.fit_weight_rule`: smaller is sharper.

    Returns
    -------
    weights : float64, shape of `scores`
        0 where the score is NaN.

    Examples
    --------
    >>> weights_from_scores([0.5, 0.5]).tolist()
    [1.0, 1.0]
    """
    values = np.asarray(scores, dtype=np.float64)
    is_scored = ~np.isnan(values)
    scored = values[is_scored]
    weights = np.zeros_like(values)
    weights[is_scored] = fit_weight_rule(np.ones_like(scored), scored, min_ess=min_ess)(scored)
    return weights
