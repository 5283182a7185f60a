"""Corruptions of how things look: style, blur, noise, flat surfaces, light."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

import numpy as np
from skimage.filters import gaussian

from curate.corruptions.corruption import Corruption, ImageAndLabel, LabelledImage, Parameters

if TYPE_CHECKING:
    from numpy.typing import NDArray


class Style(Corruption):
    """Posterised to `levels` a channel, after a turn of the hue by `turn` of a full circle."""

    ranges: ClassVar = {
        "mild": {"levels": (8, 12), "turn": (0.05, 0.1)},
        "strong": {"levels": (3, 5), "turn": (0.2, 0.8)},
    }

    def change(self, source: LabelledImage, parameters: Parameters) -> ImageAndLabel:
        """Turn the hue, then round to the steps."""
        step = 255 / (round(parameters.values["levels"]) - 1)
        turn = _hue_turn(parameters.values["turn"])
        turned = np.tensordot(turn, source.image.astype(np.float32), 1)
        return source.repaint(parameters.mask, np.rint(turned / step) * step)


def _hue_turn(turn: float) -> NDArray[np.float32]:
    """Matrix that turns colours about the axis of grey (Rodrigues' formula)."""
    angle = 2 * np.pi * turn
    axis = np.full((3, 3), 1 / 3)
    cross = np.array([[0, -1, 1], [1, 0, -1], [-1, 1, 0]]) / np.sqrt(3)
    matrix = axis + np.cos(angle) * (np.eye(3) - axis) + np.sin(angle) * cross
    return np.asarray(matrix, np.float32)


class Blur(Corruption):
    """Gaussian blur; `sigma` in pixels."""

    ranges: ClassVar = {"mild": {"sigma": (0.8, 1.4)}, "strong": {"sigma": (2.5, 4.0)}}

    def change(self, source: LabelledImage, parameters: Parameters) -> ImageAndLabel:
        """Blur the image, and keep what is in the mask."""
        sigma, image = parameters.values["sigma"], source.image.astype(np.float32)
        blurred = gaussian(image, sigma=sigma, channel_axis=0, mode="nearest")
        return source.repaint(parameters.mask, blurred)


class Noise(Corruption):
    """Noise that grows with brightness, as photons do; `sigma` in grey values at full white."""

    ranges: ClassVar = {"mild": {"sigma": (10, 16)}, "strong": {"sigma": (28, 45)}}

    def change(self, source: LabelledImage, parameters: Parameters) -> ImageAndLabel:
        """Add read noise and shot noise."""
        grain = parameters.rng().standard_normal(source.image.shape, dtype=np.float32)
        deviation = np.float32(parameters.values["sigma"]) * np.sqrt(0.2 + 0.8 * source.image / 255)
        return source.repaint(parameters.mask, source.image + grain * deviation)


class Flat(Corruption):
    """What one class shows of a superpixel, in its mean colour.

    `loss` is the share of the texture that is lost.
    """

    ranges: ClassVar = {"mild": {"loss": (0.5, 0.65)}, "strong": {"loss": (1, 1)}}

    def change(self, source: LabelledImage, parameters: Parameters) -> ImageAndLabel:
        """Blend the image with the mean colours."""
        _, number = np.unique(source.superpixels * 256 + source.label_map, return_inverse=True)
        number = number.ravel()
        pixels = source.image.reshape(3, -1)
        sums = np.stack([np.bincount(number, weights=channel) for channel in pixels])
        means = (sums / np.bincount(number))[:, number].reshape(source.image.shape)
        loss = parameters.values["loss"]
        return source.repaint(parameters.mask, (1 - loss) * source.image + loss * means)


class Light(Corruption):
    """Another gamma (`gamma` in octaves, up or down), colour temperature (`warmth`) and shadow.

    `warmth` is the share by which red gains what blue loses, or the reverse; `shadow` the share
    of light that is lost.
    """

    ranges: ClassVar = {
        "mild": {"gamma": (0.25, 0.4), "warmth": (0.06, 0.12), "shadow": (0.05, 0.15)},
        "strong": {"gamma": (0.8, 1.2), "warmth": (0.2, 0.4), "shadow": (0.3, 0.5)},
    }

    def change(self, source: LabelledImage, parameters: Parameters) -> ImageAndLabel:
        """Look every grey value up in the curve of its channel."""
        darker, warmer = parameters.rng().choice([-1.0, 1.0], 2)
        grey = np.linspace(0, 1, 256)
        warmth = warmer * parameters.values["warmth"]
        gains = (1 - parameters.values["shadow"]) * np.array([1 + warmth, 1, 1 - warmth])
        curves = 255 * gains[:, None] * grey**2 ** (darker * parameters.values["gamma"])
        channels = [curve[channel] for curve, channel in zip(curves, source.image, strict=True)]
        return source.repaint(parameters.mask, np.stack(channels))
