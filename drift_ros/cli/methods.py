"""From options of the command line to what tracks in an evaluation."""

from __future__ import annotations

from collections.abc import Sequence

from drift_ros.cli.options import assigned, tracker_settings
from drift_ros.errors import SettingsError
from drift_ros.evaluation.methods import Flow, FlowSettings, MethodSpec, Ours, PlugIn
from drift_ros.evaluation.methods.flow import NAME as FLOW
from drift_ros.settings import build


def choose_method(
    features: str | None,
    method: str | None,
    config: str | None,
    device: str | None,
    assignments: Sequence[str],
) -> MethodSpec:
    """What the options name.

    Args:
        features: name of an extractor, or `flow`.
        method: `package.module:Factory` of a tracker from elsewhere; arguments are assigned.
        config: settings file or preset of our tracker.
        device: where it runs; handed to a factory as `device`.
        assignments: `name=value`.

    Raises:
        SettingsError: options that exclude each other, or something unknown.
    """
    values = dict(assigned(assignment) for assignment in assignments)
    if method is None and features != FLOW:
        return Ours(tracker_settings(config, features, device, assignments))
    name = FLOW if method is None else method
    if config is not None or (method is not None and features is not None):
        other = '--config' if config is not None else '--features'
        raise SettingsError(f'{other} belongs to our tracker and does not go with {name}')
    if method is not None:
        return PlugIn(method, values | ({} if device is None else {'device': device}))
    return Flow(build(FlowSettings, {k.removeprefix('flow.'): v for k, v in values.items()}))
