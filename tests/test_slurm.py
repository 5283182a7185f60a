"""Slurm itself, on this machine: the scripts in ``examples/slurm``."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

import pytest

from curate.scores.merge import merge
from curate.scores.score_file import ScoreFile
from curate.scoring.score import score
from curate.training.fit import fit
from tests.tiny import tiny_config, write_dataset

SCRIPTS = Path(__file__).parent.parent / "examples/slurm"
NEEDED = ("slurmctld", "slurmd", "munged", "sbatch", "srun", "runuser")
TIMEOUT_S = 180

CONF = """\
ClusterName=curate
SlurmctldHost={host}(127.0.0.1)
SlurmctldPort={ctld_port}
SlurmdPort={slurmd_port}
SlurmUser=root
AuthType=auth/munge
CredType=cred/munge
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd.pid
SlurmctldLogFile={folder}/slurmctld.log
SlurmdLogFile={folder}/slurmd.log
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SchedulerType=sched/builtin
SchedulerParameters=requeue_delay=1
SelectType=select/cons_tres
SelectTypeParameters=CR_Core
ReturnToService=2
NodeName={host} NodeAddr=127.0.0.1 CPUs={cpus} RealMemory=1000 State=UNKNOWN
PartitionName=curate Nodes=ALL Default=YES MaxTime=INFINITE State=UP
"""

SLOW = """\
#!{python}
import sys, time
from curate.scoring.tally import Tally
add = Tally.add
def add_slowly(self, images):
    time.sleep({pause})
    add(self, images)
