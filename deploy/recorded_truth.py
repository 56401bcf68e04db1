"""What the simulator knows of the frames that a run has recorded."""

from collections.abc import Mapping

import numpy as np

from actors.recording import load_recordings
from deploy.run_folder import RunFolder


def true_keypoints(folder: RunFolder) -> Mapping[str, np.ndarray]:
    """True keypoints of every recorded frame by its name, each of shape (3, 3), metres."""
    return {
        f"{episode.cell_id}/{int(sequence):08d}": episode.true_keypoints_m[step]
        for episode in load_recordings(folder.recordings)
        for step, sequence in enumerate(episode.sequences)
    }
