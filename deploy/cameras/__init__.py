"""Cameras looked at by a person: found, previewed, focused."""