Tally.add = add_slowly
from curate.cli import main
main()
"""

pytestmark = [pytest.mark.slurm, pytest.mark.slow]


def free_port():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


def wait_until(is_so, what):
    end = time.monotonic() + TIMEOUT_S
    while time.monotonic() < end:
        if is_so():
            return
        time.sleep(0.3)
    pytest.fail(f"waited for {TIMEOUT_S} s: {what}")


@pytest.fixture(scope="module")
def cluster(tmp_path_factory):
    """A cluster of one node; SLURM_CONF points to it."""
    lacking = [name for name in NEEDED if shutil.which(name) is None]
    if lacking:
        pytest.skip(f"{', '.join(lacking)} not installed (Debian: slurm-wlm and munge)")
    if os.geteuid() != 0:
        pytest.skip("the daemons of Slurm are started by root only")
    folder = tmp_path_factory.mktemp("slurm")
    (folder / "state").mkdir()
    ports = {"ctld_port": free_port(), "slurmd_port": free_port()}
    host, cpus = socket.gethostname().partition(".")[0], os.cpu_count()
    conf = folder / "slurm.conf"
    conf.write_text(CONF.format(folder=folder, host=host, cpus=cpus, **ports))
    os.environ["SLURM_CONF"] = str(conf)
    started = [folder / "slurmctld.pid", folder / "slurmd.pid"]
    if not Path("/run/munge/munge.socket.2").is_socket():
        Path("/run/munge").mkdir(exist_ok=True)
        shutil.chown("/run/munge", "munge", "munge")
        subprocess.run(["runuser", "-u", "munge", "--", "munged"], check=True)
        started.append(Path("/run/munge/munged.pid"))
    subprocess.run(["slurmctld", "-f", str(conf)], check=True)
    subprocess.run(["slurmd", "-f", str(conf), "-N", host], check=True)
    try:
        wait_until(lambda: "idle" in tell("sinfo", "-h", "-o", "%T"), "the node to be idle")
        yield folder
    finally:
        for path in started:
            with suppress(OSError, ValueError):
                os.kill(int(path.read_text()), signal.SIGTERM)
        del os.environ["SLURM_CONF"]


def tell(*command):
    return subprocess.run(command, capture_output=True, text=True, check=False).stdout


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    """A folder with a finished run, 24 images to score, and their scores by one process."""
    root = tmp_path_factory.mktemp("project")
    config = tiny_config(root)
    run = fit(config).run
    write_dataset(root / "pool", 24, is_flat=True, seed=7)
    score(root / "pool", root / "alone.h5", config=config, run=run)
    return root, run


@pytest.fixture
def submit(cluster, project, tmp_path, monkeypatch):
    """Submit a script with a `curate` that pauses after each batch; return the id of the job."""
    root, _ = project
    command = tmp_path / "bin/curate"
    command.parent.mkdir()
    monkeypatch.setenv("PATH", f"{command.parent}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(sys.path))

    def call(script, *arguments, options=(), pause=0.0):
        command.write_text(SLOW.format(python=sys.executable, pause=pause))
        command.chmod(0o755)
        own = ["--parsable", "--mem=200", f"--output={tmp_path}/%a.log", "--cpus-per-task=1"]
        done = subprocess.run(
            ["sbatch", *own, *options, str(SCRIPTS / script), *map(str, arguments)],
            cwd=root,
            capture_output=True,
            text=True,
            check=True,
        )
        return done.stdout.strip()

    return call


def is_over(job):
    return tell("squeue", "-h", "-j", job) == ""


def same_scores(one, other):
    first, second = ScoreFile(one), ScoreFile(other)
    return first.images.equals(second.images) and first.regions.equals(second.regions)


def test_array_scores_all_parts_and_they_make_up_the_whole(submit, project, tmp_path):
    root, run = project
    out = tmp_path / "weights.h5"
    options = ("--array=1-3", "--export=ALL,PARTS=3")
    job = submit("score.sbatch", "pool", out, "--run", run, "--trust-run", options=options)
    wait_until(lambda: is_over(job), "the array to end")
    assert merge([f"{out}.parts"], out, root=tmp_path).parts == 3
    assert same_scores(out, root / "alone.h5")


def test_signal_before_the_time_is_up_saves_and_the_task_goes_on_when_queued_again(
    submit, project, tmp_path
):
    root, run = project
    out, log = tmp_path / "weights.h5", tmp_path / "1.log"
    options = ("--array=1-1", "--export=ALL,PARTS=2")
    arguments = ("--run", run, "--trust-run", "--workers", 0)
    job = submit("score.sbatch", "pool", out, *arguments, options=options, pause=3)
    wait_until(lambda: log.exists() and "score" in log.read_text(), "the first task to score")
    time.sleep(4)  # a batch is done, and not all are
    tell("scancel", "--signal=USR1", f"{job}_1")
    wait_until(lambda: "interrupted" in log.read_text(), "the task to save")
    wait_until(lambda: is_over(job), "the task to go on and end")
    told = log.read_text()
    assert "0 done before" not in told
    assert " done before" in told
    second = submit("score.sbatch", "pool", out, *arguments, options=("--array=2-2", options[1]))
    wait_until(lambda: is_over(second), "the second task to end")
    merge([f"{out}.parts"], out, root=tmp_path)
    assert same_scores(out, root / "alone.h5")


def test_training_over_nodes_starts_from_its_script(submit, project, tmp_path):
    options = ("--nodes=1", "--gpus-per-node=0", f"--export=ALL,PROCESSES=2,PORT={free_port()}")
    toml = tmp_path / "curate.toml"
    root, _ = project
    toml.write_text(
        f'classes = ["ground", "thing", "sky"]\n[[real]]\npath = "{root}/real"\n[[synthetic]]\n'
        f'path = "{root}/synthetic"\n[fit]\nsegmenter = "tests.tiny:make_shareable_segmenter"\n'
        'method = "uniform"\nsize = [32, 48]\nsteps = 4\nbatch_size = 4\ndevice = "cpu"\n'
    )
    run = tmp_path / "run"
    job = submit("fit.sbatch", "--config", toml, "--out", run, options=options)
    wait_until(lambda: is_over(job), "the training to end")
    assert (run / "run.json").exists(), [path.read_text() for path in tmp_path.glob("*.log")]
