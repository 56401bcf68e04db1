"""Trains the S3K model: labelled frames by Eq. 1, unlabelled ones by Eq. 3 with a teacher, step by step.

The teacher is an exponential moving average of the student. It reads clean images; Eq. 2 with the weights of Eq. 5
triangulates; the re-projection is what the student, which sees a warped and recoloured copy, is asked for. A keypoint
counts only where the teacher's views agree and are sharp. Needs no ray.
"""

import copy
import math
from collections.abc import Mapping
from dataclasses import dataclass

import torch
from jaxtyping import Float, UInt8
from torch import Tensor

from learners.keypoint.augment import augment, normalised
from learners.keypoint.config import TrainerConfig
from s3k_dist.geometry.projection import Cameras, project
from s3k_dist.geometry.triangulation import reprojection_residual, triangulate
from s3k_dist.keypoints.heatmap import decode_peak, detection_weight
from s3k_dist.keypoints.loss import supervised_loss
from s3k_dist.keypoints.network import KeypointNetwork, NetworkConfig


@dataclass(frozen=True)
class LabelledFrames:
    """Frames with 3-D labels: N frames, V views, K keypoints.

    Attributes:
        images: RGB.
        cameras: leading shape (N, V), float32.
        points_m: triangulated labels, world frame, metres.
    """

    images: UInt8[Tensor, "frames views height width 3"]
    cameras: Cameras
    points_m: Float[Tensor, "frames keypoints 3"]

    def __len__(self) -> int:
        return self.images.shape[0]


@dataclass(frozen=True)
class UnlabelledFrames:
    """Frames without labels.

    Attributes:
        images: RGB.
        cameras: leading shape (N, V), float32.
    """

    images: UInt8[Tensor, "frames views height width 3"]
    cameras: Cameras

    def __len__(self) -> int:
        return self.images.shape[0]


@dataclass(frozen=True)
class StepReport:
    """What one step did.

    Attributes:
        supervised: Eq. 1 on this batch, nats a frame.
        unsupervised: Eq. 3 on this batch after the gate, nats a frame; 0 before the warm start is over.
        gate_open: share of the unlabelled keypoints that the teacher was trusted on.
    """

    supervised: float
    unsupervised: float
    gate_open: float


