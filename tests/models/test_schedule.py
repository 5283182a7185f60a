"""How a learning rate changes, at steps that can be worked out by hand."""

import pytest

from curate.models.schedule import warmup_cosine


def test_rise_takes_a_twentieth_of_the_steps():
    assert [warmup_cosine(step, 80) for step in range(5)] == pytest.approx(
        [1 / 4, 2 / 4, 3 / 4, 1, 1]
    )
    assert warmup_cosine(0, 39) == 1  # a twentieth of fewer than 40 steps is a single one
    assert warmup_cosine(0, 40) == 0.5


def test_fall_is_half_a_cosine():
    # 80 steps: 4 up, 76 down; after a quarter, a half and all of them
    found = [warmup_cosine(step, 80) for step in (4, 23, 42, 80)]
    assert found == pytest.approx([1, (1 + 0.5**0.5) / 2, 0.5, 0], abs=1e-12)


@pytest.mark.parametrize(("steps", "rates"), [(1, [1, 1]), (2, [1, 1, 0]), (3, [1, 1, 0.5, 0])])
def test_few_steps_begin_at_the_peak(steps, rates):
    assert [warmup_cosine(step, steps) for step in range(steps + 1)] == pytest.approx(
        rates, abs=1e-12
    )
