"""The page and the picture that come out of a run."""
