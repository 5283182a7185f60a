"""The tiny segmenter in float64, which makes the whole run compute in float64.

Adam turns the rounding errors of a gradient that is zero by symmetry into steps of full length,
so that two sound trainings in float32 drift apart; in float64 they must agree.
"""

import torch
from torch import nn

SEGMENTER = "tests.workflows.doubles:make_segmenter"


class WithSpare(nn.Sequential):
    """A network with a parameter that its loss never reaches."""

    def __init__(self, *layers):
        super().__init__(*layers)
        self.spare = nn.Parameter(torch.ones(2, 2))


def make_segmenter(num_classes):
    torch.set_default_dtype(torch.float64)
    torch.Tensor.float = torch.Tensor.double
    return WithSpare(
        nn.Conv2d(3, 8, 3, stride=2, padding=1),
        nn.BatchNorm2d(8),
        nn.ReLU(),
        nn.Conv2d(8, 8, 3, stride=2, padding=1),
        nn.ReLU(),
        nn.Conv2d(8, num_classes, 1),
    )
