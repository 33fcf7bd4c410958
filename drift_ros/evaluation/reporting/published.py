"""Numbers of the papers that presets stand for, and in what a run differs from theirs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from drift_ros import resources
from drift_ros.errors import DriftError
from drift_ros.evaluation.reporting.reading import Results
from drift_ros.settings import read_yaml

TED = 'Zhang et al., NeurIPS 2025 (arXiv 2512.02339)'
DAVIS, KUBRIC, YOUTUBE = 'DAVIS-2017 val', 'Kubric-Similar', 'YouTube-Similar'
LAYOUTS = {DAVIS: 'davis', KUBRIC: 'kubric-similar', YOUTUBE: 'youtube-vos'}
SEQUENCES = {DAVIS: 30, KUBRIC: 14, YOUTUBE: 28}
OWN_FEATURES = ('patch', 'embedded', 'embedded-image')


@dataclass(frozen=True, slots=True)
class Published:
    """What a paper says of a method on a data set.

    Attributes:
        measures: measure -> fraction.
        seconds_per_frame, memory: in s and in bytes, on the paper's machine; None if not said.
    """

    method: str
    data: str
    measures: Mapping[str, float]
    source: str
    seconds_per_frame: float | None = None
    memory: int | None = None


def _jf(both: float, j: float | None = None, f: float | None = None) -> dict[str, float]:
    percent = {'J&F': both, 'J': j, 'F': f}
    return {name: value / 100 for name, value in percent.items() if value is not None}


PUBLISHED: Mapping[str, Published] = {
    'ted_davis': Published('TED', DAVIS, _jf(77.6, 74.4, 80.8), f'{TED}, tables 2 and 6'),
    'ted_davis_efficient': Published(
        'TED, efficient', DAVIS, _jf(77.2), f'{TED}, table 7', 1.21, round(11.65e9)
    ),
    'ted_youtube_similar': Published('TED', YOUTUBE, _jf(66.0, 65.1, 67.0), f'{TED}, table 2'),
    'ted_kubric_similar': Published(
        'TED, video features', KUBRIC, _jf(90.9, 87.2, 94.5), f'{TED}, table 1'
    ),
    'dift_adm': Published('DIFT, ADM', DAVIS, _jf(75.7, 72.7, 78.6), f'{TED}, table 2'),
    'dift_sd': Published('DIFT, Stable Diffusion', DAVIS, _jf(70.0, 67.4, 72.5), f'{TED}, table 2'),
    'crw_propagation': Published('CRW', DAVIS, _jf(67.6), f'{TED}, table 2'),
    'dino_propagation': Published('DINO', DAVIS, _jf(71.4), f'{TED}, table 2'),
}
"""Preset -> what it stands for. The files in config/ give the same numbers in words."""


def published_for(results: Results) -> Published | None:
    """The published numbers for the preset of an evaluation, if it names one that has any."""
    return PUBLISHED.get(str(results.record.get('preset')))


def differences(results: Results, published: Published) -> list[str]:
    """In what the evaluation differs from what was published, in sentences for the report."""
    found = [_other_data(results, published), _other_features(results, published)]
    if (limit := results.dataset.get('limit')) is not None:
        found.append(f'Shorter videos: the first {limit} frames of each sequence.')
    if results.dataset.get('merge'):
        found.append('Another protocol: all objects of a sequence were taken for one.')
    return [sentence for sentence in (*found, _other_settings(results)) if sentence]


def _other_data(results: Results, published: Published) -> str:
    wanted, layout = SEQUENCES[published.data], results.dataset.get('layout')
    if layout != LAYOUTS[published.data]:
        return (
            f'Other data: the published numbers are of {published.data}, these of data in the '
            f'layout {layout}.'
        )
    if published.data == KUBRIC:
        return 'Other data: videos rendered after the same recipe, not those of the paper.'
    if published.data == YOUTUBE:
        return (
            'The list of videos in YouTube-Similar was not published, so these are likely others.'
        )
    if results.count != (wanted, wanted):
        return (
            f'Other data: the published numbers are of all {wanted} sequences of '
            f'{published.data}, these of {results.count[0]}.'
        )
    return ''


def _other_features(results: Results, published: Published) -> str:
    if published.method in ('CRW', 'DINO'):
        return (
            f'Other features: the published numbers are with the features of {published.method}, '
            f'which are not part of this package; the preset sets the propagation alone.'
        )
    name = results.settings.get('features.name')
    if name in OWN_FEATURES:
        return f'Other features: these are of {name}, the published numbers of {published.method}.'
    places = {
        part: place
        for part in ('video', 'image')
        if (place := results.settings.get(f'features.{part}.checkpoint'))
    }
    if 'untrained' in places.values():
        return 'Other weights: here they are random, which tracks nothing.'
    read = ', '.join(f'{part} {place}' for part, place in places.items())
    return f'Perhaps other weights: these were read from {read}.' if read else ''


def _other_settings(results: Results) -> str:
    try:
        file = resources.path('config', f'{results.record["preset"]}.yaml')
        meant: Mapping[str, Any] = read_yaml(file)
    except DriftError:
        return ''
    settings = results.settings
    changed = [
        f'{name} is {settings[name]} in place of {value}'
        for name, value in meant.items()
        if name != 'features.name' and name in settings and settings[name] != value
    ]
    return f'Other settings than the preset: {"; ".join(changed)}.' if changed else ''
