"""A training step against the bare network: forward, backward, and nothing around them."""

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from actors.sim.scenes.rig import Rig
from benchmarks.keypoints.floors import Cost, cost
from benchmarks.keypoints.timing import Timing, interleaved
from learners.keypoint.augment import augment
from learners.keypoint.batches import LabelledFrames, UnlabelledFrames, join_cameras
from learners.keypoint.pseudo_labels import pseudo_labels
from learners.keypoint.recipes import S3K, changed
from learners.keypoint.trainer import KeypointTrainer, Precision
from s3k_dist.geometry.projection import Cameras
from s3k_dist.keypoints.network import KeypointNetwork, NetworkConfig, normalised

KEYPOINTS = ("top_left", "top_right", "bottom_left")
FRAMES = 32  # of each kind, to draw batches from
# Past its warm start from the first step on, and never gone back from.
CONFIG = changed(S3K, {"warm_start_steps": 0, "entry_plausible": 0, "collapse_plausible": 0})


@dataclass(frozen=True)
class StepTimes:
    """One kind of training step.

    Attributes:
        kind: device, precision, compiled or not.
        step: the trainer's.
        network: student forwards and backwards, on the batch as augmented.
        teacher: forwards, on the unlabelled frames.
        parts: of the data path, each by itself.
        images: that the student is trained on.
        counted: of student and teacher together.
    """

    kind: str
    step: Timing
    network: Timing
    teacher: Timing
    parts: dict[str, Timing]
    images: int
    counted: Cost


def time_step(device: torch.device, precision: Precision, *, compiled: bool, size_px: int, rounds: int) -> StepTimes:
    """Time the trainer's step and the bare network by turns."""
    torch.compiler.reset()
    network = NetworkConfig(keypoint_names=KEYPOINTS, image_size_px=size_px)
    labelled, unlabelled = _frames(size_px, device)
    trainer = KeypointTrainer(network, CONFIG, labelled, seed=0, precision=precision, compiled=compiled)
    bare = _Bare(network, labelled, unlabelled, precision, compiled=compiled)
    took = interleaved(
        {
            "step": lambda: trainer.step(unlabelled),
            "network": bare.train,
            "teacher": bare.teach,
            "sample": bare.sample,
            "augment": bare.augment,
            "triangulate": bare.triangulate,
        },
        rounds,
        device,
        repeats=1,
    )
    eager = _Bare(network, labelled, unlabelled, precision, compiled=False)
    return StepTimes(
        kind=f"{device.type}, {precision}{', compiled' if compiled else ''}",
        step=took["step"],
        network=took["network"],
        teacher=took["teacher"],
        parts={name: took[name] for name in ("sample", "augment", "triangulate")},
        images=bare.images.shape[0],
        counted=cost(eager.train) + cost(eager.teach),
    )


class _Bare:
    """The same network on tensors that a step works on, and the parts of its data path one by one."""

    def __init__(
        self,
        network: NetworkConfig,
        labelled: LabelledFrames,
        unlabelled: UnlabelledFrames,
        precision: Precision,
        *,
        compiled: bool,
    ) -> None:
        self._network, self._labelled, self._unlabelled = network, labelled, unlabelled
        self._device = labelled.images.device
        self._half = precision == "bf16"
        self._generator = torch.Generator(self._device).manual_seed(0)
        self._plain = KeypointNetwork(network).to(self._device, memory_format=torch.channels_last)  # type: ignore[call-overload]
        self._see = torch.compile(self._plain, dynamic=False) if compiled else self._plain
        self._batch = self.sample()
        self.images = _flat(self.augment())
        self._clean = _flat(normalised(self._batch[0][CONFIG.labelled_batch :]))
        with torch.no_grad():
            self._heatmaps = self._plain(self._clean).unflatten(0, (CONFIG.unlabelled_batch, -1))
            self._target = torch.rand_like(self._plain(self.images))

    def train(self) -> None:
        """Forwards and backwards."""
        self._plain.zero_grad()
        with torch.autocast(self._device.type, torch.bfloat16, enabled=self._half):
            heatmaps = self._see(self.images)
        (self._target * heatmaps).sum().backward()

    def teach(self) -> None:
        """Forwards only, whole images."""
        with torch.no_grad(), torch.autocast(self._device.type, torch.bfloat16, enabled=self._half):
            self._see(self._clean)

    def sample(self) -> tuple[Tensor, Cameras]:
        """Draw frames, and make floats of those for the teacher."""
        images, cameras = [], []
        for frames, count in (
            (self._labelled, CONFIG.labelled_batch),
            (self._unlabelled, CONFIG.unlabelled_batch),
        ):
            chosen = torch.randint(0, len(frames), (count,), generator=self._generator, device=self._device)
            images.append(frames.images[chosen])
            cameras.append(frames.cameras[chosen])
        normalised(images[1])
        return torch.cat(images), join_cameras(*cameras)

    def augment(self) -> Tensor:
        """Warp, recolour, occlude."""
        return augment(*self._batch, CONFIG.augment, self._generator)[0]

    def triangulate(self) -> None:
        """Decode the teacher's heatmaps, Eq. 2, gate."""
        cameras = self._batch[1][CONFIG.labelled_batch :]
        pseudo_labels(self._heatmaps, cameras, self._network.heatmap_size, self._network, CONFIG)


def _frames(size_px: int, device: torch.device) -> tuple[LabelledFrames, UnlabelledFrames]:
    """Noise under the cameras of the box scene: what an image shows takes no time."""
    rng = np.random.default_rng(0)
    generator = torch.Generator().manual_seed(0)
    rig = Rig()
    stacked = [Cameras.stack(rig.draw(rng, size_px), torch.float32) for _ in range(FRAMES)]
    cameras = Cameras(
        *(
            torch.stack([getattr(one, field) for one in stacked])
            for field in ("intrinsics", "distortion", "rotation", "translation_m")
        )
    )
    shape = (FRAMES, rig.views, size_px, size_px, 3)
    images = torch.randint(0, 256, shape, dtype=torch.uint8, generator=generator)
    points = torch.tensor(rig.middle_m) + 0.2 * torch.rand(FRAMES, len(KEYPOINTS), 3, generator=generator) - 0.1
    return LabelledFrames(images, cameras, points).to(device), UnlabelledFrames(images, cameras).to(device)


def _flat(images: Tensor) -> Tensor:
    return images.flatten(0, 1).contiguous(memory_format=torch.channels_last)
