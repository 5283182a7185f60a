import torch
from torch import nn

from curate.models.batchnorm import GlobalBatchNorm


def gradient_of_bias(*, is_used_elsewhere):
    torch.manual_seed(0)
    conv, norm = nn.Conv2d(3, 4, 3), GlobalBatchNorm(nn.BatchNorm2d(4))
    output = conv(torch.randn(2, 3, 9, 9))
    loss = (norm(output) ** 3 * torch.randn_like(output)).sum()
    if is_used_elsewhere:
        loss = loss + output.sum()
    loss.backward()
    return conv.bias.grad


def test_bias_that_is_normalised_away_rests():
    assert gradient_of_bias(is_used_elsewhere=False).tolist() == [0, 0, 0, 0]


def test_bias_of_an_output_that_is_used_elsewhere_too_learns_from_there():
    gradient = gradient_of_bias(is_used_elsewhere=True)
    torch.testing.assert_close(gradient, torch.full((4,), 98.0))  # 2 images of 7 x 7 cells