class KeypointTrainer:
    """One student, one teacher, one optimiser. The same seed, labels and unlabelled frames give the same weights.

    Sketch::

        trainer = KeypointTrainer(network, config, labelled, seed=0)
        for _ in range(1000):
            trainer.step(unlabelled)
        weights = trainer.teacher.state_dict()
    """

    def __init__(self, network: NetworkConfig, config: TrainerConfig, labelled: LabelledFrames, *, seed: int) -> None:
        self.config = config
        self.network = network
        self.steps = 0
        self._labelled = labelled
        self._generator = torch.Generator().manual_seed(seed)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            student = KeypointNetwork(network)
        self.student = student.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.teacher = copy.deepcopy(self.student).eval().requires_grad_(False)
        named = list(self.student.named_parameters())
        self._optimiser = torch.optim.AdamW(
            [
                {"params": [p for name, p in named if not name.endswith("bias")], "weight_decay": config.l2},
                {"params": [p for name, p in named if name.endswith("bias")], "weight_decay": 0.0},
            ],
            lr=config.learning_rate,
        )

    def step(self, unlabelled: UnlabelledFrames | None = None) -> StepReport:
        """One optimiser step (Eq. 4) on a random batch of each kind."""
        config = self.config
        use_unlabelled = unlabelled is not None and len(unlabelled) > 0 and self.steps >= config.warm_start_steps
        chosen = self._draw(len(self._labelled), config.labelled_batch)
        labelled = self._labelled
        images, cameras = normalised(labelled.images[chosen]), labelled.cameras[chosen]
        points, trust = labelled.points_m[chosen], torch.ones(len(chosen), labelled.points_m.shape[1])
        if use_unlabelled and unlabelled is not None:
            more = self._draw(len(unlabelled), config.unlabelled_batch)
            extra_images, extra_cameras = normalised(unlabelled.images[more]), unlabelled.cameras[more]
            extra_points, extra_trust = self._pseudo_labels(extra_images, extra_cameras)
            images = torch.cat([images, extra_images])
            cameras = Cameras(
                *(
                    torch.cat([getattr(cameras, field), getattr(extra_cameras, field)])
                    for field in ("intrinsics", "distortion", "rotation", "translation_m")
                )
            )
            points, trust = torch.cat([points, extra_points]), torch.cat([trust, extra_trust])
        images, cameras = augment(images, cameras, config.augment, self._generator)
        log_heatmaps = self._heatmaps(self.student, images)
        mask = trust[:, None, :] * _in_view(points, cameras, images.shape[-1])
        split = len(chosen)
        supervised = self._loss(log_heatmaps[:split], points[:split], cameras[:split], mask[:split])
        unsupervised = torch.zeros(())
        if use_unlabelled:
            unsupervised = self._loss(log_heatmaps[split:], points[split:], cameras[split:], mask[split:])
        self._optimise(supervised + config.alpha * unsupervised)
        gate = trust[split:].mean().item() if use_unlabelled else 0.0
        return StepReport(supervised.item(), unsupervised.item(), gate)

    def state_dict(self) -> dict[str, object]:
        """All that a resumed trainer needs to go on as if nothing had happened."""
        return {
            "steps": self.steps,
            "student": self.student.state_dict(),
            "teacher": self.teacher.state_dict(),
            "optimiser": self._optimiser.state_dict(),
            "generator": self._generator.get_state(),
        }

    def load_state_dict(self, state: Mapping[str, object]) -> None:
        """Go on from :meth:`state_dict`."""
        self.steps = int(state["steps"])  # type: ignore[call-overload]
        self.student.load_state_dict(state["student"])
        self.teacher.load_state_dict(state["teacher"])
        self._optimiser.load_state_dict(state["optimiser"])  # type: ignore[arg-type]
        self._generator.set_state(state["generator"])  # type: ignore[arg-type]

    @torch.no_grad()
    def _pseudo_labels(
        self, images: Float[Tensor, "batch views 3 height width"], cameras: Cameras
    ) -> tuple[Float[Tensor, "batch keypoints 3"], Float[Tensor, "batch keypoints"]]:
        """The teacher's keypoints (Eq. 2), metres, and 1 where its views agree and are sharp, else 0."""
        size, config = self.network.heatmap_size, self.config
        decoded = decode_peak(
            self._heatmaps(self.teacher, images), size, size, sigma=self.network.sigma, stride=self.network.stride
        )
        weights = detection_weight(decoded.deviation, sigma=self.network.sigma)
        points = triangulate(decoded.pixels, weights, cameras)
        residual = reprojection_residual(points, decoded.pixels, cameras)
        agree = residual.mean(1) < config.gate_residual_px * self.network.image_size_px / 128
        return points, (agree & (weights.mean(1) > config.gate_confidence)).float()

    def _loss(
        self,
        log_heatmaps: Float[Tensor, "batch views keypoints cells"],
        points: Float[Tensor, "batch keypoints 3"],
        cameras: Cameras,
        mask: Float[Tensor, "batch views keypoints"],
    ) -> Float[Tensor, ""]:
        size = math.isqrt(log_heatmaps.shape[-1])
        return supervised_loss(
            log_heatmaps,
            points,
            cameras,
            height=size,
            width=size,
            sigma=self.network.sigma,
            stride=self.network.stride,
            mask=mask,
        )

    def _optimise(self, loss: Float[Tensor, ""]) -> None:
        for group in self._optimiser.param_groups:
            group["lr"] = self._learning_rate()
        self._optimiser.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(self.student.parameters(), self.config.max_gradient_norm)
        self._optimiser.step()
        self.steps += 1
        # A young average would remember the random start: let it forget faster at first.
        decay = min(self.config.teacher_decay, self.steps / (self.steps + 9))
        with torch.no_grad():
            for slow, fast in zip(self.teacher.parameters(), self.student.parameters(), strict=True):
                slow.lerp_(fast, 1 - decay)

    def _learning_rate(self) -> float:
        config = self.config
        if self.steps < config.ramp_steps:
            return config.learning_rate * (self.steps + 1) / config.ramp_steps
        done = min(1.0, (self.steps - config.ramp_steps) / max(1, config.anneal_steps - config.ramp_steps))
        cosine = 0.5 * (1 + torch.cos(torch.tensor(torch.pi * done)).item())
        return config.learning_rate_floor + (config.learning_rate - config.learning_rate_floor) * cosine

    def _draw(self, population: int, count: int) -> Tensor:
        return torch.randint(0, population, (count,), generator=self._generator)

    @staticmethod
    def _heatmaps(
        network: KeypointNetwork, images: Float[Tensor, "batch views 3 height width"]
    ) -> Float[Tensor, "batch views keypoints cells"]:
        flat = images.flatten(0, 1).contiguous(memory_format=torch.channels_last)
        return network(flat).unflatten(0, images.shape[:2])


def _in_view(
    points: Float[Tensor, "batch keypoints 3"], cameras: Cameras, size_px: int
) -> Float[Tensor, "batch views keypoints"]:
    """1 where a point lies inside the square image, else 0."""
    pixels, depth = project(points, cameras)
    return (((pixels >= 0) & (pixels <= size_px - 1)).all(-1) & (depth > 0)).float()
