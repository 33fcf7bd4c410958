"""The small diffusion models that come with the package, as extractors."""
