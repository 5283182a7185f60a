"""Jobs of two processes, as a user starts them."""

import os
import subprocess
import sys

NUM_PROCESSES = 2
TIMEOUT_S = 120
NOTICE_S = 3
"""After which torchrun looks for dead processes, where one is to die: else it may stop the other
one before that has noticed and said so."""


def run_job(root, *arguments, one_dies=False, **variables):
    """Run ``torchrun ARGUMENTS`` in a folder, with more environment variables."""
    command = [
        *(sys.executable, "-m", "torch.distributed.run", "--standalone"),
        *("--nproc-per-node", str(NUM_PROCESSES)),
        *(("--monitor-interval", str(NOTICE_S)) if one_dies else ()),
        *map(str, arguments),
    ]
    return subprocess.run(
        command,
        cwd=root,
        env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)} | variables,
        capture_output=True,
        text=True,
        check=False,
        timeout=TIMEOUT_S,
    )


def told(done):
    """Messages of the command line on stderr."""
    lines = done.stderr.splitlines()
    return [line for line in lines if line.startswith(("error: ", "warning: "))]


def assert_says_once_that_a_process_died(dead):
    errors = [line for line in told(dead) if line.startswith("error: ")]
    assert len(errors) == 1
    assert "Another process of this job ended" in errors[0]
    assert "--resume" in errors[0]
