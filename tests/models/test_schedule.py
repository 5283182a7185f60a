from __future__ import annotations

import pytest

from curate.models.schedule import warmup_cosine


def test_rate_rises_over_a_twentieth_of_the_steps_and_falls_by_half_a_cosine():
    rates = [warmup_cosine(step, 60) for step in range(61)]
    assert rates[:4] == pytest.approx([1 / 3, 2 / 3, 1, 1])
    # a third of the way down, two thirds, the end: (1 + cos 60) / 2, (1 + cos 120) / 2
    assert [rates[3 + 19], rates[3 + 38], rates[60]] == pytest.approx([0.75, 0.25, 0.0])


def test_short_trainings_rise_for_one_step():
    assert [warmup_cosine(step, 3) for step in range(3)] == pytest.approx([1.0, 1.0, 0.5])
    assert warmup_cosine(0, 1) == 1.0
