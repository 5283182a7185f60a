"""One interface around any segmentation network."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

import torch
from torch import Tensor, nn

from curate.errors import ConfigError, RunError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from contextlib import AbstractContextManager

IMAGENET_MEAN: Final = (0.485, 0.456, 0.406)
IMAGENET_STD: Final = (0.229, 0.224, 0.225)

DECODER: Final = "decoder"
"""Name of the stage that every segmenter offers: what its last layer makes logits of."""

BACKBONE_RATE_RATIO: Final = 1 / 3
"""Learning rate of the pretrained part over that of the new part."""


@dataclass(frozen=True, slots=True)
class Prediction:
    """Output of a segmenter for N images.

    Attributes
    ----------
    logits : (N, C, h, w) float32
        At the network's own stride.
    features : dict of str to (N, F, h', w') float32
        Outputs of the requested stages, each at its own stride; part of the graph.
    """

    logits: Tensor
    features: dict[str, Tensor] = field(default_factory=dict)


class Segmenter(nn.Module):
    """Normalises images, runs a network, reads its logits and captures its stages.

    Parameters
    ----------
    network : Module
        Maps (N, 3, H, W) to a tensor of logits, a dict with ``"out"``, or an object with
        ``.logits``.
    num_classes : int
        C.
    mean, std : sequence of 3 float
        The network gets ``(image - mean) / std``, images being in [0, 1].
    stages : mapping of str to str
        Public name of a stage (``stride2`` .. ``stride32``, ``decoder``) to the submodule whose
        output it is. A ``decoder`` that is not named is the input of the last convolution with
        `num_classes` outputs.
    backbone_prefixes : sequence of str
        Submodules that learn at a third of the rate.
    multiple_of : int
        Images are padded (right and bottom, edge pixels repeated) to sides divisible by this;
        logits and features are cropped back.
    channels_last : bool
        Whether network and images are laid out channels last, which is faster for convolutions.
    """

    mean: Tensor
    std: Tensor
    autocast: Callable[[], AbstractContextManager[object]]
    """Context in which the network computes; by default that in which the segmenter is called."""

    def __init__(
        self,
        network: nn.Module,
        *,
        num_classes: int,
        mean: Sequence[float],
        std: Sequence[float],
        stages: Mapping[str, str],
        backbone_prefixes: Sequence[str],
        multiple_of: int = 1,
        channels_last: bool = False,
    ) -> None:
        super().__init__()
        self.network = network
        self.autocast = nullcontext
        self.num_classes = num_classes
        self.stages = dict(stages)
        self.backbone_prefixes = tuple(backbone_prefixes)
        self.multiple_of = multiple_of
        self.memory_format = torch.channels_last if channels_last else torch.contiguous_format
        # kept in checkpoints: they may come from a pretrained model that is not at hand later
        self.register_buffer("mean", torch.tensor(mean).view(1, 3, 1, 1))
        self.register_buffer("std", torch.tensor(std).view(1, 3, 1, 1))
        if channels_last:
            self.network.to(memory_format=torch.channels_last)

    def forward(self, images: Tensor, stages: Sequence[str] = ()) -> Prediction:
        """Predict the classes of `images`.

        Parameters
        ----------
        images : (N, 3, H, W) float32
            In [0, 1].
        stages : sequence of str
            Stages to capture: public names, or literal submodule names of the network.

        Raises
        ------
        ConfigError
            If a stage is unknown.
        RunError
            If the network, or a stage, returns something else than it must.
        """
        modules, taken_before = self._find_modules(stages)
        size = images.shape[-2:]
        inputs = self._prepare(images)
        with self.autocast(), capture_outputs(modules, inputs_of=taken_before) as captured:
            output = self.network(inputs)
        logits = self._read_logits(output, num_images=len(images))
        padded = inputs.shape[-2:]
        return Prediction(
            _crop(logits, size, padded),
            {name: _crop(captured[name], size, padded) for name in modules},
        )

    def encode(self, images: Tensor, stages: Sequence[str]) -> dict[str, Tensor]:
        """Return the outputs of `stages`, as `forward` does, and run the network no further."""
        modules, taken_before = self._find_modules(stages)
        inputs = self._prepare(images)
        watched = capture_outputs(modules, inputs_of=taken_before, stops=True)
        with self.autocast(), watched as captured:
            self.network(inputs)
        size, padded = images.shape[-2:], inputs.shape[-2:]
        return {name: _crop(captured[name], size, padded) for name in modules}

    def parameter_groups(self, learning_rate: float, weight_decay: float) -> list[dict[str, Any]]:
        """Split the trainable parameters for an optimiser.

        The backbone learns at `BACKBONE_RATE_RATIO` times `learning_rate`; biases and the
        parameters of normalisation layers (fewer than two axes) do not decay. Groups without
        parameters are left out.
        """
        groups: dict[tuple[bool, bool], list[nn.Parameter]] = {}
        for name, parameter in self.network.named_parameters():
            if parameter.requires_grad:
                key = (self._is_backbone(name), parameter.ndim > 1)
                groups.setdefault(key, []).append(parameter)
        return [
            {
                "params": parameters,
                "lr": learning_rate * (BACKBONE_RATE_RATIO if is_backbone else 1.0),
                "weight_decay": weight_decay if decays else 0.0,
            }
            for (is_backbone, decays), parameters in groups.items()
        ]

    def feature_channels(self, stages: Sequence[str], size: tuple[int, int]) -> dict[str, int]:
        """Find the number of channels of each stage by a dry run on one black image.

        Training modes and running statistics are left as they were.

        Parameters
        ----------
        stages : sequence of str
            As in `forward`.
        size : (int, int)
            Height and width of the image.
        """
        modes = [(module, module.training) for module in self.modules()]
        self.eval()
        try:
            with torch.no_grad():
                prediction = self(self.mean.new_zeros(1, 3, *size), stages)
        finally:
            for module, mode in modes:
                module.training = mode
        return {name: features.shape[1] for name, features in prediction.features.items()}

    def check_stages(self, stages: Sequence[str]) -> None:
        """Look stages up; a `ConfigError` as in `forward` if one is unknown."""
        self._find_modules(stages)

    def _prepare(self, images: Tensor) -> Tensor:
        """Normalise, pad and lay out images."""
        inputs = (images - self.mean) / self.std
        height, width = images.shape[-2:]
        bottom, right = -height % self.multiple_of, -width % self.multiple_of
        if bottom or right:
            inputs = nn.functional.pad(inputs, (0, right, 0, bottom), mode="replicate")
        return inputs.contiguous(memory_format=self.memory_format)

    def _find_modules(self, stages: Sequence[str]) -> tuple[dict[str, nn.Module], tuple[str, ...]]:
        """Look stages up, and tell of which of them the input is meant."""
        asks_last = DECODER in stages and DECODER not in self.stages
        last = self._find_last_layer() if asks_last else None
        if last is None:
            return {name: self._find_stage(name) for name in stages}, ()
        found = {name: last if name == DECODER else self._find_stage(name) for name in stages}
        return found, (DECODER,)

    def _find_stage(self, name: str) -> nn.Module:
        """Look up a stage by its public name, or a submodule of the network by its own."""
        path = self.stages.get(name, name)
        try:
            if path:
                return self.network.get_submodule(path)
        except AttributeError:
            pass
        known = ", ".join(self.stages) or "none by name"
        msg = (
            f"The segmenter has no stage '{name}'. Known stages: {known}; "
            f"any submodule of its {type(self.network).__name__} may be named, too."
        )
        raise ConfigError(msg)

    def _find_last_layer(self) -> nn.Module | None:
        """Look for the convolution that makes the logits, not that of an auxiliary output."""
        convolutions = [
            module
            for name, module in self.network.named_modules()
            if isinstance(module, nn.Conv2d) and "aux" not in name
        ]
        fitting = [module for module in convolutions if module.out_channels == self.num_classes]
        return fitting[-1] if fitting else None

    def _is_backbone(self, parameter: str) -> bool:
        """Tell whether a parameter of the network lies in one of the backbone's submodules."""
        return any(parameter.startswith(f"{prefix}.") for prefix in self.backbone_prefixes)

    def _read_logits(self, output: object, *, num_images: int) -> Tensor:
        """Take the logits out of what the network returned."""
        if isinstance(output, Mapping):
            logits = output.get("out", output.get("logits"))
        else:
            logits = getattr(output, "logits", output)
        if isinstance(logits, Tensor):
            seen = f"{logits.dtype} of shape {tuple(logits.shape)}"
            is_fit = logits.is_floating_point() and logits.ndim == 4
            if is_fit and logits.shape[:2] == (num_images, self.num_classes):
                return logits
        elif isinstance(output, Mapping):
            seen = f"a {type(output).__name__} with the keys {', '.join(map(str, output))}"
        else:
            seen = f"a {type(output).__name__}"
        msg = (
            f"{type(self.network).__name__} returned {seen} for {num_images} images and "
            f"{self.num_classes} classes. Required are floating-point logits of shape "
            f"({num_images}, {self.num_classes}, h, w): as a tensor, in a dict as 'out', or in an "
            "object as .logits."
        )
        raise RunError(msg)


