import ctypes
import os
import subprocess
import sys

import pytest

CODE = """
import numpy as np, resource
from curate.cli.memory import keep_memory
if {keeps}:
    keep_memory()

def faults():
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt

np.ones(2**23)
before = faults()
for _ in range(10):
    np.ones(2**23)
print(faults() - before)
"""


def count_corruptions(*, keeps, **variables):
    """Pages that the system provides while 64 MiB are asked for and freed ten times."""
    environment = {k: v for k, v in os.environ.items() if not k.startswith("MALLOC_")}
    done = subprocess.run(
        [sys.executable, "-c", CODE.format(keeps=keeps)],
        env=environment | {"PYTHONPATH": os.pathsep.join(sys.path)} | variables,
        capture_output=True,
        text=True,
        check=True,
    )
    return int(done.stdout)


@pytest.mark.skipif(
    sys.platform != "linux" or not hasattr(ctypes.CDLL(None), "mallopt"), reason="needs glibc"
)
def test_freed_memory_is_used_again_without_the_system():
    plain = count_corruptions(keeps=False)
    assert count_corruptions(keeps=True) < plain / 4
    assert count_corruptions(keeps=True, MALLOC_ARENA_MAX="4") > plain / 2  # the person decides
