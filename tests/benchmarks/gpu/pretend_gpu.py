"""A pretended GPU: what a training step does to a device, counted on a machine that has none.

Its tensors lie on the CPU but say that they are on a device ``gpu``. They refuse to be mixed with
tensors of the CPU, as those of a GPU do, and what would make the host wait for a GPU, or copy to
it, is counted by the line of curate that does it::

    python -m tests.benchmarks.gpu.pretend_gpu [uniform hierarchical streams confidence]

At the end it goes the whole way on it: a preparation, a step, an evaluation, and scores.

It changes torch for the whole process (`torch.tensor`, the name of a backend), so import it in a
process of its own only.
"""

from __future__ import annotations

import argparse
import sys
from collections import Counter
from pathlib import Path

import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_map
from torch.utils.backend_registration import _setup_privateuseone_for_python_backend

import curate

_setup_privateuseone_for_python_backend("gpu")
torch.gpu.get_amp_supported_dtype = lambda: [torch.bfloat16]
GPU = torch.device("gpu", 0)
CURATE = f"{Path(curate.__file__).parent}/"

aten = torch.ops.aten
_WAITS = {
    aten._local_scalar_dense.default,
    aten.nonzero.default,
    aten.item.default,
    aten.masked_select.default,
    aten.is_nonzero.default,
    aten.bincount.default,
    aten._unique2.default,
    aten.equal.default,
    aten.repeat_interleave.Tensor,
}
_INDEXING = {
    aten.index.Tensor,
    aten.index_put.default,
    aten.index_put_.default,
    aten._index_put_impl_.default,
}
_MAY_MIX = _INDEXING | {
    aten.copy_.default,
    aten._to_copy.default,
    aten.set_.source_Storage,
}

WAITS: Counter[tuple[str, str]] = Counter()
"""How often the host waited for the device, by operation and line."""
COPIES: Counter[tuple[str, str]] = Counter()
"""How often something was copied to the device, by kind and line."""
OPERATIONS: Counter[str] = Counter()

_plain_tensor, _plain_as_tensor = torch.tensor, torch.as_tensor


class PretendedTensor(torch.Tensor):
    """A tensor of the CPU that says it is on the device."""

    @staticmethod
    def __new__(cls, inner):
        return torch.Tensor._make_wrapper_subclass(
            cls,
            inner.size(),
            strides=inner.stride(),
            storage_offset=inner.storage_offset(),
            dtype=inner.dtype,
            device=GPU,
            requires_grad=False,
        )

    def __init__(self, inner):
        self.inner = inner

    is_cuda = property(lambda _: True)

    def __repr__(self):
        return f"PretendedTensor({self.inner!r})"

    def __getitem__(self, index):
        return super().__getitem__(_to_device(index))

    def __setitem__(self, index, value):
        super().__setitem__(_to_device(index), value)

    def tolist(self):
        WAITS["tolist", calling_line()] += 1
        return self.inner.detach().tolist()

    def numpy(self, *args, **kwargs):
        msg = f"a tensor of the device cannot become a NumPy array: {calling_line()}"
        raise TypeError(msg)

    def new_tensor(self, data, dtype=None, device=None, requires_grad=False):
        made = _plain_tensor(data, dtype=dtype or self.dtype)
        return made.to(GPU) if device is None or is_device(device) else made

    @classmethod
    def __torch_dispatch__(cls, function, types, args=(), kwargs=None):
        return run(function, args, kwargs or {})


def is_device(device):
    """Tell whether a device is the pretended one, or a GPU, which it stands for."""
    return device is not None and torch.device(device).type in ("gpu", "cuda")


def calling_line():
    """Name the two innermost lines of curate that are being run."""
    lines, frame = [], sys._getframe(1)
    while frame is not None and len(lines) < 2:
        name = frame.f_code.co_filename
        if name.startswith(CURATE):
            lines.append(f"{name.removeprefix(CURATE)}:{frame.f_lineno}")
        frame = frame.f_back
    return " < ".join(lines) or "?"


