"""What a preset can afford: networks, steps and batches that several experiments share."""

from collections.abc import Mapping
from typing import Any

# Half the arithmetic of App. A's network at the finest resolution. Sigma is 0.7 cells (1.4 image pixels): of the widths
# tried at 128 px, 2.0, 1.0 and 0.7 cells, each narrower one placed keypoints better.
CPU_NETWORK: Mapping[str, Any] = {"channels": (8, 24, 32, 32, 32), "sigma": 0.7}
CPU_BATCH: Mapping[str, Any] = {"labelled_batch": 2, "unlabelled_batch": 4, "warm_start_steps": 500}
# App. A: 16 to 32 channels. The paper gives sigma in no unit; 2 cells are 4 of its 400 pixels.
PAPER_NETWORK: Mapping[str, Any] = {"channels": (16, 32, 32, 32, 32, 32)}
PAPER_STEPS = 150_000
PAPER_BATCH: Mapping[str, Any] = {"labelled_batch": 4, "unlabelled_batch": 4, "warm_start_steps": 10_000}
