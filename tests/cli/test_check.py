import json

import pytest
from typer.testing import CliRunner

import curate
from curate.cli.app import app
from curate.cluster.ray_cluster import Cluster
from tests.checking import making


@pytest.fixture
def project(tmp_path, monkeypatch):
    making.write_project(tmp_path)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("curate.costs._measure_pace", lambda: 1.0)
    return tmp_path


def run(*args):
    return CliRunner().invoke(app, ["check", *args])


def test_sound_project_exits_0_and_says_what_is_next(project):
    result = run()
    assert result.exit_code == 0
    assert "46 of 46 images can be used; nothing is wrong." in result.stdout
    assert "Next: curate fit\n" in result.stdout


def test_folder_by_itself_is_led_to_a_curate_toml(project):
    (project / "synth").rename(project / "other")
    result = run(str(project / "other"))
    assert "Next: curate fit  # once a curate.toml names it (curate init" in result.stdout


def test_error_exits_1_and_is_named(project):
    making.edit_all(project / "synth", lambda a: a + 1)
    result = run("curate.toml")
    assert result.exit_code == 1
    assert "error: ids_without_map in synth" in result.stdout
    assert "(no class)" in result.stdout


def test_warnings_alone_exit_0(project):
    making.edit_label(project / "synth/images/003.png", lambda a: a * 0)
    result = run()
    assert result.exit_code == 0
    assert "warning: blank_image: 1 file in synth" in result.stdout


def test_report_fits_80_columns(project):
    making.edit_all(project / "synth", lambda a: a + 1)
    making.edit_label(project / "real/labels/003.png", lambda a: a[:-1])
    lines = run().stdout.splitlines()
    assert max(map(len, lines)) <= 80


def test_json_is_one_object_with_every_problem(project):
    (project / "synth/labels/003.png").unlink()
    result = run("--json")
    found = json.loads(result.stdout)
    assert (found["images"], found["ok"], result.exit_code) == (46, 45, 1)
    assert set(found["minutes"]) == {"fit", "score"}
    (problem,) = found["problems"]
    assert {key: problem[key] for key in ("file", "code", "severity")} == {
        "file": "images/003.png",
        "code": "missing_label",
        "severity": "error",
    }
    assert "has no label" in problem["message"]


def test_single_set_is_read_as_the_options_say(project):
    ids = '[ids]\n0 = "a"\n1 = "b"\n2 = "c"\n'
    (project / "ids.toml").write_text(ids)
    (project / "curate.toml").unlink()
    result = run("synth", "--id-map", "ids.toml", "--json")
    found = json.loads(result.stdout)
    assert result.exit_code == 1
    assert {p["code"] for p in found["problems"]} == {"wrong_id_map"}


def test_fix_list_is_written_and_not_replaced(project):
    (project / "synth/labels/003.png").unlink()
    result = run("--fix-list", "fixes.toml")
    assert "fixes.toml (1 file)" in result.stdout
    assert 'file = "images/003.png"\ncode = "missing_label"' in (project / "fixes.toml").read_text()
    assert run("--fix-list", "fixes.toml").exit_code == 2
    assert run("--fix-list", "fixes.toml", "--overwrite").exit_code == 1


def test_folder_that_is_not_there_is_an_error(project):
    result = run("nowhere")
    assert result.exit_code == 1
    assert "does not exist" in result.stderr


def test_folder_that_no_layout_fits_has_neither_table_nor_estimate(project):
    (project / "odd").mkdir()
    (project / "odd/notes.txt").write_text("nothing")
    done = run("odd")
    assert done.exit_code == 1
    assert done.stdout.startswith("error: ")
    assert "Roughly" not in done.stdout
    assert "1 kind of error." in done.stdout


def test_options_about_a_cluster_are_handed_on(project, monkeypatch):
    given, plain = [], curate.check

    def look(*args, ray, **options):
        given.append(ray)
        return plain(*args, **options)

    monkeypatch.setattr("curate.check", look)
    assert run("--ray", "--ray-address", "10.0.0.1:6379", "--ray-cpus", "2").exit_code == 0
    assert run().exit_code == 0
    assert given == [Cluster("10.0.0.1:6379", 2), None]
    assert run("--ray-address", "10.0.0.1:6379").exit_code == 2


def test_ids_without_names_are_said_to_be_their_own(project):
    (project / "curate.toml").unlink()
    assert "each id stands for itself" in run("synth").stdout
    making.write_toml(project)
    assert "each id stands for itself" not in run("synth").stdout


def test_one_kind_of_warning_about_several_sets_is_one_kind(project):
    text = (project / "curate.toml").read_text().replace("[48, 64]", "[64, 64]")
    (project / "curate.toml").write_text(text)
    done = run()
    assert done.stdout.count("warning: aspect_ratio in") > 1
    assert "1 kind of warning." in done.stdout
