"""Simulated cells (MuJoCo)."""
