"""Simulated cells (MuJoCo)."""

import os

# Software rendering where there is no GPU or display; MuJoCo reads it once, at its import.
os.environ.setdefault("MUJOCO_GL", "egl")
