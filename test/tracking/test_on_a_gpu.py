"""The whole tracker on a GPU: the same masks and points as on the CPU, and every model runs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
import torch
from clips import GivenMasks, iou
from numpy.typing import NDArray
from torch import Tensor

from drift_ros import cuda_graph, features
from drift_ros.features.embedded import extractor
from drift_ros.features.noise import gaussian
from drift_ros.points import PointTracker
from drift_ros.prompts import Prompt
from drift_ros.settings import TrackerSettings, build
from drift_ros.structures import Frame, TrackingResult
from drift_ros.synthetic import Clip, SceneSettings, VideoSet
from drift_ros.tracking import Tracker

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason='needs a CUDA device'),
]
POINTS = np.array([[40.0, 30.0], [80.5, 61.0], [120.0, 90.0]])
UNTRAINED = {
    'features.video.checkpoint': 'untrained',
    'features.image.checkpoint': 'untrained',
    'features.dit.checkpoint': 'untrained',
    'features.tiny_vae': '',
    'targets.min_score': 0.0,  # which masks of random weights do not reach
    'targets.visibility_threshold': 0.0,
    'targets.reacquire': 'none',
}
MODELS: dict[str, dict[str, object]] = {
    'TED': {'features.name': 'fused'},
    'SVD': {'features.name': 'video-unet', 'features.video.model': 'svd'},
    'ModelScope': {'features.name': 'video-unet', 'features.video.model': 'modelscope'},
    'Stable Diffusion': {'features.name': 'image-unet', 'features.image.model': 'sd-2.1'},
    'DRIFT': {'features.name': 'image-attention', 'features.image.model': 'sd-2.1'},
    'DRIFT, inversion and text': {
        'features.name': 'image-attention',
        'features.image.model': 'sd-2.1',
        'features.noise': 'inversion',
        'features.inversion_steps': 4,
        'adaptation.heads': 'fitted',
        'adaptation.text.invert': True,
        'adaptation.text.steps': 3,
    },
    'DiffTrack': {'features.name': 'video-dit', 'features.dit.model': 'cogvideox-2b'},
    'embedded-attention': {'features.name': 'embedded-attention'},
    'embedded, bfloat16': {'features.name': 'embedded', 'features.dtype': 'bfloat16'},
    'fewer channels': {'features.name': 'embedded', 'propagation.channels': 16},
    'learned points': {'features.name': 'embedded', 'points.decision': 'learned'},
    'GrabCut': {'features.name': 'patch', 'refinement.backend': 'grabcut'},
}


def clip(name: str = 'similar-3', width: int = 320, frames: int = 24) -> Clip:
    settings = SceneSettings(width=width, height=width * 3 // 4, frames=frames, rate=12)
    return VideoSet(name, settings, 'val')[0].clip()


def track(
    clip: Clip, device: str, values: dict[str, object], *masks: NDArray[np.bool_]
) -> list[TrackingResult]:
    """Its objects, or targets by these masks of the first frame."""
    settings = build(TrackerSettings, {'features.resolution': 0} | values)
    chosen = settings.features.model_copy(update={'device': device})
    tracker = PointTracker(Tracker(features.create(chosen), GivenMasks(), settings))
    masks = masks or tuple(clip.labels[0] == i for i in clip.ids)
    prompts = [Prompt(id=i, mask=mask) for i, mask in enumerate(masks, 1)]
    outputs = []
    for index, image in enumerate(clip.images):
        frame = Frame(image, 10**18 + index * 83_000_000, 'camera', index)
        first = {'prompts': prompts} if index == 0 else {}
        outputs += tracker.step(frame, POINTS if index == 0 else None, **first)
    assert all(isinstance(output, TrackingResult) for output in outputs), outputs[-1]
    return [output for output in outputs if isinstance(output, TrackingResult)]


def agreement(
    a: Sequence[TrackingResult], b: Sequence[TrackingResult], ids: Sequence[int]
) -> float:
    """Mean intersection over union of the masks where either has one."""
    pairs = [(x.labels == i, y.labels == i) for x, y in zip(a, b, strict=True) for i in ids]
    return float(np.mean([iou(x, y) for x, y in pairs if (x | y).any()]))


@pytest.fixture
def same_noise(monkeypatch: pytest.MonkeyPatch) -> None:
    """Drawn on the CPU, for each device draws its own."""

    def drawn(shape: Sequence[int], device: torch.device, **which: Any) -> Tensor:
        return gaussian(shape, torch.device('cpu'), **which).to(device)

    monkeypatch.setattr(extractor, 'gaussian', drawn)


@pytest.mark.usefixtures('same_noise')
@pytest.mark.parametrize('video', ['similar-3', 'comes-back'])
@pytest.mark.parametrize(
    ('dtype', 'least'), [('float32', 0.97), ('float16', 0.95), ('bfloat16', 0.9)]
)
@pytest.mark.parametrize('name', ['patch', 'embedded', 'embedded-image'])
def test_masks_and_points_are_those_of_the_cpu(
    name: str, dtype: str, least: float, video: str
) -> None:
    shown = clip(video)
    values: dict[str, object] = {'features.name': name, 'points.most': 10}
    cpu = track(shown, 'cpu', values | {'features.dtype': 'float32'})
    gpu = track(shown, 'cuda', values | {'features.dtype': dtype})
    assert agreement(cpu, gpu, [int(i) for i in shown.ids]) > least
    apart = [
        np.linalg.norm(a.points.positions - b.points.positions, axis=1)
        for a, b in zip(cpu, gpu, strict=True)
        if a.points is not None and b.points is not None
    ]
    assert len(apart) == len(cpu)
    assert np.median(apart) < 0.5


@pytest.mark.parametrize('model', MODELS)
def test_every_model_tracks(model: str) -> None:
    shown = clip(frames=18)
    half = np.arange(320) < np.full((240, 1), 160)  # random weights find no small thing
    results = track(shown, 'cuda', UNTRAINED | MODELS[model], half)
    assert len(results) >= 13, 'a window of frames at least'
    for result in results:
        assert (result.labels > 0).any()
        assert result.points is not None


@pytest.mark.parametrize('video', ['similar-3', 'comes-back'])
@pytest.mark.parametrize('name', ['embedded', 'embedded-image'])
def test_graphs_change_nothing(name: str, video: str, monkeypatch: pytest.MonkeyPatch) -> None:
    shown = clip(video)
    with_graphs = track(shown, 'cuda', {'features.name': name})
    monkeypatch.setenv(cuda_graph.VARIABLE, '0')
    without = track(shown, 'cuda', {'features.name': name})
    assert agreement(with_graphs, without, [int(i) for i in shown.ids]) > 0.995
