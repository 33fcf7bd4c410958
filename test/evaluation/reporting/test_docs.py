"""The page about reports: its commands exist, its pictures are there and small."""

from __future__ import annotations

import re
from pathlib import Path

import typer

from drift_ros.cli.main import make_app
from drift_ros.evaluation.sweep import parse_axis

ROOT = Path(__file__).parents[3]
PAGE = (ROOT / 'docs/reports.md').read_text()


def test_pictures_are_there_and_small():
    pictures = re.findall(r'!\[[^]]*\]\(([^)]*)\)', PAGE)
    assert len(pictures) == 2
    for picture in pictures:
        assert (ROOT / 'docs' / picture).stat().st_size < 200_000


def test_commands_and_options_exist():
    app = typer.main.get_command(make_app())
    named = set(re.findall(r'drift ([a-z]+) ', PAGE)) - {'ros'}
    assert named <= set(app.commands)
    options = {
        option
        for name in ('evaluate', 'compare', 'sweep')
        for parameter in app.commands[name].params
        for option in parameter.opts
    }
    assert set(re.findall(r'(?<=[\s`])--[a-z-]+', PAGE)) <= options


def test_axes_of_the_examples_are_settings():
    axes = re.findall(r'--over\s+([\w.]+=[\w.,]+)', PAGE)
    assert len(axes) == 4
    for axis in axes:
        parse_axis(axis)
