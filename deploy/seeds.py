"""Room for seeds: no two episodes of a run, and none of neighbouring runs, start alike."""

SEEDS_PER_RUN = 1_000_000
DEMONSTRATION_SEEDS = 50_000  # those that are recorded beside `s3k collect`, which starts at 0
TRAINING_SEEDS = 100_000
HELD_OUT_SEEDS = 900_000
