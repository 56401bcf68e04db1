"""Robots behind drivers of their own processes, each with a safety gate in front."""
