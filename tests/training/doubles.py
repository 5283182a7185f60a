"""Tiny segmenters in float64, which make the whole run compute in float64.

Adam turns the rounding errors of a gradient that is zero by symmetry into steps of full length,
so that two sound trainings in float32 drift apart; in float64 they must agree.
"""

import os
import signal
import time

import torch
from torch import nn

from curate.job import this_process
from tests import tiny

SEGMENTER = "tests.training.doubles:make_segmenter"
WITH_BATCHNORM = "tests.training.doubles:make_with_batchnorm"
DIES_AT, STOPS_AT = "TEST_DIES_AT", "TEST_STOPS_AT"
"""Step at which the second process is killed; at which the job is told to stop."""


class Accident(nn.Sequential):
    """A network with a parameter that its loss never reaches, and with accidents on request."""

    def __init__(self, *layers):
        super().__init__(*layers)
        self.spare = nn.Parameter(torch.ones(2, 2))
        self.step = 0

    def forward(self, images):
        if self.training:
            self.step += 1
            if self.step == int(os.environ.get(DIES_AT, 0)) and this_process().rank == 1:
                os.kill(os.getpid(), signal.SIGKILL)
            if STOPS_AT in os.environ and self.step >= int(os.environ[STOPS_AT]):
                if self.step == int(os.environ[STOPS_AT]) and this_process().rank == 0:
                    os.kill(os.getppid(), signal.SIGTERM)
                time.sleep(0.05)  # until the signal has come back from there
        return super().forward(images)


def make_segmenter(num_classes, make=tiny.make_shareable_segmenter):
    torch.set_default_dtype(torch.float64)
    torch.Tensor.float = torch.Tensor.double
    return Accident(*make(num_classes))


def make_with_batchnorm(num_classes):
    return make_segmenter(num_classes, tiny.make_segmenter)
