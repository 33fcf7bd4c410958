"""What an extractor sees in a pair of frames, as colours."""

from __future__ import annotations

from collections.abc import Mapping

import cv2
import numpy as np
import torch

from drift_ros.errors import SettingsError, SourceError
from drift_ros.features import FeatureExtractor, Window
from drift_ros.settings import TrackerSettings
from drift_ros.structures import Frame
from drift_ros.tracking.prepare import network_size, to_input
from drift_ros.visualization.contact_sheet import contact_sheet
from drift_ros.visualization.overlay import Picture
from drift_ros.visualization.pca import principal_colours

SPAN = 8  # frames from the first to the second of a pair, where there are no windows
TILE = 480  # px


def widest_pair(
    extractor: FeatureExtractor, settings: TrackerSettings, count: int | None = None
) -> int:
    """Number of the last frame that makes a pair with frame 0.

    Args:
        extractor, settings: give the length of a window.
        count: frames that there are; None: not known.
    """
    length = _window_length(extractor, settings)
    last = SPAN if length == 1 else length - 1
    return max(1, last if count is None else min(last, count - 1))


def pair_picture(
    frames: Mapping[int, Frame],
    first: int,
    second: int,
    extractor: FeatureExtractor,
    settings: TrackerSettings,
) -> Picture:
    """Two frames above, their features below: (H, W, 3) uint8 RGB.

    Args:
        frames: number -> frame, with all that lie between the two.
        extractor: describes them, in one window where it has windows.
        settings: of the tracker that it belongs to.

    Raises:
        SourceError: one of the two is not there.
        SettingsError: they do not lie within one window.
    """
    missing = [number for number in (first, second) if number not in frames]
    if missing:
        raise SourceError(f'frame {missing[0]} is not there or could not be read')
    length = _window_length(extractor, settings)
    if length == 1:  # single frames are described alone
        numbers = [first, second]
    elif second - first < length:
        numbers = [number for number in range(first, second + 1) if number in frames]
    else:
        raise SettingsError(
            f'frames {first} and {second} do not lie within one window of {length} frames: choose '
            'nearer ones, or set window.length'
        )
    shown = [frames[number] for number in numbers]
    side = network_size(shown[0].size, settings.features.resolution, extractor.size_multiple)
    images = torch.stack([to_input(frame.image, side, extractor.device) for frame in shown])
    stamps = tuple(frame.stamp for frame in shown)
    maps = extractor.extract(Window(images, stamps, len(shown))).features
    size = shown[0].size[::-1]
    large = [
        np.asarray(cv2.resize(colours, size, interpolation=cv2.INTER_NEAREST), np.uint8)
        for colours in principal_colours(maps[[0, -1]])
    ]
    names = [f'frame {first}', f'frame {second}', f'{extractor.name} {first}', f'{second}']
    return contact_sheet([shown[0].image, shown[-1].image, *large], names, 2, TILE)


def _window_length(extractor: FeatureExtractor, settings: TrackerSettings) -> int:
    """Frames that are described together; an extractor of single images has no use for more."""
    single = extractor.window_length == 1
    return 1 if single else settings.window.length or extractor.window_length
