"""The audit of a run of `streams`, and of the same scores in the wrong places."""

import pytest
import torch

from curate.auditing import audit as audit_module
from curate.auditing.audit import audit
from curate.scoring.scorer import score_maps
from curate.training.fit import fit
from tests.tiny import RecordingReporter, write_dataset
from tests.training.test_preparation_distributed import config_of

NAMES = ("style", "wrong_label")


@pytest.mark.slow
def test_corrupted_pixels_are_found_and_with_permuted_scores_they_are_not(tmp_path, monkeypatch):
    config = config_of(tmp_path, epochs=60)
    run = fit(config).run
    unseen = write_dataset(tmp_path / "unseen", 12, is_flat=False, seed=5)
    settings = {"config": config, "run": run, "real": (unseen,), "corruptions": NAMES}
    batches = []

    def keep(*args):
        batches.append(score_maps(*args))  # (N, 4, h, w)
        return batches[-1]

    monkeypatch.setattr(audit_module, "score_maps", keep)
    found = audit(**settings, reporter=RecordingReporter())

    cells = torch.cat(batches).movedim(1, 3)
    order = torch.randperm(cells[..., 0].numel(), generator=torch.Generator().manual_seed(0))
    shuffled = cells.flatten(0, 2)[order].view(cells.shape).movedim(3, 1)
    queue = iter(shuffled.split([len(batch) for batch in batches]))
    monkeypatch.setattr(audit_module, "score_maps", lambda *_: next(queue))
    permuted = audit(**settings, reporter=RecordingReporter())

    for name in (*NAMES, "all"):
        assert found.interval("auroc", "pixel", corruption=name)[0] > 0.6
        low, high = permuted.interval("auroc", "pixel", corruption=name)
        assert low < 0.5 < high
        assert high - low < 0.1