@contextmanager
def capture_outputs(
    modules: Mapping[str, nn.Module], *, inputs_of: Sequence[str] = (), stops: bool = False
) -> Iterator[dict[str, Tensor]]:
    """Collect what `modules` return while the ``with`` block runs a network.

    The forward hooks live as long as the block, also where it raises. Of a module that runs
    several times the last output is kept; one that a later in-place operation changes is seen as
    changed.

    Parameters
    ----------
    modules : mapping of str to Module
        Name to file the output under, and the submodule.
    inputs_of : sequence of str
        Names of those whose first input is collected instead.
    stops : bool
        Whether the block ends as soon as every module has returned.

    Yields
    ------
    captured : dict of str to (N, F, h, w) Tensor
        Filled by the time the network has run; still part of its graph.

    Raises
    ------
    RunError
        If a module returns something else than one tensor (N, F, h, w), or has not run by the
        end of the block.
    """
    captured: dict[str, Tensor] = {}
    enough = len(modules) if stops else 0
    handles = [
        module.register_forward_hook(
            _keep_output(captured, name, enough, is_input=name in inputs_of)
        )
        for name, module in modules.items()
    ]
    try:
        yield captured
    except _Complete:
        pass
    finally:
        for handle in handles:
            handle.remove()
    for name in modules:
        if name not in captured:
            msg = f"Stage '{name}' was not run by the network: ask for another stage."
            raise RunError(msg)


