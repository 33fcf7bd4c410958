"""The `drift` command. Every command is a function in a module of its name in this package.

The modules are imported for every call, so they import torch, rclpy and the like only inside their
commands.
"""

from __future__ import annotations

import importlib
import logging
import os
import signal
import unicodedata
from typing import Annotated, Any

import rich.text
import typer
from rich.console import Console
from rich.logging import RichHandler
from rich.text import Text
from typer.core import TyperGroup

import drift_ros
from drift_ros.errors import DriftError

COMMANDS = (
    'track', 'points', 'page', 'convert', 'play', 'record', 'render', 'evaluate', 'demo', 'score',
    'latency', 'pca', 'attention', 'analyze', 'adapt', 'compare', 'sweep', 'train_embedded',
    'train_points', 'train_recognition',
    'generate', 'convert_adm', 'extractors', 'presets', 'settings', 'docs',
)  # fmt: skip
INSPECTING = dict.fromkeys(('extractors', 'presets', 'settings'), 'inspect')  # in one module
BAD_INPUT, PARTLY, INTERRUPTED = 2, 3, 130  # exit codes


class Commands(TyperGroup):
    """Turns the errors of every command into one line and an exit code."""

    def invoke(self, ctx: Any) -> Any:
        """Run the command that was asked for."""
        try:
            return super().invoke(ctx)
        except DriftError as error:
            if ctx.params.get('debug'):
                raise
            complain(str(error))
            raise typer.Exit(BAD_INPUT) from None
        except BrokenPipeError:
            raise  # whoever read the output has gone; the library deals with that
        except OSError as error:  # of a disk, wherever it strikes
            if ctx.params.get('debug') or error.errno is None:
                raise
            complain(str(error))
            raise typer.Exit(BAD_INPUT) from None
        except KeyboardInterrupt:
            complain('interrupted')
            raise typer.Exit(INTERRUPTED) from None

    def list_commands(self, ctx: Any) -> list[str]:
        """Names in the order of `COMMANDS`."""
        return list(self.commands)


def complain(message: str) -> None:
    """Write one red line to stderr."""
    line = Text(f'drift: {" ".join(message.split())}', style='red')
    Console(stderr=True).print(line, soft_wrap=True)


def _printable(text: str) -> str:
    """A text without the control characters that a terminal would obey."""
    return ''.join(c if c in '\n\t' or unicodedata.category(c) != 'Cc' else '' for c in text)


def _version(show: bool) -> None:
    if show:
        typer.echo(f'drift {drift_ros.__version__}')
        raise typer.Exit


def _start(
    debug: Annotated[
        bool, typer.Option('--debug', help='Show all log messages, and tracebacks of errors.')
    ] = False,
    version: Annotated[
        bool,
        typer.Option('--version', callback=_version, is_eager=True, help='Show the version.'),
    ] = False,
) -> None:
    """Object tracking for robots with the features of video diffusion models."""
    for library in ('DIFFUSERS', 'TRANSFORMERS'):
        os.environ.setdefault(f'{library}_VERBOSITY', 'error')
    os.environ.setdefault('OMP_WAIT_POLICY', 'PASSIVE')  # as for the node, see scripts/tracker.in
    # names of objects and files are printed, and rich lets most control characters through
    text: Any = rich.text
    text.strip_control_codes = _printable
    logger = logging.getLogger('drift_ros')
    logger.setLevel(logging.DEBUG if debug else logging.WARNING)
    logger.handlers = [RichHandler(console=Console(stderr=True), show_time=False, show_path=debug)]
    logger.propagate = False


def make_app() -> typer.Typer:
    """The application with all commands."""
    app = typer.Typer(
        name='drift',
        cls=Commands,
        no_args_is_help=True,
        pretty_exceptions_enable=False,
        context_settings={'help_option_names': ['-h', '--help']},
    )
    app.callback()(_start)
    for name in COMMANDS:
        module = importlib.import_module(f'drift_ros.cli.{INSPECTING.get(name, name)}')
        app.command(name.replace('_', '-'))(getattr(module, name))
    return app


def main() -> None:
    """Run the command line. A request to end is taken as Ctrl-C, so that files are closed."""
    # else torch's threads spin while they wait: tens of times slower beside another busy process
    os.environ.setdefault('OMP_WAIT_POLICY', 'PASSIVE')
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    make_app()()


if __name__ == '__main__':
    main()
