"""The tests of the page have a node beside it, too."""

from node_rig import gate, make_rig, rig, tools  # noqa: F401
