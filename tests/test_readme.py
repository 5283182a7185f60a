"""What the READMEs show works as typed, and where they point there is something."""

import re
import shlex
from pathlib import Path

import pytest
import typer

from curate.cli import main
from curate.cli.app import app
from curate.scores.score_file import ScoreFile
from tests.test_contract import LINES
from tests.tiny import CLASSES, SEGMENTER, tiny_config, write_dataset

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")
TEXTS = (
    "README.md",
    ".github/CONTRIBUTING.md",
    "curate/README.md",
    "examples/README.md",
    "tests/README.md",
    "tests/benchmarks/README.md",
)
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


def blocks(language, text=README):
    return re.findall(rf"```{language}\n(.*?)```", text, re.DOTALL)


def code_of(text):
    """List what stands in code: spans in the prose, and lines of shell blocks."""
    spans = re.findall(r"`([^`]+)`", re.sub(r"```.*?```", "", text, flags=re.DOTALL))
    lines = [line for block in blocks("sh", text) for line in block.splitlines()]
    return [" ".join(code.split()) for code in [*spans, *lines]]


def commands(text):
    """List the command lines of curate."""
    return [code for code in code_of(text) if code.startswith("curate ")]


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


def test_lines_for_job_arrays_run_as_typed(project, run, monkeypatch):
    (score,) = [line for line in commands(README) if "--shard" in line]
    (merge,) = [line for line in commands(README) if line.startswith("curate merge")]
    run("curate fit")
    for number in range(1, 9):
        monkeypatch.setenv("SLURM_ARRAY_TASK_ID", str(number))
        run(score)
    run(merge)
    scores = ScoreFile(project / "w.h5")
    assert len(scores.images) == 10
    assert scores.is_ok.all()


@pytest.mark.slow
def test_audit_line_runs_as_typed(project, run):
    (line,) = [line for line in commands(README) if line.startswith("curate audit --")]
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
    parse(find_method(config.fit.method).Settings, config.method_settings, where="README")


def test_it_is_short():
    lines = README.splitlines()
    assert len(lines) <= 160
    assert [line for line in lines if len(line) > 110] == []


def options():
    """Return the options of each command."""
    return {
        name: {
            option for param in command.params for option in (*param.opts, *param.secondary_opts)
        }
        for name, command in typer.main.get_command(app).commands.items()
    }


@pytest.mark.parametrize("name", TEXTS)
def test_commands_have_the_options_that_are_shown(name):
    known = options()
    for line in commands((ROOT / name).read_text(encoding="utf-8")):
        command, *rest = line.split()[1:]
        if command.startswith("-"):  # curate --help
            continue
        assert command in known, line
        shown = {word for word in rest if word.startswith("--")}
        assert shown <= known[command], line


def test_options_shown_by_themselves_exist():
    shown = {code.split()[0] for code in code_of(README) if code.startswith("--")}
    assert {"--json", "--overwrite", "--resume", "--real"} <= shown
    assert shown <= set().union(*options().values())


def anchors(path):
    """List the anchors of a file's headings, as Markdown makes them."""
    heads = re.findall(r"^#+ (.*)$", path.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w -]", "", head.lower()).replace(" ", "-") for head in heads}


@pytest.mark.parametrize("name", TEXTS)
def test_links_lead_somewhere(name):
    text = (ROOT / name).read_text(encoding="utf-8")
    links = re.findall(r"\]\((?!http)([^)]+)\)", text)
    assert links or name == "tests/benchmarks/README.md"
    for link in links:
        file, _, anchor = link.partition("#")
        path = ((ROOT / name).parent / file).resolve() if file else ROOT / name
        assert path.exists(), link
        assert not anchor or anchor in anchors(path), link


def test_the_house_is_described_as_it_is():
    text = (ROOT / "curate/README.md").read_text(encoding="utf-8")
    for package in (package for line in LINES for package in line):
        is_room = (ROOT / "curate" / package).is_dir()
        assert (f"[`{package}/`]" if is_room else package) in text
    rows = [line.strip("|").split("|") for line in text.splitlines() if line.startswith("| a")]
    assert len(rows) > 10
    for _, write, name_in, test in rows:
        paths = re.findall(r"`((?:curate|tests)/[^`]+)`", write + name_in + test)
        assert [path for path in paths if "<" not in path and not (ROOT / path).exists()] == []
        for name in re.findall(r"`([A-Z_]+)`", name_in):
            source = (ROOT / paths[-2]).read_text(encoding="utf-8")
            assert re.search(rf"^{name}\b", source, re.MULTILINE), name
