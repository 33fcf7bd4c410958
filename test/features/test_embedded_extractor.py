"""The embedded extractors: noise, windows, ablation, weights without network."""

from __future__ import annotations

import socket
from pathlib import Path
from typing import Any

import pytest
import torch

from drift_ros import resources
from drift_ros.errors import CheckpointError
from drift_ros.features.base import FeatureExtractor, Window
from drift_ros.features.embedded.create import create, create_fused, create_image
from drift_ros.features.embedded.extractor import EmbeddedExtractor, level
from drift_ros.features.embedded.model import EmbeddedUNet
from drift_ros.features.embedded.paths import CHANNELS, describe_paths
from drift_ros.features.embedded.reading import Reading, Whitening, describe
from drift_ros.settings import FeatureSettings, build
from drift_ros.training.calibrate import measure

SIZE = (64, 96)


def tiny(temporal: bool) -> EmbeddedUNet:
    torch.manual_seed(3)
    model = EmbeddedUNet((32, 64), frames=4, near=(True,), temporal=temporal)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(0.05 * torch.randn_like(parameter))
    return model


def read(model: EmbeddedUNet, snr: float = 1.0) -> Reading:
    """Both blocks, each channel left as it is."""
    size = {0: 64, 1: 32}
    plain = {b: Whitening(torch.zeros(c), torch.eye(c)) for b, c in size.items()}
    return Reading(snr, (0, 1), plain if model.config.temporal else {}, plain)


