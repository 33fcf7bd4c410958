"""The results as a row of a table in LaTeX."""

from __future__ import annotations

from pathlib import Path

from drift_ros.evaluation.reporting.reading import Results, read_results
from drift_ros.runs.atomic import write_text

ESCAPED = {
    '\\': r'\textbackslash{}', '&': r'\&', '%': r'\%', '$': r'\$', '#': r'\#', '_': r'\_',
    '{': r'\{', '}': r'\}', '~': r'\textasciitilde{}', '^': r'\textasciicircum{}',
}  # fmt: skip
CALLIGRAPHIC = {'J&F': r'$\mathcal{J}\&\mathcal{F}$', 'J': r'$\mathcal{J}$', 'F': r'$\mathcal{F}$'}


def write_latex(folder: Path) -> Path:
    """Write `results.tex` beside `results.json`.

    Raises:
        SourceError: the folder holds no results.
        OutputError: the file cannot be written.
    """
    return write_text(folder / 'results.tex', latex(read_results(folder)))


def latex(results: Results) -> str:
    """A row in percent, below comments that name its columns and its data."""
    mean = results.mean
    count, total = results.count
    heads = ['Method', *(_head(name) for name in mean), 's/frame']
    seconds = results.seconds_per_frame
    cells = [
        escape(results.method),
        *('--' if value is None else f'{100 * value:.1f}' for value in mean.values()),
        '--' if seconds is None else f'{seconds:.3g}',
    ]
    data = ' '.join(str(results.dataset[k]) for k in ('layout', 'path') if k in results.dataset)
    parts = f', {results.objects} objects' if not results.poses else ''
    return (
        f'% {" ".join(data.split())}: {count} of {total} sequences{parts}\n'
        f'% {" & ".join(heads)} \\\\\n'
        f'{" & ".join(cells)} \\\\\n'
    )


def escape(text: str) -> str:
    """Text in which LaTeX sees no commands."""
    return ''.join(ESCAPED.get(char, char) for char in text)


def _head(name: str) -> str:
    measure, _, kind = name.partition(' ')
    return f'{CALLIGRAPHIC.get(measure, escape(measure))} {kind}'.strip()
