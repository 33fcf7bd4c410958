"""The row for a paper."""

from __future__ import annotations

from result_folders import write_results

from drift_ros.evaluation.reporting.latex import escape, write_latex


def test_the_row_holds_the_means_in_percent(tmp_path):
    write_results(
        tmp_path, {'a': [(0.5, 0.7)]}, {'b': 'broken'}, method='ours_1 & more',
        dataset={'layout': 'davis', 'path': 'my\nclips'},
    )  # fmt: skip
    lines = write_latex(tmp_path).read_text().splitlines()
    assert lines == [
        '% davis my clips: 1 of 2 sequences, 1 objects',
        r'% Method & $\mathcal{J}\&\mathcal{F}$ & $\mathcal{J}$ & $\mathcal{F}$ & s/frame \\',
        r'ours\_1 \& more & 60.0 & 50.0 & 70.0 & 0.25 \\',
    ]


def test_signs_that_latex_reads_are_escaped():
    assert escape(r'a\b{c}^~#$%') == (
        r'a\textbackslash{}b\{c\}\textasciicircum{}\textasciitilde{}\#\$\%'
    )
