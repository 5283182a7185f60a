from __future__ import annotations

import os

import pytest

from curate.config import RENAMED, Config, FitConfig, load_config, parse
from curate.errors import ConfigError
from curate.methods.streams.settings import StreamsSettings


def write(folder, text):
    path = folder / "curate.toml"
    path.write_text(text, encoding="utf-8")
    return path


def test_without_a_file_the_defaults_hold(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    config = load_config()
    assert config.fit == FitConfig()
    assert (config.real, config.synthetic, config.root) == ((), (), tmp_path)


def test_file_of_the_working_directory_is_found(tmp_path, monkeypatch):
    write(tmp_path, "[fit]\nsteps = 7\n")
    monkeypatch.chdir(tmp_path)
    assert load_config().fit.steps == 7


def test_paths_are_relative_to_the_file(tmp_path, monkeypatch):
    (tmp_path / "project").mkdir()
    text = '[[real]]\npath = "a/b"\nid_map = "ids.toml"\n[[synthetic]]\npath = "/c"\nid_map="gta5"'
    path = write(tmp_path / "project", text)
    monkeypatch.chdir(tmp_path)
    config = load_config(path.relative_to(tmp_path))
    root = tmp_path / "project"
    assert config.root == root
    assert config.real[0].path == root / "a/b"
    assert config.real[0].id_map == str(root / "ids.toml")
    assert config.synthetic[0].path.as_posix() == "/c"
    assert config.synthetic[0].id_map == "gta5"


def test_named_file_must_exist(tmp_path):
    with pytest.raises(
        ConfigError, match=r"none\.toml does not exist\. Create it with 'curate ini"
    ):
        load_config(tmp_path / "none.toml")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[fit]\nstep = 5", r"unknown key 'fit\.step'\. Did you mean 'steps'\?"),
        ("reel = []", r"unknown key 'reel'\. Did you mean 'real'\?"),
        (
            "[[real]]\npath = 'a'\nidmap = 'x'",
            r"unknown key 'real\.idmap'\. Did you mean 'id_map'\?",
        ),
        ("[fit]\nzzzzzz = 5", r"unknown key 'fit\.zzzzzz'\. Known keys: method, segmenter"),
        ("root = '/'", "unknown key 'root': paths are relative"),
        ("[fit]\nsteps = 0", r"fit\.steps: .* greater than or equal to 1 \(given: 0\)"),
        ("[fit]\nbatch_size = 3", r"fit\.batch_size: .*batch_size = 3 is odd"),
        ("[fit]\nsize = [16, 64]", r"fit\.size: .*both sides need at least 32 pixels"),
        ("[fit]\ndevice = 'tpu'", r"fit\.device: .*'auto', 'cpu' or 'cuda'"),
        ("[augment]\nscale = [2.0, 1.0]", r"augment\.scale: .*is no range"),
        ("[[real]]\nlayout = 'folder'", r"real\.path: Field required"),
        ("[fit\n", r"curate\.toml is not valid TOML"),
        ('[fit]\nsteps = "20"', "fit.steps: .*a number is required, without quotes"),
        ("[fit]\nsteps = true", "fit.steps: .*a number is required"),
    ],
)
def test_what_is_wrong_is_named(tmp_path, text, message):
    with pytest.raises(ConfigError, match=message):
        load_config(write(tmp_path, text))


def test_old_name_of_a_setting_is_an_error_that_names_the_new_one():
    for old, new in RENAMED.items():
        if new not in StreamsSettings.model_fields:
            continue
        with pytest.raises(ConfigError, match=f"here: '{old}' is called '{new}' now"):
            parse(StreamsSettings, {old: 1}, where="here")
    with pytest.raises(ConfigError, match=r"'real\.labels' is called 'id_map' now\. Rename it"):
        parse(Config, {"real": [{"path": "a", "labels": "gta5"}]}, where="here")
    with pytest.raises(ConfigError, match="unknown key 'faults'"):  # which [fit] never had
        parse(FitConfig, {"faults": 1}, where="here")


