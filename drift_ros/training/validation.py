"""A quick look at whether the features tell look-alikes apart: J on held-out crossing balls."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray

from drift_ros import propagation
from drift_ros.features.base import FeatureExtractor, Window
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
    maps = extractor.extract(Window(images, tuple(range(len(images))), len(images)))
    features = propagation.unit(maps.features, 1).contiguous(memory_format=torch.channels_last)
    size = clip.labels.shape[1], clip.labels.shape[2]
    grid = features.shape[2], features.shape[3]
    classes = int(clip.ids.max()) + 1
    soft = [propagation.one_hot(clip.labels[0], classes, grid).to(features.device)]
    found = [clip.labels[0]]
    for index in range(1, len(features)):
        voters = [0, *range(max(1, index - settings.memory), index)]
        labels = propagation.propagate(
            features[index],
            features[voters],
            torch.stack([soft[voter] for voter in voters]),
            temperature=settings.temperature,
            top_k=settings.top_k,
            radius=settings.radius,
            normalized=True,
        )
        soft.append(labels)
        found.append(propagation.read_labels(labels, maps.stride, size))
    return found


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
