"""Quality of service: overrides by parameters, and what to do where messages get lost."""

from __future__ import annotations

import os

from rclpy.node import Node
from rclpy.qos import QoSHistoryPolicy, QoSPolicyKind, QoSProfile
from rclpy.qos_overriding_options import QosCallbackResult, QoSOverridingOptions
from rclpy.utilities import get_rmw_implementation_identifier

from drift_ros import resources

OVERRIDABLE = (QoSPolicyKind.HISTORY, QoSPolicyKind.DEPTH, QoSPolicyKind.RELIABILITY)
LARGEST_DEPTH = 10_000
# older and newer name of the same variable
PROFILE_VARIABLES = ('FASTRTPS_DEFAULT_PROFILES_FILE', 'FASTDDS_DEFAULT_PROFILES_FILE')


def overridden(node: Node, topic: str, kind: str, policy: QoSPolicyKind) -> bool:
    """Whether a parameter of the node sets a policy of its publisher or subscription (`kind`)."""
    return bool(node.has_parameter(f'qos_overrides.{topic}.{kind}.{policy.name.lower()}'))


def overrides(node: Node, topic: str, kind: str) -> QoSOverridingOptions:
    """The policies that parameters set, checked.

    Others are not declared as parameters: what is declared stays, and the node's own choice may
    differ the next time that it is configured.
    """
    given = [policy for policy in OVERRIDABLE if overridden(node, topic, kind, policy)]
    return QoSOverridingOptions(given, callback=_check)


def _check(profile: QoSProfile) -> QosCallbackResult:
    if profile.history == QoSHistoryPolicy.KEEP_LAST and not 1 <= profile.depth <= LARGEST_DEPTH:
        return QosCallbackResult(
            successful=False, reason=f'depth is {profile.depth}, give 1 to {LARGEST_DEPTH}'
        )
    return QosCallbackResult(successful=True)


def remedy() -> str:
    """What keeps images from getting lost on the way between processes."""
    advice = 'let their publisher offer reliable QoS'
    fast_dds = 'fastrtps' in get_rmw_implementation_identifier()
    if not fast_dds or any(name in os.environ for name in PROFILE_VARIABLES):
        return advice
    profile = resources.path('config', 'fastdds.xml')
    return f'{advice}; on one machine, start it and this node with {PROFILE_VARIABLES[0]}={profile}'
