"""Adaptation of the attention kernel to the targets, on the frame that they were prompted on."""
