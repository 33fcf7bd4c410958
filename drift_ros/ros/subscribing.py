"""Subscriptions to sensors that ask for as much as their publishers offer.

Over UDP a large image is many packets, and a best-effort subscription loses the image with any of
them, also where the publisher would send it again. So a subscription is reliable while every
publisher of its topic offers that (as rosbag2 does it), and best-effort as soon as one does not,
from which nothing would come otherwise.

A subscription that keeps all does not take messages for which there is no room: they wait with the
middleware, which holds a reliable publisher that keeps all, too, once its own limits are reached.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

from rclpy.callback_groups import MutuallyExclusiveCallbackGroup
from rclpy.node import Node
from rclpy.qos import QoSHistoryPolicy, QoSPolicyKind, QoSProfile, QoSReliabilityPolicy
from rclpy.qos_overriding_options import InvalidQosOverridesError

from drift_ros.errors import DriftError
from drift_ros.ros.qos import overridden, overrides, remedy

try:
    from rclpy.event_handler import SubscriptionEventCallbacks, UnsupportedEventTypeError
except ImportError:  # Humble
    from rclpy.qos_event import SubscriptionEventCallbacks, UnsupportedEventTypeError

log = logging.getLogger(__name__)

RELIABLE, BEST_EFFORT = QoSReliabilityPolicy.RELIABLE, QoSReliabilityPolicy.BEST_EFFORT


class InputError(DriftError):
    """A topic cannot be subscribed to."""


class WhileRoom(MutuallyExclusiveCallbackGroup):
    """Lets the executor take messages only while there is room for them. When there is room again,
    the executor must be woken.
    """

    def __init__(self, room: Callable[[], bool]) -> None:
        super().__init__()
        self._room = room

    def can_execute(self, entity: Any) -> bool:
        """Asked before messages are waited for, and before one is taken."""
        return self._room() and bool(super().can_execute(entity))


class SensorSubscription:
    """A subscription whose reliability follows the publishers of its topic.

    The parameter `qos_overrides.<topic>.subscription.reliability` fixes it.

    Args:
        node: subscribes.
        kind: type of the messages.
        topic: relative or full name.
        callback: takes each message.
        depth: messages that may wait for the executor; the oldest are dropped.
        on_lost: takes how many messages more the middleware reports as lost.
        room: whether there is room for another message. With it none is dropped: all that come
            wait until there is, and `depth` is not used.

    Attributes:
        name: full name of the topic.
        lost: messages that the middleware has reported as lost.

    Raises:
        InputError: the middleware or an override does not allow it.
    """

    def __init__(
        self,
        node: Node,
        kind: type,
        topic: str,
        callback: Callable[[Any], None],
        depth: int,
        on_lost: Callable[[int], None] = lambda count: None,
        room: Callable[[], bool] | None = None,
    ) -> None:
        self._node = node
        self._kind = kind
        self._callback = callback
        self._depth = depth
        self._on_lost = on_lost
        self._room = room
        self.name = str(node.resolve_topic_name(topic))
        self.lost = 0
        self._fixed = overridden(node, self.name, 'subscription', QoSPolicyKind.RELIABILITY)
        self._reliability = self._offered() or RELIABLE
        self._subscription = self._subscribe()

    def match(self) -> None:
        """Ask for what the publishers offer now; cheap if that has not changed."""
        offered = self._offered()
        if self._fixed or offered in (None, self._reliability):
            return
        self._reliability = offered
        self.destroy()
        self._subscription = self._subscribe()
        log.info('%s is %s now, as its publishers are', self.name, offered.name.lower())

    def destroy(self) -> None:
        """Give the subscription up."""
        self._node.destroy_subscription(self._subscription)

    def _offered(self) -> QoSReliabilityPolicy | None:
        """What every publisher of the topic offers; None without a publisher."""
        publishers = self._node.get_publishers_info_by_topic(self.name)
        offers = {info.qos_profile.reliability for info in publishers}
        if not offers:
            return None
        return RELIABLE if offers == {RELIABLE} else BEST_EFFORT

    def _subscribe(self) -> Any:
        keep = QoSHistoryPolicy.KEEP_ALL if self._room else QoSHistoryPolicy.KEEP_LAST
        profile = QoSProfile(history=keep, depth=self._depth, reliability=self._reliability)
        if self._room and self._reliability == BEST_EFFORT:
            log.warning(
                '%s is to keep all images, and a publisher there is best-effort: what is lost on '
                'the way is not sent again; let it offer reliable QoS',
                self.name,
            )
        events = {'incompatible_qos': self._incompatible, 'message_lost': self._count}
        try:
            try:
                return self._create(profile, SubscriptionEventCallbacks(**events))
            except UnsupportedEventTypeError:  # not every middleware counts what it loses
                return self._create(profile, SubscriptionEventCallbacks())
        except (RuntimeError, InvalidQosOverridesError) as error:
            hint = ''
            if 'incompatible type' in str(error):
                hint = (
                    '; another node of this process uses the topic with another type: remap it or '
                    'set image_transport'
                )
            raise InputError(
                f'cannot subscribe to {self.name} as {self._kind.__name__}: {error}{hint}'
            ) from None

    def _create(self, profile: QoSProfile, events: SubscriptionEventCallbacks) -> Any:
        return self._node.create_subscription(
            self._kind,
            self.name,
            self._callback,
            profile,
            callback_group=WhileRoom(self._room) if self._room else None,
            event_callbacks=events,
            qos_overriding_options=overrides(self._node, self.name, 'subscription'),
        )

    def _incompatible(self, event: Any) -> None:
        before = self._reliability
        self.match()
        if self._reliability == before:
            log.error(
                'a publisher on %s offers an incompatible QoS (%s), nothing will come from it: set '
                'the parameter qos_overrides.%s.subscription.reliability (or .durability of the '
                'publisher)',
                self.name,
                QoSPolicyKind(event.last_policy_kind).name.lower(),
                self.name,
            )

    def _count(self, event: Any) -> None:
        if not self.lost:
            log.warning('messages of %s are lost on the way to this node: %s', self.name, remedy())
        self.lost += event.total_count_change
        self._on_lost(event.total_count_change)
