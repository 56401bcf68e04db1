"""Demonstrations: recorded, listed, checked, and taken from files."""
