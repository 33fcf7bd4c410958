"""The embedded extractors: streams, noise, ablation, weights without network."""

from __future__ import annotations

import socket
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from drift_ros import resources
from drift_ros.errors import CheckpointError
from drift_ros.features import create as create_by_name
from drift_ros.features.base import FeatureExtractor, Session, Window
from drift_ros.features.embedded.create import create, create_image
from drift_ros.features.embedded.extractor import level, shrink
from drift_ros.features.embedded.model import EmbeddedUNet
from drift_ros.settings import FeatureSettings, build

SIZE = (64, 96)


def tiny(temporal: bool) -> EmbeddedUNet:
    torch.manual_seed(3)
    model = EmbeddedUNet((32, 64), context=64, depth=1, readout=(16, 8), temporal=temporal)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(0.05 * torch.randn_like(parameter))
    return model


def test_frames_are_shrunk_to_means_of_four_pixels() -> None:
    image = torch.randint(0, 256, (2, 3, 12, 20), dtype=torch.uint8)
    found = shrink(image)
    assert torch.equal(found, torch.nn.functional.avg_pool2d(image.float(), 2) / 127.5 - 1)


@pytest.fixture(scope='module')
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp('embedded')
    tiny(True).half().save_pretrained(root)
    return root


def settings(folder: Path, **values: Any) -> FeatureSettings:
    given = {'embedded.checkpoint': str(folder), 'device': 'cpu'}
    return build(FeatureSettings, given | values)


def window(count: int = 4, new: int | None = None, first: int = 0, changed: int = -1) -> Window:
    generator = torch.Generator().manual_seed(0)
    images = torch.randint(0, 256, (8, 3, *SIZE), generator=generator, dtype=torch.uint8)
    if changed >= 0:
        images[changed] = 255 - images[changed]
    stamps = tuple(range(first, first + count))
    return Window(images[first : first + count], stamps, count if new is None else new)


@pytest.mark.parametrize('maker', [create, create_image])
def test_gives_a_map_for_each_new_frame(folder: Path, maker: Any) -> None:
    extractor: FeatureExtractor = maker(settings(folder))
    result = extractor.extract(window(new=3))
    assert result.features.shape == (3, 24, SIZE[0] // 8, SIZE[1] // 8)
    assert result.stride == 8
    assert result.features.isfinite().all()
    assert SIZE[0] % extractor.size_multiple == SIZE[1] % extractor.size_multiple == 0
    assert extractor.streaming == (maker is create)


@pytest.mark.parametrize('maker', [create, create_image])
def test_repeats_itself_and_follows_the_seed(folder: Path, maker: Any) -> None:
    extractor = maker(settings(folder))
    first, again = (extractor.extract(window()).features for _ in range(2))
    assert torch.equal(first, again)
    assert torch.equal(first, maker(settings(folder)).extract(window()).features)
    assert not torch.equal(first, maker(settings(folder, seed=1)).extract(window()).features)


def test_sessions_remember_a_stream_of_their_own(folder: Path) -> None:
    extractor = create(settings(folder))
    whole = extractor.extract(window(6)).features
    one, other = extractor.session(), extractor.session()
    for first in range(6):  # two cameras with equal stamps
        found = one.extract(window(1, first=first)).features
        other.extract(window(1, first=first, changed=first))
        torch.testing.assert_close(found[0], whole[first], rtol=0, atol=1e-5)
    one.reset()
    torch.testing.assert_close(one.extract(window(6)).features, whole, rtol=0, atol=1e-5)


def test_sessions_in_threads_give_the_same_bits(folder: Path) -> None:
    extractor = create(settings(folder))

    def run(session: Session) -> list[Tensor]:
        return [session.extract(window(1, first=first)).features for first in range(6)]

    expected = run(extractor.session())
    with ThreadPoolExecutor(3) as threads:
        for found in threads.map(run, [extractor.session() for _ in range(3)]):
            assert all(map(torch.equal, found, expected))


def test_an_image_has_the_same_descriptors_in_every_window(folder: Path) -> None:
    extractor = create_image(settings(folder))
    together = extractor.extract(window(4)).features[2]
    alone = extractor.extract(window(1, first=2)).features[0]
    torch.testing.assert_close(together, alone, rtol=1e-4, atol=1e-4)


def test_only_temporal_layers_let_frames_know_of_earlier_ones(folder: Path) -> None:
    for maker in (create, create_image):
        extractor = maker(settings(folder))
        before, after = (extractor.extract(window(changed=c)).features[3] for c in (-1, 1))
        assert torch.allclose(before, after, atol=1e-5) == (maker is create_image)


def test_noise_levels_mix_to_unit_power() -> None:
    at = level(0.25)
    assert at.signal**2 + at.noise**2 == pytest.approx(1)
    assert at.snr == pytest.approx(0.25)


def test_weights_load_without_a_network(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_args: Any, **_kwargs: Any) -> None:
        raise AssertionError('the network was asked')

    monkeypatch.setattr(socket.socket, 'connect', refuse)
    create(settings(folder))


def test_a_retired_name_still_works(folder: Path, caplog: pytest.LogCaptureFixture) -> None:
    assert create_by_name(settings(folder, name='embedded-fused')).name == 'embedded'
    assert 'retired' in caplog.text


def test_says_which_weights_are_missing_or_of_another_kind(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match='nowhere'):
        create(settings(tmp_path / 'nowhere'))
    with pytest.raises(CheckpointError, match=r'config\.json'):
        create(settings(tmp_path))
    tiny(False).save_pretrained(tmp_path / 'image')
    with pytest.raises(CheckpointError, match='embedded-image'):
        create(settings(tmp_path / 'image'))
    assert create_image(settings(tmp_path / 'image')).name == 'embedded-image'


def test_without_weights_in_the_package_it_says_how_to_get_them(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(resources, 'folder', lambda kind: tmp_path)
    with pytest.raises(CheckpointError, match='drift train-embedded'):
        create(FeatureSettings(device='cpu'))
