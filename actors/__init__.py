"""Robot cells, simulated and physical, and what acts in them."""
