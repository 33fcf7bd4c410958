"""The package's ROS interface definitions as text, for who writes them into a bag without ROS."""

from __future__ import annotations

from drift_ros import resources

PACKAGE = 'drift_ros'


def names() -> list[str]:
    """Sorted full names of all interfaces, such as `drift_ros/msg/TrackedObject`."""
    return [
        f'{PACKAGE}/{kind}/{file.removesuffix(f".{kind}")}'
        for kind in ('msg', 'srv')
        for file in resources.names(kind, suffix=f'.{kind}')
    ]


def definition(name: str) -> str:
    """Text of the definition file of one interface: `definition('drift_ros/msg/Prompt')`.

    :raises ResourceError: `name` is not one of `names()`; the message lists those.
    """
    if name not in names():
        raise resources.ResourceError(
            f'no interface {name!r} in this package; there are: {", ".join(names())}'
        )
    _, kind, base = name.split('/')
    return resources.path(kind, f'{base}.{kind}').read_text(encoding='utf-8')
