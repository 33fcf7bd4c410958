"""The node's parameters, declared from the settings model.

Each parameter carries the description and range of its field. Values are checked by the model, at
the start and at every change: unknown names and bad values are refused with the name, the value and
what is allowed.

What may differ between cameras has a further parameter per camera, `<camera>.<name>`, which is not
set at first: then the one without the camera's name holds.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from pydantic.fields import FieldInfo
from rcl_interfaces.msg import (
    FloatingPointRange,
    IntegerRange,
    ParameterDescriptor,
    SetParametersResult,
)
from rclpy.node import Node
from rclpy.parameter import Parameter

from drift_ros.errors import SettingsError
from drift_ros.node_settings import NodeSettings, camera_names, dynamic_names
from drift_ros.reference import bounds, constraints, kind, marks
from drift_ros.settings import build, fields, flatten

log = logging.getLogger(__name__)

# Parameters that rclpy itself declares.
FOREIGN = ('use_sim_time', 'start_type_description_service', 'qos_overrides.')


class Parameters:
    """Keeps the settings of a node equal to its parameters.

    The node must have been made with `automatically_declare_parameters_from_overrides=True`.

    Args:
        node: declares and holds the parameters.
        configured: tells whether the node is configured, so that only dynamic settings may change.
        changed: called with the new settings after each accepted change.

    Raises:
        SettingsError: an override from the command line or a parameters file is unknown or bad.
    """

    def __init__(
        self,
        node: Node,
        configured: Callable[[], bool] = lambda: False,
        changed: Callable[[NodeSettings], None] = lambda settings: None,
    ) -> None:
        self._configured = configured
        self._changed = changed
        self._dynamic = dynamic_names()
        self._differing = camera_names()
        self._known = dict(fields(NodeSettings))
        self._own: dict[str, Any] = {}  # `<camera>.<name>` -> what is set for one camera alone
        self._of: dict[str, NodeSettings] = {}  # by camera
        given = self._take_overrides(node)
        only = {name: value for name, value in given.items() if name == 'cameras'}
        self.settings = build(NodeSettings, only)
        self._apply(given)
        for name, value in flatten(self.settings).items():
            node.declare_parameter(name, value, describe(self._known[name]), ignore_override=True)
        for camera in filter(None, self.settings.cameras):
            for name in sorted(self._differing):
                self._declare(node, camera, name)
        node.add_on_set_parameters_callback(self._on_set)

    def of(self, camera: str) -> NodeSettings:
        """The settings of one camera."""
        return self._of[camera]

    def _declare(self, node: Node, camera: str, name: str) -> None:
        full = f'{camera}.{name}'
        value = flatten(self._of[camera])[name] if full in self._own else None
        described = describe(self._known[name])
        described.description = f'As {name}, for camera {camera} alone; not set: as {name}.'
        node.declare_parameter(full, value, described, ignore_override=True)

    def _take_overrides(self, node: Node) -> dict[str, Any]:
        """Values given from outside; they are declared anew afterwards, with their descriptors."""
        given = node.get_parameters_by_prefix('')
        own = {name: p.value for name, p in given.items() if not name.startswith(FOREIGN)}
        for name in own:
            node.undeclare_parameter(name)
        return own

    def _on_set(self, parameters: Sequence[Parameter]) -> SetParametersResult:
        values = {p.name: p.value for p in parameters if not p.name.startswith(FOREIGN)}
        if not values:
            return SetParametersResult(successful=True)
        before = self.settings, self._own, self._of
        try:
            self._apply(values, fixed=self._configured())
            self._changed(self.settings)
        except Exception as error:  # rclpy would leave the caller without an answer
            self.settings, self._own, self._of = before
            if isinstance(error, SettingsError):
                reason = str(error)
            else:
                reason = f'{type(error).__name__}: {error}'
                log.exception('cannot set %s', ', '.join(values))
            return SetParametersResult(successful=False, reason=reason)
        return SetParametersResult(successful=True)

    def _apply(self, values: Mapping[str, Any], fixed: bool = False) -> None:
        """Take values over, all or none; where `fixed`, only such as may change at any time."""
        for name, value in values.items():
            self._check_type(name, value)
        common = {name: value for name, value in values.items() if not self._split(name)[0]}
        settings = build(NodeSettings, {**flatten(self.settings), **common})
        own = self._own | {name: value for name, value in values.items() if name not in common}
        of = {camera: self._with_own(settings, own, camera) for camera in settings.cameras}
        for name in values if fixed else ():
            camera, setting = self._split(name)
            before = self._of[camera] if camera else self.settings
            after = of[camera] if camera else settings
            if setting not in self._dynamic and flatten(before)[setting] != flatten(after)[setting]:
                raise SettingsError(
                    f'parameter {name!r} takes effect when the node is configured: deactivate and '
                    'clean up the node, set it, then configure and activate it again'
                )
        self.settings, self._own, self._of = settings, own, of

    def _with_own(
        self, settings: NodeSettings, own: Mapping[str, Any], camera: str
    ) -> NodeSettings:
        mine = {self._split(n)[1]: v for n, v in own.items() if self._split(n)[0] == camera}
        if not mine:
            return settings
        try:
            return build(NodeSettings, {**flatten(settings), **mine})
        except SettingsError as error:
            raise SettingsError(f'camera {camera}: {error}') from None

    def _split(self, name: str) -> tuple[str, str]:
        """Camera (empty: all) and setting that a parameter is about."""
        camera, _, setting = name.partition('.')
        return (camera, setting) if camera in self.settings.cameras else ('', name)

    def _check_type(self, name: str, value: Any) -> None:
        """The model would also take '3' for 3, which in a parameter is more likely a slip."""
        camera, setting = self._split(name)
        if camera and setting not in self._differing:
            raise SettingsError(
                f'parameter {name!r} cannot be set for one camera; these can: '
                f'{", ".join(sorted(self._differing))}'
            )
        if setting not in self._known:
            return  # `build` refuses it and names the closest one
        expected = kind(self._known[setting])
        allowed = (int, float) if expected is float else (expected,)
        if not isinstance(value, allowed) or (isinstance(value, bool) and expected is not bool):
            raise SettingsError(
                f'setting {name!r} is {value!r}: it must be of type {expected.__name__}'
            )


def unused_qos_overrides(node: Node, topics: Sequence[str]) -> list[str]:
    """Names of the given QoS overrides that name none of the node's topics."""
    prefix = 'qos_overrides'
    given = node.get_parameters_by_prefix(prefix)
    return [f'{prefix}.{name}' for name in given if name.rsplit('.', 2)[0] not in topics]


def describe(info: FieldInfo) -> ParameterDescriptor:
    """Descriptor of a parameter: description, range, choices, whether it is read-only."""
    described = ParameterDescriptor(
        description=info.description or '',
        read_only=bool(marks(info).get('read_only')),
        # so that `5` is as good as `5.0`, and that every refusal names the parameter
        dynamic_typing=True,
    )
    low, high = bounds(info)
    if kind(info) is int and low is not None and high is not None:
        described.integer_range = [IntegerRange(from_value=int(low), to_value=int(high))]
    if kind(info) is float and low is not None and high is not None:
        described.floating_point_range = [
            FloatingPointRange(from_value=float(low), to_value=float(high))
        ]
    rules = [constraints(info)] if constraints(info) else []
    if not marks(info).get('dynamic'):
        rules.append('may change only while the node is unconfigured')
    described.additional_constraints = '; '.join(rules)
    return described
