import pytest

from curate import costs
from curate.config import Config


@pytest.fixture(autouse=True)
def _steady(monkeypatch):
    monkeypatch.setattr(costs, "_measure_pace", lambda: 1.0)


def estimate(method, **settings):
    config = Config().with_fit(method=method, size=(100, 100), batch_size=8, **settings)
    return costs.estimate_minutes(config, num_real=20, num_synthetic=1000, num_scored=1000)


def test_joint_steps_are_counted_in_pixels():
    found = estimate("uniform", steps=6000)
    assert found["fit"] == pytest.approx(6000 * 8 * 1e4 * costs.STEP_S_PER_PX / 60, abs=0.06)


def test_streams_prepare_and_take_longer():
    """Three reference segmenters of 250 steps, 20 + 300 images, longer joint steps."""
    step_s = 8 * 1e4 * costs.STEP_S_PER_PX
    expected = (
        1000 * costs.REFERENCE_STEP * step_s + 750 * step_s + 320 * 1e4 * costs.STREAMS_S_PER_PX
    )
    assert estimate("streams", steps=1000)["fit"] == pytest.approx(expected / 60, abs=0.06)


def test_references_are_counted_where_they_share_the_steps():
    """Two of 250 steps at most, of a third of all steps together."""
    step_s = 8 * 1e4 * costs.STEP_S_PER_PX
    for steps, of_references in ((600, 198), (3000, 500)):
        expected = (steps * costs.REFERENCE_STEP + of_references) * step_s
        found = estimate("confidence", steps=steps)
        assert found["fit"] == pytest.approx(expected / 60, abs=0.06)
    plain = estimate("uniform", steps=steps)["score"]
    assert found["score"] == pytest.approx(3 * plain, abs=0.2)


def test_slow_machine_takes_longer(monkeypatch):
    fast = estimate("uniform", steps=60000)
    monkeypatch.setattr(costs, "_measure_pace", lambda: 3.0)
    assert estimate("uniform", steps=60000)["fit"] == pytest.approx(3 * fast["fit"], rel=0.01)


def test_pace_of_this_machine_is_measured(monkeypatch):
    monkeypatch.undo()
    assert 0.01 < costs._measure_pace() < 1000
