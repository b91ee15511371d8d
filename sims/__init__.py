"""Experiments: an input, a model and a protocol make a result."""
