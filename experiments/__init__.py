"""Each module reproduces one figure or table of the paper, or of this project's own docs."""
