"""Reinforcement learning against the libraries people would pick: ``python -m benchmarks.rl --help``."""
