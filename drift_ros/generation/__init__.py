"""Video from video models, and guidance by what they lose where frames cannot see each other."""
