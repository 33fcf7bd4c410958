"""The `drift` command."""
