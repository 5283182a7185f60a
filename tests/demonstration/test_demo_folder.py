import pytest

from curate.demonstration import demo_folder
from curate.errors import UsageError

SETTINGS = "# The settings of a demo.\nseed = 0\n"


@pytest.fixture
def demo(tmp_path):
    """An interrupted demo: settings, a world, and what a killed process set aside."""
    out = tmp_path / "demo"
    demo_folder.prepare(out, SETTINGS, resume=False, overwrite=False)
    (out / "real").mkdir()
    (out / ".subset.partial-1-0000000a-0000000a").mkdir()
    return out


def prepare(out, *, settings=SETTINGS, resume=False, overwrite=False):
    demo_folder.prepare(out, settings, resume=resume, overwrite=overwrite)


def test_new_or_empty_folder_gets_the_settings(tmp_path):
    for out in (tmp_path / "empty", tmp_path / "a" / "new"):
        if out.name == "empty":
            out.mkdir()
        prepare(out)
        assert (out / "curate.toml").read_text() == SETTINGS


def test_demo_goes_on_or_is_replaced_only_if_asked(demo):
    with pytest.raises(UsageError, match=r"a demo\. Go on with --resume, replace it with --overw"):
        prepare(demo)
    prepare(demo, resume=True)
    assert (demo / "real").exists()
    prepare(demo, overwrite=True)
    assert [path.name for path in demo.iterdir()] == ["curate.toml"]


def test_demo_of_another_seed_does_not_go_on_but_is_replaced(demo):
    other = SETTINGS.replace("0", "1")
    with pytest.raises(UsageError, match="of other settings than this demo"):
        prepare(demo, settings=other, resume=True)
    prepare(demo, settings=other, overwrite=True)
    assert (demo / "curate.toml").read_text() == other


@pytest.mark.parametrize("option", ["resume", "overwrite"])
@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("thesis.txt", "years of work", "holds 'thesis.txt', which 'curate demo' did not write"),
        ("curate.toml", "# My own.\n", "of other settings"),
        ("curate.toml", None, "exists and is not empty"),
    ],
)
def test_what_is_no_demo_stays(demo, option, name, content, message):
    (demo / name).unlink(missing_ok=True)
    if content:
        (demo / name).write_text(content)
    before = sorted(demo.iterdir())
    with pytest.raises(UsageError, match=f"{message}.* Name a new folder"):
        prepare(demo, **{option: True})
    assert sorted(demo.iterdir()) == before


def test_file_and_link_to_nothing_stay(tmp_path):
    (tmp_path / "file").write_text("mine")
    (tmp_path / "link").symlink_to("nowhere")
    for name in ("file", "link"):
        with pytest.raises(UsageError, match="exists and is not empty"):
            prepare(tmp_path / name, overwrite=True)


def test_both_flags_exclude_each_other(demo):
    with pytest.raises(UsageError, match="exclude each other"):
        prepare(demo, resume=True, overwrite=True)
