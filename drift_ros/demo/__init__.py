"""The demonstration: a scene or a bag through the real node, and a report of what came out."""
