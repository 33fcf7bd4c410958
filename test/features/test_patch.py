from __future__ import annotations

import pytest
import torch

from drift_ros.errors import DeviceError, SettingsError
from drift_ros.features import EXTRACTORS, FeatureExtractor, Window, create, names
from drift_ros.features.patch import PatchExtractor, describe
from drift_ros.features.registry import Entry
from drift_ros.settings import FeatureSettings

CPU = torch.device('cpu')


def images(count: int = 2, height: int = 24, width: int = 40, seed: int = 0) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randint(0, 256, (count, 3, height, width), dtype=torch.uint8, generator=generator)


def test_shape_and_new_frames_only() -> None:
    extractor = PatchExtractor(CPU, torch.float32)
    window = images(3)
    all_new = extractor.extract(Window(window, (0, 1, 2), 3))
    last = extractor.extract(Window(window, (0, 1, 2), 1))
    assert all_new.features.shape == (3, 59, 3, 5)
    assert all_new.stride == 8
    torch.testing.assert_close(last.features, all_new.features[-1:])


def test_colours_are_the_means_of_the_neighbouring_cells() -> None:
    window = images(1)
    features = describe(window / 255)[0]
    centre = window[0, :, 8:16, 16:24].float().mean((1, 2)) / 255
    above = window[0, :, 0:8, 16:24].float().mean((1, 2)) / 255
    torch.testing.assert_close(features[12:15, 1, 2], centre)
    torch.testing.assert_close(features[3:6, 1, 2], above)


def test_gradients_of_a_ramp_fall_into_one_orientation() -> None:
    ramp = (torch.arange(40) * 6).to(torch.uint8).expand(1, 3, 24, 40)
    features = describe(ramp / 255)[0]
    histogram = features[27:].view(8, 4, 3, 5)[:, :, 1, 2]
    expected = torch.zeros(8, 4)
    expected[0] = 2 * 12 / 255
    torch.testing.assert_close(histogram, expected)


def test_a_shift_by_whole_cells_shifts_the_descriptors() -> None:
    window = images(1, 40, 64)
    moved = window.roll((8, 16), (2, 3))
    a, b = describe(window / 255), describe(moved / 255)
    torch.testing.assert_close(b[..., 2:-1, 3:-1], a[..., 1:-2, 1:-3])


def test_the_mean_over_the_frame_is_zero() -> None:
    window = Window(images(2), (0, 1), 2)
    features = PatchExtractor(CPU, torch.float32).extract(window).features
    torch.testing.assert_close(features.mean((2, 3)), torch.zeros(2, 59), atol=1e-6, rtol=0)


def test_the_registry_knows_its_names() -> None:
    assert {'patch', 'video-unet', 'image-unet', 'fused'} <= set(names())
    assert create(FeatureSettings(name='patch', device='cpu')).name == 'patch'
    with pytest.raises(SettingsError, match=r'nosuch.*patch'):
        create(FeatureSettings(name='nosuch'))


def test_a_device_that_is_too_full_for_the_weights_is_an_error(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def full(_: FeatureSettings) -> FeatureExtractor:
        raise torch.OutOfMemoryError('tried to allocate 2 GiB')

    monkeypatch.setitem(EXTRACTORS, 'patch', Entry('', full))
    with pytest.raises(DeviceError, match=r'out of memory.*features\.dtype.*2 GiB'):
        create(FeatureSettings(name='patch'))


@pytest.mark.skipif(torch.cuda.is_available(), reason='there is a GPU')
def test_a_gpu_that_is_not_there_is_an_error() -> None:
    with pytest.raises(DeviceError, match='CUDA'):
        create(FeatureSettings(name='patch', device='cuda'))
