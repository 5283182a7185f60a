"""What the README shows works as typed."""

import re
import shlex
from pathlib import Path

import pytest

from curate.cli import main
from curate.scores.score_file import ScoreFile
from tests.tiny import CLASSES, SEGMENTER, tiny_config, write_dataset

README = (Path(__file__).parent.parent / "README.md").read_text(encoding="utf-8")
TINY_TOML = f"""
classes = {list(CLASSES)}
[[real]]
path = "real"
[[synthetic]]
path = "synthetic"
[fit]
method = "hierarchical"
segmenter = "{SEGMENTER}"
size = [32, 48]
steps = 3
batch_size = 4
[method]
inputs = ["image"]
"""


def blocks(language):
    return re.findall(rf"```{language}\n(.*?)```", README, re.DOTALL)


@pytest.fixture
def project(tmp_path, monkeypatch):
    """A folder with a curate.toml and a data set called gta5."""
    tiny_config(tmp_path)
    write_dataset(tmp_path / "gta5", 10, is_flat=True, seed=4)
    (tmp_path / "curate.toml").write_text(TINY_TOML.replace("'", '"'))
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def run(monkeypatch):
    """Run a line as the shell would."""

    def call(line):
        monkeypatch.setattr("sys.argv", shlex.split(line))
        with pytest.raises(SystemExit) as end:
            main()
        assert end.value.code in (0, None), line

    return call


def test_product_lines_run_as_typed(project, run):
    (lines,) = [block.splitlines() for block in blocks("sh") if block.startswith("curate fit")]
    assert lines == [
        "curate fit",
        "curate score gta5/ --out weights.h5",
        "curate export-subset --top 30%",
    ]
    for line in lines:
        run(line)
    assert len(ScoreFile(project / "weights.h5").images) == 10
    assert len(list((project / "subset/images").iterdir())) == 3


def test_lines_for_job_arrays_run_as_typed(project, run):
    (lines,) = [block.splitlines() for block in blocks("sh") if "curate merge" in block]
    run("curate fit")
    score, merge = lines
    for number in range(1, 9):
        run(score.replace("part1.h5", f"part{number}.h5").replace("1/8", f"{number}/8"))
    run(merge)
    scores = ScoreFile(project / "weights.h5")
    assert len(scores.images) == 10
    assert scores.is_ok.all()


def test_audit_line_runs_as_typed(project, run):
    (line,) = [block.strip() for block in blocks("sh") if block.startswith("curate audit")]
    write_dataset(project / "camvid/val", 3, is_flat=False, seed=5)
    run("curate fit")
    run(line)


def test_python_lines_run_as_typed(project):
    (program,) = blocks("python")
    exec(compile(program, "README.md", "exec"), {})
    assert len(list((project / "subset/images").iterdir())) == 3


@pytest.mark.parametrize("text", blocks("toml"))
def test_settings_shown_are_valid(tmp_path, text):
    from curate.config import load_config, parse
    from curate.methods import find_method

    (tmp_path / "curate.toml").write_text(text)
    config = load_config(tmp_path / "curate.toml")
    parse(find_method(config.fit.method).Settings, config.method, where="README")


def test_linked_files_exist():
    root = Path(__file__).parent.parent
    links = re.findall(r"\]\((?!http)([^)]+)\)", README)
    assert links
    assert [link for link in links if not (root / link).exists()] == []
