"""Faults, tried: parts of a real run are killed, stopped and damaged at random, and what is lost is counted."""
