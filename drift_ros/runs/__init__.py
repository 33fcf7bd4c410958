"""Runs on disk: their folder and its record, files written as a whole, locks, interrupts."""
