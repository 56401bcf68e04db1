"""What all tests share: software GL, and shapes of tensors checked where the code states them."""

import os

os.environ.setdefault("MUJOCO_GL", "egl")
os.environ.setdefault("OMP_NUM_THREADS", "1")

from jaxtyping import install_import_hook

install_import_hook(["s3k_dist.geometry", "s3k_dist.keypoints", "learners.keypoint"], "beartype.beartype")
