"""Puts the parts to work: the ``s3k`` command, the topology, and what comes out."""
