from __future__ import annotations

import pytest

from curate.data.classes import resolve_classes
from curate.data.resolution import resolve_id_map
from curate.errors import ConfigError

CLASSES = resolve_classes(["sky", "road"])


def read(tmp_path, text):
    path = tmp_path / "mine.toml"
    path.write_text(text, encoding="utf-8")
    return resolve_id_map(str(path), CLASSES)


def test_everything_is_read(tmp_path):
    id_map = read(
        tmp_path,
        """
        ignore = [11, "#000000"]
        unmapped = "ignore"
        channel = "first"
        [ids]
        0 = "sky"
        700 = "road"
        [colours]
        "#804080" = "road"
        "70, 130,180" = "sky"
        """,
    )
    assert id_map.ids == {0: 0, 700: 1}
    assert id_map.ignored == {11, 255}
    assert id_map.colours == {(128, 64, 128): 1, (70, 130, 180): 0}
    assert id_map.ignored_colours == {(0, 0, 0), (255, 255, 255)}
    assert (id_map.unmapped, id_map.channel, id_map.name) == ("ignore", "first", "mine.toml")


def test_255_and_white_can_have_a_class(tmp_path):
    id_map = read(tmp_path, '[ids]\n255 = "sky"\n[colours]\n"#ffffff" = "sky"')
    assert id_map.ids == {255: 0}
    assert not id_map.ignored
    assert not id_map.ignored_colours


@pytest.mark.parametrize(
    ("text", "match"),
    [
        ('[ids]\n0 = "skye"', "'skye' is none of the classes in use. Did you mean 'sky'?"),
        ('[colours]\n"#zz0000" = "sky"', "'#zz0000' is no colour"),
        ('[colours]\n"1,2,256" = "sky"', "'1,2,256' is no colour"),
        ('[ids]\nx = "sky"', "valid integer"),
        ('[ids]\n70000 = "sky"', "less than or equal to 65535"),
        ('ignore = [-1]\n[ids]\n0 = "sky"', "greater than or equal to 0"),
        ('unmaped = "error"\n[ids]\n0 = "sky"', "unknown key 'unmaped'. Did you mean 'unmapped'?"),
        ("ignore = [3]", "no id or colour has a class"),
        ('ignore = [3]\n[ids]\n3 = "sky"', "3 is ignored and has a class"),
        ("[ids", "not valid TOML"),
    ],
)
def test_mistakes_are_named(tmp_path, text, match):
    with pytest.raises(ConfigError, match=match):
        read(tmp_path, text)


def test_missing_file_is_an_error(tmp_path):
    with pytest.raises(ConfigError, match=r"gone\.toml does not exist"):
        resolve_id_map(str(tmp_path / "gone.toml"), CLASSES)