def test_file_of_another_encoding_is_named(tmp_path):
    path = tmp_path / "curate.toml"
    path.write_bytes("classes = ['straße']".encode("latin-1"))
    with pytest.raises(ConfigError, match=r"curate\.toml is not valid TOML: it is not in UTF-8"):
        load_config(path)


def test_folder_in_place_of_a_file_is_named(tmp_path):
    with pytest.raises(ConfigError, match="cannot be read"):
        load_config(tmp_path)


def test_given_settings_beat_the_file_and_none_does_not():
    config = Config(fit=FitConfig(steps=5, seed=3))
    changed = config.with_fit(steps=9, seed=None, size=(64, 96))
    assert (changed.fit.steps, changed.fit.seed, changed.fit.size) == (9, 3, (64, 96))
    assert config.fit.steps == 5


def test_zero_is_a_given_setting():
    assert Config(fit=FitConfig(seed=3)).with_fit(seed=0).fit.seed == 0


def test_given_settings_are_checked():
    with pytest.raises(ConfigError, match=r"\[fit\]: batch_size: .*7 is odd"):
        Config().with_fit(batch_size=7)


def test_place_of_the_table_stands_before_the_problem():
    with pytest.raises(ConfigError, match=r"^here: unknown key 'stepz'"):
        parse(FitConfig, {"stepz": 1}, where="here")


def test_value_too_long_to_show_is_no_crash(tmp_path):
    (tmp_path / "curate.toml").write_text("classes = 0x" + "f" * 6_000)
    with pytest.raises(ConfigError, match="too long to show"):
        load_config(tmp_path / "curate.toml")


def test_tilde_is_the_home_folder_in_every_path(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    (tmp_path / "curate.toml").write_text(
        """
real = [{ path = "~/real", id_map = "~/ids.toml" }]
synthetic = [{ path = "~nobody-of-this-name/s" }]
test = [{ path = "~/test" }]
arm = [{ name = "a", real = [{ path = "~/arm" }] }]
fit = { start_from = "~/run", backbone_weights = "~/w.pth" }
"""
    )
    config, home = load_config(tmp_path / "curate.toml"), tmp_path / "home"
    assert (config.real[0].path, config.real[0].id_map) == (home / "real", f"{home}/ids.toml")
    assert config.synthetic[0].path == tmp_path / "~nobody-of-this-name/s"
    assert (config.test[0].path, config.arm[0].real[0].path) == (home / "test", home / "arm")
    assert (config.fit.start_from, config.fit.backbone_weights) == (home / "run", f"{home}/w.pth")


def test_pipe_in_the_place_of_the_file_is_named(tmp_path):
    os.mkfifo(tmp_path / "curate.toml")
    with pytest.raises(ConfigError, match="cannot be read: it is no ordinary file"):
        load_config(tmp_path / "curate.toml")


def test_methods_have_tables_of_their_own(tmp_path):
    (tmp_path / "curate.toml").write_text(
        '[method.streams]\nfolds = 4\n[method.given]\nmaps = ["w.h5"]\n[method.uniform]\n'
    )
    config = load_config(tmp_path / "curate.toml")
    assert config.method_settings == {"folds": 4}
    assert config.with_fit(method="streams:permuted").method_settings == {"folds": 4}
    assert config.with_fit(method="given").method_settings == {"maps": [str(tmp_path / "w.h5")]}
    assert config.with_fit(method="confidence").method_settings == {}


def test_settings_of_whichever_method_stand_beside_the_tables():
    config = Config(method={"folds": 3, "streams": {"clip": 2.0, "folds": 5}})
    assert config.with_fit(method="streams").method_settings == {"folds": 5, "clip": 2.0}
    assert config.with_fit(method="confidence").method_settings == {"folds": 3}