@pytest.fixture(scope='module')
def folders(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp('embedded')
    for name, temporal in (('video', True), ('image', False)):
        tiny(temporal).half().save_pretrained(root / name)
        read(tiny(temporal)).save(root / name)
    return root


def settings(folders: Path, **values: Any) -> FeatureSettings:
    given = {
        'embedded.checkpoint': str(folders / 'video'),
        'embedded.image_checkpoint': str(folders / 'image'),
        'device': 'cpu',
    }
    return build(FeatureSettings, given | {k.replace('__', '.'): v for k, v in values.items()})


def window(count: int = 4, new: int | None = None, first: int = 0, changed: int = -1) -> Window:
    generator = torch.Generator().manual_seed(0)
    images = torch.randint(0, 256, (8, 3, *SIZE), generator=generator, dtype=torch.uint8)
    if changed >= 0:
        images[changed] = 255 - images[changed]
    stamps = tuple(range(first, first + count))
    return Window(images[first : first + count], stamps, count if new is None else new)


@pytest.mark.parametrize('maker', [create, create_image, create_fused])
def test_gives_a_map_for_each_new_frame(folders: Path, maker: Any) -> None:
    extractor: FeatureExtractor = maker(settings(folders))
    result = extractor.extract(window(new=3))
    parts = {create: 96 + CHANNELS, create_image: 96, create_fused: 192 + CHANNELS}
    channels = parts[maker]
    assert result.features.shape == (3, channels, SIZE[0] // 8, SIZE[1] // 8)
    assert result.stride == 8
    assert result.features.isfinite().all()
    assert SIZE[0] % extractor.size_multiple == SIZE[1] % extractor.size_multiple == 0
    assert extractor.window_length == (1 if maker is create_image else 4)


@pytest.mark.parametrize('maker', [create, create_image])
def test_repeats_itself_and_follows_the_seed(folders: Path, maker: Any) -> None:
    extractor = maker(settings(folders))
    first, again = (extractor.extract(window()).features for _ in range(2))
    assert torch.equal(first, again)
    assert torch.equal(first, maker(settings(folders)).extract(window()).features)
    assert not torch.equal(first, maker(settings(folders, seed=1)).extract(window()).features)


def test_an_image_has_the_same_descriptors_in_every_window(folders: Path) -> None:
    extractor = create_image(settings(folders))
    together = extractor.extract(window(4)).features[2]
    alone = extractor.extract(window(1, first=2)).features[0]
    torch.testing.assert_close(together, alone, rtol=1e-4, atol=1e-4)


def reacts(extractor: FeatureExtractor) -> bool:
    """Whether the first frame's descriptors depend on the last frame."""
    a, b = (extractor.extract(window(changed=c)).features[0] for c in (-1, 3))
    return not torch.allclose(a, b, atol=1e-5)


def test_only_temporal_layers_let_frames_know_of_each_other(folders: Path) -> None:
    assert reacts(create(settings(folders)))
    assert not reacts(create(settings(folders, embedded__temporal=False)))
    assert not reacts(create_image(settings(folders)))


def test_paths_are_a_part_of_their_own_of_windows_with_temporal_layers() -> None:
    def features(motion: float, temporal: bool = True, new: int = 4) -> torch.Tensor:
        extractor = EmbeddedExtractor(
            'embedded',
            tiny(True),
            read(tiny(True)),
            temporal=temporal,
            motion=motion,
            device=torch.device('cpu'),
            dtype=torch.float32,
        )
        return extractor.extract(window(new=new)).features

    plain, wide = features(0), features(0.5)
    assert wide.shape == (4, 96 + CHANNELS, SIZE[0] // 8, SIZE[1] // 8)
    assert torch.equal(wide[:, :96], plain)
    torch.testing.assert_close(wide[:, 96:], 0.5 * describe_paths(plain))
    torch.testing.assert_close(features(0.5, new=2), wide[2:])  # frames before count too
    assert torch.equal(features(0.5, temporal=False), features(0, temporal=False))


def test_an_untrained_model_can_be_read() -> None:
    torch.manual_seed(0)
    model = EmbeddedUNet((32, 64), frames=4, near=(True,)).eval()
    cpu = torch.device('cpu')
    reading = measure(model, 1.0, (0, 1), cpu, [window().images])
    assert (sorted(reading.joined), sorted(reading.alone)) == ([0, 1], [0, 1])
    extractor = EmbeddedExtractor('embedded', model, reading, device=cpu, dtype=torch.float32)
    assert extractor.extract(window()).features.isfinite().all()


def test_an_ensemble_averages_draws_of_the_noise() -> None:
    def features(ensemble: int, seed: int) -> torch.Tensor:
        extractor = EmbeddedExtractor(
            'embedded',
            tiny(True),
            read(tiny(True), snr=10.0),
            ensemble=ensemble,
            seed=seed,
            device=torch.device('cpu'),
            dtype=torch.float32,
        )
        return extractor.extract(window()).features

    def spread(ensemble: int) -> float:
        return float((features(ensemble, 0) - features(ensemble, 1)).norm())

    assert spread(8) < 0.7 * spread(1)


def test_noise_levels_mix_to_unit_power() -> None:
    at = level(0.25)
    assert at.signal**2 + at.noise**2 == pytest.approx(1)
    assert at.snr == pytest.approx(0.25)


def test_weights_load_without_a_network(folders: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_args: Any, **_kwargs: Any) -> None:
        raise AssertionError('the network was asked')

    monkeypatch.setattr(socket.socket, 'connect', refuse)
    create_fused(settings(folders))


@pytest.mark.parametrize(('alpha', 'name'), [(0, 'embedded-image'), (1, 'embedded')])
def test_at_the_ends_of_alpha_one_model_is_loaded(folders: Path, alpha: float, name: str) -> None:
    assert create_fused(settings(folders, embedded__alpha=alpha)).name == name


def test_says_which_weights_are_missing_or_of_the_other_kind(folders: Path, tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match='image_checkpoint holds the video model'):
        create_image(settings(folders, embedded__image_checkpoint=str(folders / 'video')))
    with pytest.raises(CheckpointError, match='not a folder'):
        create(settings(folders, embedded__checkpoint=str(tmp_path / 'nowhere')))
    with pytest.raises(CheckpointError, match=r'config\.json'):
        create(settings(folders, embedded__checkpoint=str(tmp_path)))
    tiny(True).save_pretrained(tmp_path / 'half')
    with pytest.raises(CheckpointError, match=r'reading\.safetensors is missing'):
        create(settings(folders, embedded__checkpoint=str(tmp_path / 'half')))


def test_without_weights_in_the_package_it_says_how_to_get_them(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(resources, 'folder', lambda kind: tmp_path)
    with pytest.raises(CheckpointError, match='drift train-embedded'):
        create(FeatureSettings(device='cpu'))


def test_whitening_makes_the_covariance_the_unit_matrix() -> None:
    torch.manual_seed(0)
    mixing = torch.randn(6, 6)
    cells = torch.einsum('cd,ndhw->nchw', mixing, torch.randn(3, 6, 20, 30)) + 5
    whitening = Whitening.measure([cells[:2], cells[2:]])
    white = whitening.apply(cells).transpose(0, 1).flatten(1)
    torch.testing.assert_close(white.mean(1), torch.zeros(6), atol=1e-4, rtol=0)
    variances = torch.linalg.eigvalsh(white @ white.T / white.shape[1])
    assert variances.max() < 1.001  # all but the smallest, which a floor keeps down
    assert variances.median() > 0.5


def test_a_reading_is_saved_and_loaded(tmp_path: Path) -> None:
    torch.manual_seed(0)
    ways = [{1: Whitening(torch.randn(3), torch.randn(3, 3))} for _ in range(2)]
    Reading(0.3, (1,), *ways).save(tmp_path)
    again = Reading.load(tmp_path)
    assert (again.snr, again.blocks) == (0.3, (1,))
    assert torch.equal(again.joined[1].matrix, ways[0][1].matrix)
    assert torch.equal(again.alone[1].mean, ways[1][1].mean)
    assert (list(again.joined), list(again.alone)) == ([1], [1])


def test_blocks_lie_side_by_side_with_equal_weight_on_the_finest_grid() -> None:
    coarse, fine = torch.randn(2, 4, 3, 5), 100 * torch.randn(2, 6, 6, 10)
    plain = [Whitening(torch.zeros(c), torch.eye(c)) for c in (4, 6)]
    joined = describe([coarse, fine], plain)
    assert joined.shape == (2, 10, 6, 10)
    for part in (joined[:, :4], joined[:, 4:]):
        torch.testing.assert_close(part.norm(dim=1), torch.ones(2, 6, 10))