def run(function, args, kwargs):
    """Run an operation on the tensors inside, and count what a device would make of it."""
    ours, others = _sort_tensors([args, kwargs])
    if ours and others and function not in _MAY_MIX:
        shapes = [tuple(tensor.shape) for tensor in others]
        msg = f"{function} mixes the device with tensors {shapes} of the CPU: {calling_line()}"
        raise RuntimeError(msg)
    OPERATIONS[str(function)] += 1
    _count(function, args, kwargs, has_ours=bool(ours))
    target = kwargs.get("device")
    if function is aten.copy_.default:
        on_device = isinstance(args[0], PretendedTensor)
    else:
        on_device = bool(ours) if target is None else is_device(target)
    inner_args, inner_kwargs = (tree_map(_unwrap, values) for values in (args, kwargs))
    if target is not None:
        inner_kwargs["device"] = torch.device("cpu")
    if function is not aten._pin_memory.default:
        inner_kwargs.pop("pin_memory", None)
    result = function(*inner_args, **inner_kwargs)
    name = function._schema.name
    if name.endswith("_") and not name.endswith("__") and isinstance(args[0], PretendedTensor):
        return args[0]  # an operation in place
    wrapped = {id(tensor.inner): tensor for tensor in ours}
    return tree_map(lambda value: _wrap(value, wrapped), result) if on_device else result


def _count(function, args, kwargs, *, has_ours):
    """Count waits and copies."""
    line = calling_line()
    if function in _WAITS and has_ours:
        WAITS[str(function), line] += 1
    if function in _INDEXING and has_ours:
        indices = [index for index in args[1] if index is not None]
        if any(index.dtype in (torch.bool, torch.uint8) for index in indices):
            WAITS[f"{function} by a mask", line] += 1
        if isinstance(args[0], PretendedTensor):
            COPIES["index", line] += any(not isinstance(i, PretendedTensor) for i in indices)
    if function is aten.copy_.default:
        to_device, from_device = (isinstance(value, PretendedTensor) for value in args[:2])
        COPIES["copy_", line] += to_device and not from_device
        WAITS["copy_ to the host", line] += from_device and not to_device
    if function is aten._to_copy.default and kwargs.get("device") is not None:
        from_device, to_device = isinstance(args[0], PretendedTensor), is_device(kwargs["device"])
        kind = "without waiting" if kwargs.get("non_blocking") else "waiting"
        COPIES[kind, line] += to_device and not from_device
        WAITS["copy to the host", line] += from_device and not to_device


def _sort_tensors(values):
    """Split all tensors in nested values: those of the device, and those with axes that are not."""
    found = [value for value in _flatten(values) if isinstance(value, torch.Tensor)]
    ours = [value for value in found if isinstance(value, PretendedTensor)]
    return ours, [v for v in found if not isinstance(v, PretendedTensor) and v.ndim > 0]


def _flatten(value):
    if isinstance(value, dict):
        value = list(value.values())
    if not isinstance(value, (list, tuple)):
        yield value
        return
    for item in value:
        yield from _flatten(item)


def _unwrap(value):
    return value.inner if isinstance(value, PretendedTensor) else value


def _wrap(value, wrapped):
    if not isinstance(value, torch.Tensor) or isinstance(value, PretendedTensor):
        return value
    return wrapped.get(id(value)) or PretendedTensor(value)


def _to_device(index):
    """Bring lists and arrays that index a tensor to the device, as torch does."""
    if isinstance(index, tuple):
        return tuple(_to_device(part) for part in index)
    if isinstance(index, (list, range)):
        return tensor(list(index), dtype=None if len(index) else torch.int64, device=GPU)
    return tensor(index, device=GPU) if type(index).__name__ == "ndarray" else index


