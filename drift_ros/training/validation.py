"""Whether the features tell identical objects apart: J on held-out crossing balls."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from drift_ros.features.base import FeatureExtractor, Window
from drift_ros.propagation import FeatureAffinity, Propagator, one_hot, read_labels
from drift_ros.settings import PropagationSettings
from drift_ros.synthetic import Clip, SceneSettings, VideoSet
from drift_ros.synthetic.scenes.sets import HeldOut


def crossing_clips(
    count: int, width: int, height: int, frames: int = 16, split: HeldOut = 'val'
) -> list[Clip]:
    """The first videos of two identical balls; those of the split `test` are for reports."""
    settings = SceneSettings(width=width, height=height, frames=frames, rate=12, noise=2)
    return [world.clip() for world in VideoSet('kubric-similar', settings, split)[:count]]


def track(
    extractor: FeatureExtractor, clip: Clip, settings: PropagationSettings | None = None
) -> list[NDArray[np.uint8]]:
    """Label maps (H, W) of all frames from that of the first, the clip being one window."""
    settings = settings or PropagationSettings()
    images = torch.from_numpy(clip.images).permute(0, 3, 1, 2).to(extractor.device)
    window = Window(images, tuple(range(len(images))), len(images))
    propagator = Propagator(FeatureAffinity(settings), settings.memory)
    first, *others = propagator.prepare(extractor.extract(window)).frames()
    size = clip.labels.shape[1], clip.labels.shape[2]
    given = one_hot(clip.labels[0], int(clip.ids.max()) + 1, first.grid)
    propagator.add_reference(0, first, given)

    def read(soft: Tensor, stride: int) -> NDArray[np.uint8]:
        return read_labels(soft, stride, size)

    return [clip.labels[0], *(propagator.step(i, d, read) for i, d in enumerate(others, 1))]


def jaccard(found: Sequence[NDArray[np.uint8]], clip: Clip) -> list[float]:
    """Mean intersection over union of each object, in percent, without the given first frame."""
    scores = []
    for id_ in clip.ids:
        pairs = [(f == id_, t == id_) for f, t in zip(found, clip.labels, strict=True)][1:]
        unions = [np.count_nonzero(f | t) for f, t in pairs]
        shares = [
            np.count_nonzero(f & t) / union if union else 1.0
            for (f, t), union in zip(pairs, unions, strict=True)
        ]
        scores.append(100 * float(np.mean(shares)))
    return scores


def validate(extractor: FeatureExtractor, clips: Sequence[Clip]) -> float:
    """Mean J over all objects of all clips, in percent."""
    return float(
        np.mean([score for clip in clips for score in jaccard(track(extractor, clip), clip)])
    )
