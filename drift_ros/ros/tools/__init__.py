"""Tools beside the node: its client, playing bags into topics, recording topics into bags."""
