"""The fleet: which cells there are, who keeps them at work, and how all parts of a run are doing."""
