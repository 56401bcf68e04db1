"""Trains the S3K model: labelled frames by Eq. 1, unlabelled ones by Eq. 3, step by step.

By our recipe a teacher, the moving average of the student, reads clean images; Eq. 2 with the weights of Eq. 5
triangulates; the re-projection is what the student, which sees a warped and recoloured copy, is asked for. A keypoint
counts only where the teacher's views agree and are sharp. By the paper's, the student's own estimate is its target.
`config.py` has the switches, `recipes.py` the two recipes. Needs no ray.
"""

import copy
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal

import torch
from jaxtyping import Float, UInt8
from torch import Tensor

from learners.keypoint.augment import augment
from learners.keypoint.batches import LabelledFrames, UnlabelledFrames, join_cameras
from learners.keypoint.collapse import UnlabelledEntry, Verdict
from learners.keypoint.config import TrainerConfig
from learners.keypoint.peers import ALONE, Peers
from learners.keypoint.pseudo_labels import PseudoLabels, pseudo_labels
from s3k_dist.geometry.projection import Cameras, project
from s3k_dist.keypoints.loss import supervised_loss, total_loss
from s3k_dist.keypoints.network import KeypointNetwork, NetworkConfig, normalised

Precision = Literal["fp32", "bf16"]
TRAINS = (Verdict.ENTER, Verdict.GO_ON)


@dataclass(frozen=True)
class StepReport:
    """What one step did.

    Attributes:
        supervised: Eq. 1 on this process's share of the batch, nats a frame.
        unsupervised: Eq. 3 likewise, after the gate, nats a frame; 0 before the warm start is over.
        gate_open: share of the unlabelled keypoints whose estimate was believed.
        plausible: running share of distances between estimated keypoints that the labels could have; 0 before the warm
            start is over.
        recoveries: collapses that training went back from.
        alpha: weight of the unlabelled loss.
    """

    supervised: float
    unsupervised: float
    gate_open: float
    plausible: float = 0.0
    recoveries: int = 0
    alpha: float = 0.0