class _Complete(BaseException):
    """Everything is captured; not an `Exception`, which a network may catch."""


def _keep_output(
    captured: dict[str, Tensor], name: str, enough: int, *, is_input: bool
) -> Callable[[nn.Module, tuple[object, ...], object], None]:
    """Make a forward hook that files what its module returns; the one of number `enough` stops."""

    def hook(module: nn.Module, inputs: tuple[object, ...], output: object) -> None:
        output = inputs[0] if is_input else output
        if not isinstance(output, Tensor) or output.ndim != 4:
            seen = tuple(output.shape) if isinstance(output, Tensor) else type(output).__name__
            msg = (
                f"Stage '{name}' ({type(module).__name__}) returned {seen}; "
                "a stage must return one tensor (N, F, h, w): ask for another submodule."
            )
            raise RunError(msg)
        captured[name] = output
        if len(captured) == enough:
            raise _Complete

    return hook


def _crop(maps: Tensor, size: torch.Size, padded: torch.Size) -> Tensor:
    """Cut off the part of `maps` that comes from padding; at least float32."""
    maps = maps.to(torch.promote_types(maps.dtype, torch.float32))
    if size == padded:
        return maps
    height, width = (
        -(-side * cells // full)
        for side, cells, full in zip(size, maps.shape[-2:], padded, strict=True)
    )
    return maps[..., :height, :width]
