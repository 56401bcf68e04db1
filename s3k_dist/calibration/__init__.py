"""From pictures of a printed board to cameras whose error is known: detection, joint solution, verdict, files."""
