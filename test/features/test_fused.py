"""Fusion of video and image features against its equation."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor
from torch.nn import functional

from drift_ros.features import Descriptors, FeatureExtractor, Session, Window, create
from drift_ros.features.fused import FusedExtractor
from drift_ros.settings import FeatureSettings

RNG = torch.Generator().manual_seed(0)
TOLERANCE = {torch.float32: 1e-6, torch.float16: 2e-3, torch.bfloat16: 2e-2}


class Given(FeatureExtractor):
    """Hands out given features and remembers what it was asked for."""

    def __init__(
        self, features: Tensor, stride: int, length: int = 1, multiple: int | None = None
    ) -> None:
        self.name = 'given'
        self.window_length = length
        self.size_multiple = multiple or stride
        self.device = torch.device('cpu')
        self.dtype = features.dtype
        self.features = features
        self.stride = stride
        self.windows: list[Window] = []

    def extract(self, window: Window) -> Descriptors:
        self.windows.append(window)
        return Descriptors.of(self.features[-window.new :], self.stride)

    def session(self, length: int = 0) -> Session:
        self.opened = GivenSession(self)
        self.opened.length = length
        return self.opened


class GivenSession(Session):
    resets = 0
    length = 0

    def reset(self) -> None:
        self.resets += 1


def window(new: int = 2, length: int = 4) -> Window:
    images = torch.zeros(length, 3, 32, 48, dtype=torch.uint8)
    return Window(images, tuple(range(length)), new)


def features(channels: int, stride: int = 8, dtype: torch.dtype = torch.float32) -> Tensor:
    return torch.randn(4, channels, 32 // stride, 48 // stride, generator=RNG).to(dtype)


@pytest.mark.parametrize('dtype', list(TOLERANCE))
@pytest.mark.parametrize('alpha', [0.1, 0.4, 0.9])
def test_the_cosine_of_fused_features_is_the_weighted_mean_of_cosines(
    alpha: float, dtype: torch.dtype
) -> None:
    video, image = features(20, dtype=dtype), features(12, dtype=dtype)
    fused = FusedExtractor(Given(video, 8, 4), Given(image, 8), alpha).extract(window(new=4))
    assert fused.features.dtype == dtype and fused.features.shape == (4, 32, 4, 6)

    def cosine(maps: Tensor) -> Tensor:
        cells = functional.normalize(maps.double(), dim=1).flatten(2)
        return cells[0].T @ cells[3]

    squares = alpha**2, (1 - alpha) ** 2
    expected = squares[0] * cosine(video) + squares[1] * cosine(image)
    close = {'rtol': 0, 'atol': TOLERANCE[dtype]}
    torch.testing.assert_close(cosine(fused.features), expected / sum(squares), **close)


def test_parts_have_the_lengths_of_their_weights() -> None:
    fused = FusedExtractor(Given(features(5), 8, 4), Given(features(3), 8), 0.3).extract(window())
    video, image = fused.features.split([5, 3], dim=1)
    torch.testing.assert_close(video.norm(dim=1), torch.full((2, 4, 6), 0.3))
    torch.testing.assert_close(image.norm(dim=1), torch.full((2, 4, 6), 0.7))


@pytest.mark.parametrize(('video_stride', 'image_stride'), [(16, 8), (8, 16), (4, 16)])
def test_grids_of_other_strides_meet_on_the_finer_one(video_stride: int, image_stride: int) -> None:
    video, image = features(6, video_stride), features(4, image_stride)
    fine = min(video_stride, image_stride)
    found = FusedExtractor(Given(video, video_stride, 4), Given(image, image_stride), 0.5).extract(
        window()
    )
    assert found.stride == fine
    grid = (32 // fine, 48 // fine)
    for part, source in zip(found.features.split([6, 4], 1), (video, image), strict=True):
        resized = functional.interpolate(source[-2:], size=grid, mode='bilinear')
        torch.testing.assert_close(part, 0.5 * functional.normalize(resized, dim=1))


def test_the_image_network_sees_new_frames_only() -> None:
    video, image = Given(features(5), 8, 4), Given(features(3), 8)
    FusedExtractor(video, image, 0.5).extract(window(new=1))
    assert [len(w.images) for w in video.windows] == [4]
    assert [(len(w.images), w.stamps, w.new) for w in image.windows] == [(1, (3,), 1)]


def test_sizes_suit_both() -> None:
    video, image = Given(features(5), 8, 7, multiple=32), Given(features(3), 8, multiple=24)
    fused = FusedExtractor(video, image, 0.5)
    assert fused.size_multiple == 96 and fused.window_length == 7


@pytest.mark.parametrize('streaming', [False, True])
def test_a_session_is_one_of_each(streaming: bool) -> None:
    video, image = Given(features(5), 8, 4), Given(features(3), 8)
    video.streaming = streaming
    fused = FusedExtractor(video, image, 0.5)
    assert fused.streaming == streaming
    session = fused.session(9)
    assert video.opened.length == 9
    assert torch.equal(session.extract(window()).features, fused.extract(window()).features)
    session.reset()
    assert video.opened.resets == image.opened.resets == 1


def test_zero_features_do_not_poison_their_neighbours() -> None:
    video = features(5, dtype=torch.float16)
    video[:, :, 1, 1] = 0
    found = FusedExtractor(Given(video, 8, 4), Given(features(3).half(), 8), 0.5).extract(window())
    assert found.features.isfinite().all()
    assert (found.features[:, :5, 1, 1] == 0).all()


@pytest.mark.parametrize(('alpha', 'name'), [(1.0, 'video-unet'), (0.0, 'image-unet')])
def test_at_the_ends_only_one_network_is_loaded(alpha: float, name: str) -> None:
    settings = FeatureSettings(
        name='fused',
        device='cpu',
        alpha=alpha,
        video={'checkpoint': 'untrained'},
        image={'checkpoint': 'untrained'},
    )
    assert create(settings).name == name
