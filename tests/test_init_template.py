from __future__ import annotations

import os
import tomllib
from typing import Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel

from curate.config import AugmentConfig, DatasetConfig, FitConfig, ScoreConfig
from curate.errors import UsageError
from curate.init_template import comment, explain, render_settings, to_toml
from curate.methods import METHODS

MODELS = [FitConfig, AugmentConfig, ScoreConfig, *(method.Settings for method in METHODS.values())]


class Sample(BaseModel):
    """A model.

    Attributes
    ----------
    kind : str
        How it is done, ``fast`` or
        not at all; None = unset.
    low, high : float
        Range.
    """

    kind: Literal["fast", "slow"] = "fast"
    low: float = 0.5
    high: float = 1e-7
    jobs: int | None = None


def test_meanings_are_read_from_the_docstring():
    assert explain(Sample) == {
        "kind": "How it is done, fast or not at all; unset = unset.",
        "low": "Range.",
        "high": "Range.",
    }


def test_settings_that_share_a_meaning_stand_together():
    assert render_settings(Sample).splitlines() == [
        "# How it is done, fast or not at all; unset = unset. One of fast, slow.",
        'kind = "fast"',
        "",
        "# Range.",
        "low = 0.5",
        "high = 1e-07",
        "",
        "# jobs = 0",
    ]


def test_defaults_can_be_shown_as_comments():
    assert tomllib.loads(render_settings(Sample, is_active=False)) == {}


@pytest.mark.parametrize("model", MODELS)
def test_every_setting_is_explained(model):
    assert set(model.model_fields) <= set(explain(model))


@pytest.mark.parametrize("model", MODELS)
def test_written_settings_are_the_defaults(model):
    written = tomllib.loads(render_settings(model))
    defaults = {k: v for k, v in model().model_dump(mode="json").items() if v is not None}
    assert written == defaults


def test_data_sets_are_explained():
    assert set(explain(DatasetConfig)) == set(DatasetConfig.model_fields)


def test_comments_are_wrapped():
    lines = comment("word " * 40)
    assert len(lines) == 3
    assert all(line.startswith("# ") and len(line) <= 96 for line in lines)


@given(st.text(st.characters(exclude_categories=["Cs"])))
def test_any_text_survives(text):
    assert tomllib.loads(f"key = {to_toml(text)}") == {"key": text}


@pytest.mark.parametrize("value", [True, False, 0, -3, 0.1, 1e-12, 1e300, [1, 2], [], ["a", "b"]])
def test_other_values_survive(value):
    assert tomllib.loads(f"key = {to_toml(value)}") == {"key": value}


def test_name_of_unknown_encoding_is_refused():
    with pytest.raises(UsageError, match="is not valid UTF-8"):
        to_toml(os.fsdecode(b"caf\xe9"))
