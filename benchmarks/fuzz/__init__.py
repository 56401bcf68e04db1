"""Bytes as nobody would write them, for everything that reads bytes of others."""