def tensor(data, *args, device=None, **kwargs):
    """Stand in for `torch.tensor`."""
    made = _plain_tensor(data, *args, **kwargs)
    return made.to(GPU) if is_device(device) else made


def as_tensor(data, dtype=None, device=None):
    """Stand in for `torch.as_tensor`."""
    if isinstance(data, PretendedTensor):
        return data if dtype is None else data.to(dtype)
    made = _plain_as_tensor(data, dtype=dtype)
    return made.to(GPU) if is_device(device) else made


torch.tensor, torch.as_tensor = tensor, as_tensor


class Pretending(TorchDispatchMode):
    """Context in which tensors can be brought to the device, and made there."""

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        return run(function, args, kwargs or {})


def forget():
    """Start counting anew."""
    for counts in (WAITS, COPIES, OPERATIONS):
        counts.clear()


def count_step(method, num_steps=2):
    """Count what the steps of a method after the warm-up do, `num_steps` of them."""
    from curate.models.devices import Device
    from tests.benchmarks.gpu.steps import make_batches, make_trainer

    size = (32, 64)
    with Pretending():
        trainer = make_trainer(method, size, Device(GPU, use_bfloat16=False))
        batches = make_batches(num_steps + 1, size)
        trainer.step(0, batches[0])  # which folds what only predicts
        forget()
        for number, batch in enumerate(batches[1:], 1):
            trainer.step(number, batch)
    return WAITS.copy(), COPIES.copy(), OPERATIONS.copy()


def run_whole():
    """Prepare, train, evaluate and score by a tiny `Streams` on the device; return its scores."""
    from curate.config import Config
    from curate.models.devices import Device
    from curate.scoring.scorer import put_to_use, score_maps, share_weights
    from curate.training.networks import Networks
    from curate.training.trainer import Trainer
    from tests.methods.streams import making

    device = Device(GPU, use_bfloat16=False)
    clean = making.draw_images(8, "s0", is_real=False, seed=2)
    synthetic = making.corrupt(clean, appearance=True)
    preparation = making.make_preparation(synthetic)
    method = making.make_method(preparation, reference_steps=2, epochs=1, corruptions=["blur"])
    segmenter = making.build_segmenter(making.SEGMENTER, 2)
    settings = Config().with_fit(size=making.SIZE, batch_size=4, steps=4, warmup=0.0).fit
    with Pretending():
        trainer = Trainer(segmenter, method, stages=(), settings=settings, device=device)
        for _ in method.prepare(preparation):
            pass
        method.fusion.is_active.fill_(value=True)
        real = preparation.real
        both = making.Batch(
            torch.cat([real.images[:2], synthetic.images[:2]]),
            torch.cat([real.label_map[:2], synthetic.label_map[:2]]),
            torch.tensor([True, True, False, False]),
            (*real.keys[:2], *synthetic.keys[:2]),
        )
        trainer.step(2, both)
        trainer.evaluate([both], is_last=True)
        networks = put_to_use(Networks(segmenter, method, ()), device, making.SIZE)
        return score_maps(share_weights(networks), device, synthetic)


def main():
    """Print the counts a step of each method."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "methods", nargs="*", default=["uniform", "hierarchical", "streams", "confidence"]
    )
    num_steps = 2
    for method in parser.parse_args().methods:
        waits, copies, operations = count_step(method, num_steps)
        print(
            f"{method}, a step: {sum(operations.values()) / num_steps:.0f} operations, "
            f"{sum(waits.values()) / num_steps:.1f} waits, "
            f"{sum(copies.values()) / num_steps:.1f} copies to the device"
        )
        for name, counts in (("wait", waits), ("copy", copies)):
            for (kind, line), number in counts.most_common():
                if number:
                    print(f"  {number / num_steps:6.1f}  {name}: {kind}  {line}")
    print(f"the whole way with streams: scores of shape {tuple(run_whole().shape)}")


if __name__ == "__main__":
    main()
