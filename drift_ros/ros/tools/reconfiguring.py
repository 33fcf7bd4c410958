"""Gives a running tracker other settings: most take effect when the node is configured."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rcl_interfaces.srv import GetParameters, SetParametersAtomically
from rclpy.node import Node
from rclpy.parameter import Parameter, parameter_value_to_python

from drift_ros.ros.tools.client import ClientError, TrackerClient
from drift_ros.settings import TrackerSettings, fields

TIMEOUT = 300.0  # s: weights are loaded, perhaps downloaded


class Reconfigurer:
    """Takes one tracker from preset to preset. Its methods wait, as those of `TrackerClient`.

    Args:
        node: a node that someone else spins.
        tracker: full name of the tracker's node.
    """

    def __init__(self, node: Node, tracker: str) -> None:
        self._node = node
        self._client = TrackerClient(node, tracker)
        self._get = node.create_client(GetParameters, f'{tracker}/get_parameters')
        self._set = node.create_client(
            SetParametersAtomically, f'{tracker}/set_parameters_atomically'
        )
        self._first: dict[str, Any] = {}

    def apply(self, values: Mapping[str, Any]) -> None:
        """Let the tracker begin anew, with the settings that it was found with, except for these.

        Its targets are forgotten. If it cannot work with them, it goes back to what it had.

        Args:
            values: dotted name -> value; those that are not of the tracker are left out.

        Raises:
            ClientError: it cannot, or does not answer.
        """
        before = self._read()
        self._first = self._first or before
        chosen = self._first | {name: v for name, v in values.items() if name in before}
        for step in ('deactivate', 'cleanup'):
            self._client.change_state(step, TIMEOUT)
        try:
            self._begin(chosen)
        except ClientError as error:
            self._begin(before)
            raise ClientError(f'{error}; the settings are as they were') from None

    def close(self) -> None:
        """Give up the services' clients; the node stays."""
        self._client.close()
        for client in (self._get, self._set):
            self._node.destroy_client(client)

    def _begin(self, values: Mapping[str, Any]) -> None:
        parameters = [Parameter(n, value=v).to_parameter_msg() for n, v in values.items()]
        request = SetParametersAtomically.Request(parameters=parameters)
        result = self._client.call(self._set, request, TIMEOUT).result
        if not result.successful:
            raise ClientError(str(result.reason))
        for step in ('configure', 'activate'):
            self._client.change_state(step, TIMEOUT)

    def _read(self) -> dict[str, Any]:
        names = [name for name, _ in fields(TrackerSettings)]
        answer = self._client.call(self._get, GetParameters.Request(names=names), TIMEOUT)
        found = [parameter_value_to_python(value) for value in answer.values]
        return {n: v for n, v in zip(names, found, strict=False) if v is not None}
