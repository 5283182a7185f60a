"""What an image costs in each part of scoring, in float32 and bfloat16, plain and folded."""

from __future__ import annotations

import copy
import time
from statistics import median

import torch
import torch.nn.functional as F
from torch import nn
from torch.nn.utils.fusion import fuse_conv_bn_weights

from tests.benchmarks.gpu.steps import BATCH, NUM_CLASSES, trainer_of


def gpu_ms(check, function):
    """Median milliseconds of a call, by the GPU's events; by the clock on a CPU."""
    function()
    found = []
    for _ in range(2 if check.is_dry else 12):
        if check.is_dry:
            began = time.perf_counter()
            function()
            found.append((time.perf_counter() - began) * 1e3)
            continue
        first, last = (torch.cuda.Event(enable_timing=True) for _ in range(2))
        first.record()
        function()
        last.record()
        torch.cuda.synchronize()
        found.append(first.elapsed_time(last))
    return median(found[0 if check.is_dry else 2 :])


def fold(network):
    """Copy a network with its batch normalisation folded into the convolutions before it."""
    network = copy.deepcopy(network).eval()
    _fold_children(network)
    return network.to(memory_format=torch.channels_last)


def _fold_children(module):
    before = None
    for name, child in list(module.named_children()):
        if isinstance(child, nn.modules.batchnorm._BatchNorm) and isinstance(before, nn.Conv2d):
            weight, bias = fuse_conv_bn_weights(
                before.weight,
                before.bias,
                child.running_mean,
                child.running_var,
                child.eps,
                child.weight,
                child.bias,
            )
            before.weight = nn.Parameter(weight, requires_grad=False)
            before.bias = nn.Parameter(bias, requires_grad=False)
            setattr(module, name, getattr(child, "act", nn.Identity()))
            before = None
            continue
        _fold_children(child)
        before = child if isinstance(child, nn.Conv2d) else None


def _as_nchw(network):
    """Copy a segmenter in the other memory layout."""
    network = copy.deepcopy(network).to(memory_format=torch.contiguous_format)
    network.memory_format = torch.contiguous_format
    return network


@torch.no_grad()
def parts(check):
    """Milliseconds an image of segmenter, encoder and the networks of all streams."""
    trainer = trainer_of(check, "streams", "float32")
    method, segmenter = trainer.method.eval(), trainer.segmenter.eval()
    device = trainer.device.device
    images = torch.rand(BATCH, 3, *check.size, device=device)
    cells = (BATCH, check.size[0] // 4, check.size[1] // 4)
    labels = torch.randint(0, NUM_CLASSES, cells, device=device)
    stages, enlarge = method.settings.appearance, method.settings.enlarge

    def encode(encoder):
        """`encode_appearance`, without its cast to half, which autocast to bfloat16 refuses."""
        for part in images.split(3):
            large = F.interpolate(part, scale_factor=float(enlarge), mode="bilinear")
            encoder.encode(large, stages)

    networks = {
        "segmenter": (segmenter, lambda network: network(images)),
        "segmenter, folded": (fold(segmenter), lambda network: network(images)),
        "segmenter, NCHW": (_as_nchw(segmenter), lambda network: network(images)),
        "encoder at 3x": (method.encoder, encode),
        "encoder at 3x, folded": (fold(method.encoder), encode),
    }
    for precision in ("fp32", "bf16"):
        autocast = torch.autocast(device.type, torch.bfloat16, enabled=precision == "bf16")
        for name, (network, call) in networks.items():
            with autocast:
                milliseconds = gpu_ms(check, lambda call=call, network=network: call(network))
            check.put(f"image: {name} {precision}, ms", milliseconds / BATCH)
    features = method._extract(0, images, labels)
    milliseconds = gpu_ms(check, lambda: method._posteriors([features for _ in method._folds]))
    check.put("image: networks of all streams, all folds fp32, ms", milliseconds / BATCH)
