"""The tests of the room ros have a node and a client beside it."""

from node_rig import gate, make_rig, rig, tools  # noqa: F401
