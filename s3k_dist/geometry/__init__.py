"""Pinhole cameras, triangulation (Eq. 2) and camera-exact image warps."""
