"""The `drift` command within this process."""

from __future__ import annotations

from typer.testing import CliRunner

from drift_ros.cli.main import make_app


def drift(*arguments: object) -> tuple[int, str]:
    """Its exit code and what it printed, in one line; it must not end by an exception."""
    found = CliRunner().invoke(make_app(), [str(a) for a in arguments])
    assert isinstance(found.exception, SystemExit | None), found.exc_info
    return found.exit_code, ' '.join(found.output.split())
