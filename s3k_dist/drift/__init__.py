"""Drift noticed without labels, where the frames are seen: needs no torch."""
