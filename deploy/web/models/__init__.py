"""The *Models* page: versions of both learners, two of them on the same frames, promotion and roll-back."""
