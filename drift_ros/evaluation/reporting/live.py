"""Facts of a live run beside the accuracy of its masks."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def live_facts(live: Mapping[str, Any]) -> dict[str, str]:
    """Facts for people.

    Args:
        live: of a sequence in `results.json`; empty for one that was not run live.
    """
    if not live:
        return {}
    frames, dropped = live['frames'], live['dropped']
    share = f' ({100 * dropped / frames:.1f} %)' if frames else ''
    at_end = f', {live["dropped_at_end"]} of them at the end' if live['dropped_at_end'] else ''
    facts = {
        'frames after the first prompt': str(frames),
        'without a result': f'{dropped}{share}{at_end}',
        'with a truth': (
            f'{live["frames_with_truth"]}, {live["frames_with_truth_dropped"]} of them without a '
            'result'
        ),
        **_latency(live),
        **{
            f'position error of object {id_}': _in(found, 100, 'cm')
            for id_, found in live.get('position_error', {}).items()
        },
        'topics': ', '.join(f'{role} {topic}' for role, topic in live['topics'].items() if topic),
    }
    renamed = {id_: known for id_, known in live['matched'].items() if id_ != str(known)}
    if renamed:
        pairs = ', '.join(f'{id_} is {known}' for id_, known in live['matched'].items())
        facts['ids of results in the truth'] = pairs
    if live['generation'] is not None:
        facts['generation'] = str(live['generation'])
    for number, note in enumerate(live['notes'], 1):
        facts[f'note {number}'] = note
    return facts


def _latency(live: Mapping[str, Any]) -> dict[str, str]:
    """What is known of it; a note says why the rest is not."""
    since = {
        'latency from the stamp of an image': live['latency_from_stamp'],
        'latency from the arrival of an image at the recorder': live['latency_from_arrival'],
    }
    known = {name: _in(found, 1000, 'ms') for name, found in since.items() if found is not None}
    return known or {'latency': 'not known'}


def _in(found: Mapping[str, float], scale: float, unit: str) -> str:
    names = {'median': 'median', 'p95': '95 %', 'highest': 'highest'}
    return ', '.join(f'{name} {scale * found[key]:.1f} {unit}' for key, name in names.items())
