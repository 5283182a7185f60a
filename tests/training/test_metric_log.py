from __future__ import annotations

import errno

import pytest

from curate.errors import StoreError
from curate.training.metric_log import MetricLog


class FullDisk:
    """An event writer whose thread could not write."""

    def add_scalar(self, *_):
        raise OSError(errno.ENOSPC, "No space left on device")

    def flush(self):
        raise OSError(errno.ENOSPC, "No space left on device")


def test_disk_that_is_full_of_event_files_is_one_message(tmp_path):
    log = MetricLog(tmp_path)
    log.add(1, {"loss": 1.0})
    log._writer = FullDisk()
    with pytest.raises(StoreError, match=r"event files.*: No space left on device\. Free some"):
        log.add(2, {"loss": 0.5})
    with pytest.raises(StoreError, match="No space left on device"):
        log.write()
