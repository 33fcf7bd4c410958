"""Scores of live runs that were recorded in bags."""
