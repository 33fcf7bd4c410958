"""Tables of the pages, as rows of text in percent, seconds and MiB."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from drift_ros.evaluation.reporting.published import Published
from drift_ros.evaluation.reporting.reading import MEASURES, Results, known
from drift_ros.visualization.pages import object_row, row

NOTHING = '–'
MAIN = ('J&F', 'J', 'F', 'PCK@0.1', 'PCK@0.2', 'found')
MIB = 2**20
Table = dict[str, Any]


def percent(value: float | None) -> str:
    """A fraction in percent with one digit."""
    return NOTHING if value is None else f'{100 * value:.1f}'


def seconds(value: float | None) -> str:
    """A time per frame with three digits that count."""
    return NOTHING if value is None else f'{value:.3g}'


def mib(value: float | None) -> str:
    """Bytes in MiB."""
    return NOTHING if value is None else f'{value / MIB:.0f}'


def anchor(number: int) -> str:
    """Where the page speaks of a sequence."""
    return f'sequence-{number}'


def means(results: Results, published: Published | None) -> Table:
    """Mean of each measure here, and below it what was published."""
    mean = results.mean
    names = list(mean)
    timed = published is not None and published.seconds_per_frame is not None
    own = [percent(mean[name]) for name in names]
    rows = [row(f'this run: {results.method}', own, strong=True)]
    if timed:
        own += [seconds(results.seconds_per_frame), mib(_memory(results))]
    if published is not None:
        theirs = [percent(published.measures.get(name)) for name in names]
        if timed:
            theirs += [seconds(published.seconds_per_frame), mib(published.memory)]
        rows.append(row(f'published: {published.method}', theirs))
    heads = ['[%]', *names, *(['s/frame', 'memory [MiB]'] if timed else [])]
    return {'heads': heads, 'rows': rows}


def sequences(results: Results) -> Table:
    """A row per sequence."""
    entries = results.sequences
    shown = [name for name in MAIN if name in results.mean]
    switches = any('switches' in entry for entry in entries.values())
    device = results.highest('device_memory') is not None
    heads = ['Sequence', 'Joints' if results.poses else 'Objects', 'Frames', *shown]
    heads += ['Id switches'] if switches else []
    heads += ['s/frame', 'Memory [MiB]'] + (['GPU [MiB]'] if device else [])
    rows = []
    for i, (name, entry) in enumerate(entries.items()):
        measures = known(entry)
        cells = [str(len(entry.get('objects', {}))), str(entry.get('frames', NOTHING))]
        cells += [percent(measures.get(measure)) for measure in shown]
        cells += [str(entry.get('switches', NOTHING))] if switches else []
        cells += [seconds(entry.get('seconds_per_frame')), mib(entry.get('memory'))]
        cells += [mib(entry.get('device_memory'))] if device else []
        rows.append(row(name, cells, link=f'#{anchor(i)}'))
    return {'heads': heads, 'rows': rows}


def objects(entry: Mapping[str, Any]) -> Table:
    """A row per object of a sequence."""
    found = entry.get('objects', {})
    shown = [name for name in MEASURES if any(name in obj for obj in found.values())]
    switches = any('switches' in obj for obj in found.values())
    rows = []
    for id_, obj in found.items():
        measures = known(obj)
        cells = [percent(measures.get(name)) for name in shown]
        cells += [str(obj.get('switches', NOTHING))] if switches else []
        rows.append(object_row(int(id_), str(obj.get('name', '')), cells))
    part = 'Joint' if 'found' in shown else 'Object'
    return {'heads': [part, *shown, *(['Id switches'] if switches else [])], 'rows': rows}


def in_short(entry: Mapping[str, Any]) -> str:
    """The main measures of a sequence in a line."""
    return ', '.join(f'{name} {percent(v)}' for name, v in known(entry).items() if name in MAIN)


def speed(results: Results) -> dict[str, str]:
    """What the run took, in words."""
    facts = {}
    per_frame = results.seconds_per_frame
    if per_frame is not None:
        rate = f' ({1 / per_frame:.3g} frames/s)' if per_frame > 0 else ''
        facts['time per frame'] = f'{seconds(per_frame)} s{rate}, mean over all frames'
        timed = {
            name: entry['seconds_per_frame']
            for name, entry in results.sequences.items()
            if entry.get('seconds_per_frame') is not None
        }
        slowest = max(timed, key=lambda name: timed[name])
        facts['slowest sequence'] = f'{slowest}, {seconds(timed[slowest])} s per frame'
    for kind, name in (('memory', 'highest memory'), ('device_memory', 'highest on the GPU')):
        highest = results.highest(kind)
        if highest is not None:
            facts[name] = f'{mib(highest)} MiB'
    return facts


def _memory(results: Results) -> int | None:
    """On the device where there is one: that is what papers tell."""
    device = results.highest('device_memory')
    return results.highest('memory') if device is None else device
