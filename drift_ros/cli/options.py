"""From options of the command line to the tracker's settings."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from drift_ros import resources
from drift_ros.documents import DocumentError, parse_yaml
from drift_ros.errors import SettingsError
from drift_ros.node_settings import NodeSettings
from drift_ros.settings import TrackerSettings, build, fields, flatten, read_yaml

# What a parameters file may hold besides the node's own parameters.
FOREIGN = ('use_sim_time', 'start_type_description_service', 'qos_overrides.')


def tracker_settings(
    config: str | None = None,
    features: str | None = None,
    device: str | None = None,
    assignments: Sequence[str] = (),
) -> TrackerSettings:
    """Settings by rising precedence: defaults, configuration, extractor and device, assignments.

    Args:
        config: settings or parameters file, or the name of a preset. Parameters that are only for
            the node are checked and then left out.
        assignments: `name=value` with the value in YAML.

    Raises:
        SettingsError: a file, a name or a value is wrong.
    """
    values = _from_config(config) if config is not None else {}
    if features is not None:
        values['features.name'] = features
    if device is not None:
        values['features.device'] = device
    for assignment in assignments:
        name, value = assigned(assignment)
        values[name] = value
    return build(TrackerSettings, values)


def _from_config(config: str) -> dict[str, Any]:
    place = _find(config)
    given = {n: v for n, v in read_yaml(place).items() if not n.startswith(FOREIGN)}
    try:
        checked = flatten(build(NodeSettings, given))
    except SettingsError as error:
        raise SettingsError(f'{place}: {error}') from None
    known = {name for name, _ in fields(TrackerSettings)}
    return {name: checked[name] for name in given if name in known}


def preset_files() -> dict[str, Path]:
    """Name -> file of every preset that comes with the package."""
    files = resources.names('config', suffix='.yaml')
    return {
        Path(name).stem: resources.path('config', name)
        for name in files
        if not name.endswith('_example.yaml')
    }


def _find(config: str) -> Path:
    path = Path(config).expanduser()
    presets = preset_files()
    if not path.is_file() and config in presets:
        return presets[config]
    if not path.is_file():
        raise SettingsError(
            f'--config is {config!r}, which is neither a file nor a preset; presets are: '
            f'{", ".join(presets)}'
        )
    return path


def preset_name(config: str | None) -> str | None:
    """Name of the preset that `--config` means; None if it means none."""
    if config is None or Path(config).expanduser().is_file():
        return None
    return config if config in preset_files() else None


def assigned(text: str) -> tuple[str, Any]:
    """Name and value of `name=value`, the value in YAML.

    Raises:
        SettingsError: it is no assignment, or its value no YAML.
    """
    name, sign, value = text.partition('=')
    if not sign:
        raise SettingsError(f'--set {text!r} must be name=value, such as propagation.top_k=5')
    try:
        return name.strip(), parse_yaml(value) if value.strip() else ''
    except DocumentError as error:
        raise SettingsError(f'--set {name}: the value cannot be read: {error}') from None
