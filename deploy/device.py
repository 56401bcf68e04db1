"""What a network runs on here."""

import torch


def compute_device() -> torch.device:
    """The GPU where there is one; within Ray, where the process asked for a share of it (``placement.*.num_gpus``)."""
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")