class KeypointTrainer:
    """One student, one teacher, one optimiser. The same seed, labels and unlabelled frames give the same weights.

    Sketch::

        trainer = KeypointTrainer(network, config, labelled, seed=0)
        for _ in range(1000):
            trainer.step(unlabelled)
        weights = trainer.teacher.state_dict()

    Args:
        network: shape of the network.
        config: the recipe.
        labelled: to train on; on the device that does the work.
        seed: decides initial weights, batches and augmentation.
        precision: of the network's arithmetic; weights and losses are always fp32.
        compiled: translate the network with ``torch.compile`` first; takes a minute once.
        peers: processes that train this model together; all of them step, save and load together, with the same
            arguments.

    Raises:
        ConfigError: the batches cannot be shared out evenly to the peers.
    """

    def __init__(
        self,
        network: NetworkConfig,
        config: TrainerConfig,
        labelled: LabelledFrames,
        *,
        seed: int,
        precision: Precision = "fp32",
        compiled: bool = False,
        peers: Peers = ALONE,
    ) -> None:
        self.config = config
        self.network = network
        self.steps = 0
        self._labelled = labelled
        self._peers = peers
        self._labelled_share = peers.share("labelled_batch", config.labelled_batch)
        self._unlabelled_share = peers.share("unlabelled_batch", config.unlabelled_batch)
        self._entry = UnlabelledEntry(config, labelled.points_m)
        self._last_good: dict[str, object] | None = None
        self._precision = precision
        device = labelled.images.device
        self._generator = torch.Generator(device).manual_seed(peers.seed(seed))
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            student = KeypointNetwork(network)
        self.student = student.to(device, memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.teacher = copy.deepcopy(self.student).eval().requires_grad_(False)
        # Compiled for speed; the plain modules keep the names of their parameters.
        self._see = torch.compile(self.student, dynamic=False) if compiled else self.student
        self._teach = torch.compile(self.teacher, dynamic=False) if compiled else self.teacher
        named = list(self.student.named_parameters())
        decay = config.l2 if config.l2_decoupled else 0.0
        self._optimiser = torch.optim.AdamW(
            [
                {"params": [p for name, p in named if not name.endswith("bias")], "weight_decay": decay},
                {"params": [p for name, p in named if name.endswith("bias")], "weight_decay": 0.0},
            ],
            lr=config.learning_rate,
            fused=True,
        )

    def step(self, unlabelled: UnlabelledFrames | None = None) -> StepReport:
        """One optimiser step (Eq. 4) on a random batch of each kind."""
        config, labelled = self.config, self._labelled
        chosen = self._draw(len(labelled), self._labelled_share)
        images, cameras = labelled.images[chosen], labelled.cameras[chosen]
        guess: PseudoLabels | None = None
        verdict = Verdict.WAIT
        if unlabelled is not None and len(unlabelled) > 0 and self._entry.due(self.steps):
            more = self._draw(len(unlabelled), self._unlabelled_share)
            extra_images, extra_cameras = unlabelled.images[more], unlabelled.cameras[more]
            verdict = Verdict.GO_ON
            if config.pseudo_labels == "teacher":
                guess = self._guess(extra_images, extra_cameras)
                verdict = self._judge(guess)
            if verdict in TRAINS:
                images, cameras = torch.cat([images, extra_images]), join_cameras(cameras, extra_cameras)
        taken, cameras = augment(images, cameras, config.augment, self._generator)
        log_heatmaps = self._heatmaps(self._see, taken)
        split, size_px = len(chosen), taken.shape[-1]
        if verdict in TRAINS and guess is None:
            size = size_px // self.network.stride
            guess = pseudo_labels(log_heatmaps[split:], cameras[split:], size, self.network, config)
            verdict = self._judge(guess)
        if verdict is Verdict.COLLAPSED:
            return self._go_back()
        if verdict is Verdict.ENTER:
            self._last_good = copy.deepcopy(self._learned())
        supervised = self._loss(log_heatmaps[:split], labelled.points_m[chosen], cameras[:split], size_px)
        unsupervised, gate_open = torch.zeros_like(supervised), 0.0
        if verdict in TRAINS and guess is not None:
            unsupervised = self._loss(log_heatmaps[split:], guess.points_m, cameras[split:], size_px, guess.trust)
            gate_open = guess.trust.mean().item()
        self._optimise(supervised, unsupervised)
        return self._report(supervised.item(), unsupervised.item(), gate_open)

    def relabel(self, labelled: LabelledFrames) -> None:
        """Train on these labels from the next step on; all else goes on as it is."""
        self._labelled = labelled
        self._entry.relabel(labelled.points_m)

    def restart_from(self, weights: Mapping[str, Tensor]) -> None:
        """Go on from the weights of an earlier teacher, with half the weight of the unlabelled loss.

        For a training that has gone wrong since: the optimiser forgets its moments, which point there.
        """
        for network in (self.student, self.teacher):
            network.load_state_dict(dict(weights))
        self._optimiser.state.clear()
        self._last_good = None
        # After a collapse it has left already.
        if self._entry.entered:
            self._entry.leave(self.steps)

    def state_dict(self) -> dict[str, object]:
        """All that a resumed trainer needs to go on as if nothing had happened; the same for all peers."""
        generator = self._generator.get_state()
        return {
            "steps": self.steps,
            "entry": self._entry.state_dict(),
            "last_good": self._last_good,
            "generator": generator if self._peers.size == 1 else self._peers.gathered(generator[None]),
            **self._learned(),
        }

    def load_state_dict(self, state: Mapping[str, object]) -> None:
        """Go on from :meth:`state_dict`.

        Raises:
            ValueError: it is of another number of peers.
        """
        generators = torch.atleast_2d(state["generator"].cpu())  # type: ignore[attr-defined]
        if len(generators) != self._peers.size:
            raise ValueError(f"it is of {len(generators)} processes that trained together, here are {self._peers.size}")
        # Cloned: torch 2.13 reads a generator's state from the start of the storage, also of a row further on.
        self._generator.set_state(generators[self._peers.rank].clone())
        self.steps = int(state["steps"])  # type: ignore[call-overload]
        self._entry.load_state_dict(state["entry"])  # type: ignore[arg-type]
        self._last_good = state["last_good"]  # type: ignore[assignment]
        self._learn(state)

    def _learned(self) -> dict[str, object]:
        return {
            "student": self.student.state_dict(),
            "teacher": self.teacher.state_dict(),
            "optimiser": self._optimiser.state_dict(),
        }

    def _learn(self, state: Mapping[str, object]) -> None:
        self.student.load_state_dict(state["student"])
        self.teacher.load_state_dict(state["teacher"])
        self._optimiser.load_state_dict(state["optimiser"])  # type: ignore[arg-type]

    def _judge(self, guess: PseudoLabels) -> Verdict:
        """From what all peers see: they have to enter and to leave at the same step."""
        return self._entry.judge(self.steps, self._peers.gathered(guess.points_m))

    def _go_back(self) -> StepReport:
        """To where the unlabelled loss entered; this step trains nothing."""
        if self._last_good is not None:
            self._learn(copy.deepcopy(self._last_good))
        self.steps += 1
        return self._report(0.0, 0.0, 0.0)

    def _report(self, supervised: float, unsupervised: float, gate_open: float) -> StepReport:
        return StepReport(
            supervised, unsupervised, gate_open, self._entry.plausible, self._entry.recoveries, self._entry.alpha
        )

    @torch.no_grad()
    def _guess(self, images: UInt8[Tensor, "batch views height width 3"], cameras: Cameras) -> PseudoLabels:
        """The teacher's keypoints on clean images."""
        heatmaps = self._heatmaps(self._teach, normalised(images))
        return pseudo_labels(heatmaps, cameras, self.network.heatmap_size, self.network, self.config)

    def _loss(
        self,
        log_heatmaps: Float[Tensor, "batch views keypoints cells"],
        points: Float[Tensor, "batch keypoints 3"],
        cameras: Cameras,
        size_px: int,
        trust: Float[Tensor, "batch keypoints"] | None = None,
    ) -> Float[Tensor, ""]:
        size = math.isqrt(log_heatmaps.shape[-1])
        seen = _in_view(points, cameras, size_px)
        return supervised_loss(
            log_heatmaps,
            points,
            cameras,
            height=size,
            width=size,
            sigma=self.network.sigma,
            stride=self.network.stride,
            mask=seen if trust is None else seen * trust[:, None, :],
        )

    def _optimise(self, supervised: Float[Tensor, ""], unsupervised: Float[Tensor, ""]) -> None:
        config = self.config
        l2 = 0.0 if config.l2_decoupled else config.l2
        loss = total_loss(supervised, unsupervised, self.student, alpha=self._entry.alpha, l2=l2)
        for group in self._optimiser.param_groups:
            group["lr"] = self._learning_rate()
        self._optimiser.zero_grad()
        loss.backward()
        self._peers.average_gradients(self.student.parameters())
        torch.nn.utils.clip_grad_norm_(self.student.parameters(), config.max_gradient_norm)
        self._optimiser.step()
        self.steps += 1
        # A young average would remember the random start: let it forget faster at first.
        decay = min(config.teacher_decay, self.steps / (self.steps + 9))
        with torch.no_grad():
            torch._foreach_lerp_(list(self.teacher.parameters()), list(self.student.parameters()), 1 - decay)

    def _learning_rate(self) -> float:
        config = self.config
        if self.steps < config.ramp_steps:
            return config.learning_rate * (self.steps + 1) / config.ramp_steps
        done = min(1.0, (self.steps - config.ramp_steps) / max(1, config.anneal_steps - config.ramp_steps))
        cosine = 0.5 * (1 + math.cos(math.pi * done))
        return config.learning_rate_floor + (config.learning_rate - config.learning_rate_floor) * cosine

    def _draw(self, population: int, count: int) -> Tensor:
        generator = self._generator
        return torch.randint(0, population, (count,), generator=generator, device=generator.device)

    def _heatmaps(
        self, network: Callable[[Tensor], Tensor], images: Float[Tensor, "batch views 3 height width"]
    ) -> Float[Tensor, "batch views keypoints cells"]:
        flat = images.flatten(0, 1).contiguous(memory_format=torch.channels_last)
        with torch.autocast(flat.device.type, torch.bfloat16, enabled=self._precision == "bf16"):
            return network(flat).unflatten(0, images.shape[:2])


def _in_view(
    points: Float[Tensor, "batch keypoints 3"], cameras: Cameras, size_px: int
) -> Float[Tensor, "batch views keypoints"]:
    """1 where a point lies inside the square image, else 0."""
    pixels, depth = project(points, cameras)
    return (((pixels >= 0) & (pixels <= size_px - 1)).all(-1) & (depth > 0)).float()
