"""Trains the embedded models on rendered video: data, objective, loop, validation, records."""
