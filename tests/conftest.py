"""What all tests share: software GL, and shapes of tensors checked where the code states them."""

import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

os.environ.setdefault("MUJOCO_GL", "egl")
os.environ.setdefault("OMP_NUM_THREADS", "1")

from jaxtyping import install_import_hook

CHECKED = ["s3k_dist.geometry", "s3k_dist.keypoints", "s3k_dist.embeddings", "learners.keypoint", "learners.vae"]
install_import_hook(CHECKED, "beartype.beartype")


def pytest_addoption(parser: pytest.Parser) -> None:
    """Pictures of the pages in docs/ are made by the tests."""
    parser.addoption("--pictures", type=Path, help="write the pages' pictures into this folder, such as docs/images")


@pytest.fixture(autouse=True)
def _denormals() -> Iterator[None]:
    """Learners flush denormals in their process; the tests after them want IEEE floats again."""
    yield
    if "torch" in sys.modules:
        sys.modules["torch"].set_flush_denormal(False)
