import pytest

from curate.checking import examination
from curate.checking.survey import survey
from curate.data.dataset import open_dataset
from curate.records import ClassSet
from tests.checking import making
from tests.tiny import RecordingReporter

CLASSES = ClassSet("custom", making.CLASSES)


@pytest.fixture
def source(tmp_path):
    making.write_set(tmp_path / "set", 40, seed=0)
    return open_dataset(tmp_path / "set", classes=CLASSES)


@pytest.fixture
def looked_at(monkeypatch):
    """Names of the images that were looked at."""
    names, plain = [], examination.examine

    def examine(source, pair, *, is_deep):
        names.append(pair.id)
        return plain(source, pair, is_deep=is_deep)

    monkeypatch.setattr(examination, "examine", examine)
    return names


def look(source, tmp_path, **settings):
    reporter = RecordingReporter()
    return survey(source, project=tmp_path, reporter=reporter, **settings), reporter


def test_facts_stand_in_the_order_of_the_pairs(source, tmp_path):
    found, reporter = look(source, tmp_path)
    assert [f.image_path for f in found.facts] == [p.image_path for p in source.pairs]
    assert reporter.tasks == [("look at set", 40, 0, "images")]
    assert reporter.values[-1] == (40, {})


def test_known_set_is_not_read_again(source, tmp_path, looked_at):
    first, _ = look(source, tmp_path, is_deep=True)
    looked_at.clear()
    again, reporter = look(source, tmp_path)
    assert looked_at == [] == reporter.tasks
    assert again.facts == first.facts


def test_only_what_changed_is_looked_at_again(source, tmp_path, looked_at):
    look(source, tmp_path)
    looked_at.clear()
    making.edit_label(source.root / "labels/005.png", lambda a: a * 0 + 2)
    found, _ = look(source, tmp_path)
    assert looked_at == ["images/005"]
    assert found.facts[5].ids == {2: 48 * 64}


def test_interrupted_look_goes_on_where_it_was(source, tmp_path, looked_at, monkeypatch):
    class Impatient(RecordingReporter):
        def advance(self, done, values=None):
            if done == 10:
                raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        survey(source, project=tmp_path, reporter=Impatient())
    looked_at.clear()
    found, reporter = look(source, tmp_path)
    assert reporter.tasks == [("look at set", 40, 10, "images")]
    assert len(looked_at) == 30
    assert len(found.facts) == 40


def test_some_rows_can_be_looked_at_by_themselves(source, tmp_path):
    found, _ = look(source, tmp_path, rows=[3, 5])
    assert [f.image_path for f in found.facts] == ["images/003.png", "images/005.png"]
