"""Measurements of speed, memory, start-up and accuracy: ``python -m benchmarks``."""
