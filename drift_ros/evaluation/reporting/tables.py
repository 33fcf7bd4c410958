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


def sequences(results: Results, mean: bool = False) -> Table:
    """A row per sequence, and perhaps one for the mean over all objects or joints."""
    entries = results.sequences
    shown = [name for name in MAIN if name in results.mean]
    switches = any('switches' in entry for entry in entries.values())
    device = results.highest('device_memory') is not None
    heads = ['Sequence', 'Joints' if results.poses else 'Objects', 'Frames', *shown]
    heads += ['Id switches'] if switches else []
    heads += ['s/frame', 'Memory [MiB]'] + (['GPU [MiB]'] if device else [])

    def cells(entry: Mapping[str, Any], objects: int, frames: object) -> list[str]:
        measures = known(entry)
        found = [str(objects), str(frames), *(percent(measures.get(name)) for name in shown)]
        found += [str(entry.get('switches', NOTHING))] if switches else []
        found += [seconds(entry.get('seconds_per_frame')), mib(entry.get('memory'))]
        return found + ([mib(entry.get('device_memory'))] if device else [])

    counts = [len(entry.get('objects', {})) for entry in entries.values()]
    rows = [
        row(name, cells(entry, count, entry.get('frames', NOTHING)), link=f'#{anchor(i)}')
        for i, ((name, entry), count) in enumerate(zip(entries.items(), counts, strict=True))
    ]
    if not mean:
        return {'heads': heads, 'rows': rows}
    means = {'seconds_per_frame': results.seconds_per_frame, **results.record['mean']}
    frames = sum(entry.get('frames', 0) for entry in entries.values())
    title = f'mean over {"joints" if results.poses else "objects"}'
    count = max(counts, default=0) if results.poses else sum(counts)
    rows.append(row(title, cells(means, count, frames), strong=True))
    return {'heads': heads, 'rows': rows}


def objects(entry: Mapping[str, Any]) -> Table:
    """A row per object of a sequence, and one for their mean."""
    found = entry.get('objects', {})
    shown = [name for name in MEASURES if any(name in obj for obj in found.values())]
    switches = any('switches' in obj for obj in found.values())

    def cells(obj: Mapping[str, Any]) -> list[str]:
        measures = known(obj)
        each = [percent(measures.get(name)) for name in shown]
        return each + ([str(obj.get('switches', NOTHING))] if switches else [])

    rows = [
        object_row(int(id_), str(obj.get('name', '')), cells(obj)) for id_, obj in found.items()
    ]
    rows += [row('mean', cells(entry), strong=True)] if len(found) > 1 else []
    part = 'Joint' if 'found' in shown else 'Object'
    return {'heads': [part, *shown, *(['Id switches'] if switches else [])], 'rows': rows}


def summary(entry: Mapping[str, Any]) -> str:
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
    """On the device where there is one: as papers report it."""
    device = results.highest('device_memory')
    return results.highest('memory') if device is None else device
