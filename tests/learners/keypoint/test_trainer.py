"""The recipe: it learns, it repeats itself, it resumes, and the unlabelled loss enters where it should."""

import io

import pytest
import torch

from learners.keypoint.batches import UnlabelledFrames
from learners.keypoint.collapse import OBSERVED_STEPS
from learners.keypoint.config import AugmentConfig, TrainerConfig
from learners.keypoint.evaluation import evaluate
from learners.keypoint.pseudo_labels import PseudoLabels
from learners.keypoint.recipes import PAPER
from learners.keypoint.trainer import KeypointTrainer, StepReport
from s3k_dist.geometry.projection import project
from s3k_dist.keypoints.detector import KeypointDetector
from s3k_dist.keypoints.heatmap import gaussian_log_target
from s3k_dist.keypoints.loss import self_supervised_loss
from s3k_dist.keypoints.network import NetworkConfig, normalised
from tests.learners.keypoint.conftest import SIZE_PX, Scenes, labelled

PLAIN = AugmentConfig(roll_rad=0, log_zoom=0, shift_px=0, crop=1, plain=1, contrast=0, tint=0, noise=0, occlusion=0)
RECIPE = TrainerConfig(
    warm_start_steps=4,
    entry_plausible=0,
    collapse_plausible=0,
    ramp_steps=2,
    anneal_steps=8,
    labelled_batch=2,
    unlabelled_batch=2,
)


def train(trainer: KeypointTrainer, steps: int, unlabelled: UnlabelledFrames | None = None) -> list[StepReport]:
    return [trainer.step(unlabelled) for _ in range(steps)]


def weights_of(trainer: KeypointTrainer) -> dict[str, torch.Tensor]:
    students = {f"student.{name}": value.clone() for name, value in trainer.student.state_dict().items()}
    return students | {f"teacher.{name}": value.clone() for name, value in trainer.teacher.state_dict().items()}


def require_same(first: dict[str, torch.Tensor], second: dict[str, torch.Tensor]) -> None:
    assert first.keys() == second.keys()
    for name, value in first.items():
        assert torch.equal(value, second[name]), name


def test_it_learns_to_see_a_handful_of_frames(network: NetworkConfig, scenes: Scenes) -> None:
    config = TrainerConfig(
        warm_start_steps=120, ramp_steps=20, anneal_steps=260, labelled_batch=4, unlabelled_batch=2, augment=PLAIN
    )
    trainer = KeypointTrainer(network, config, scenes.labelled, seed=0)
    reports = train(trainer, 260, scenes.unlabelled)
    first, last = reports[0].supervised, sum(report.supervised for report in reports[-10:]) / 10
    assert last < first / 20
    assert reports[-1].gate_open > 0.5
    detector = KeypointDetector(network, trainer.teacher.state_dict())
    assert evaluate(detector, scenes.labelled).median_mm < 1.5  # a pixel is 3.3 mm here
    assert evaluate(detector, scenes.held_out).median_mm < 3.0


def test_the_unlabelled_loss_does_not_enter_before_the_warm_start(network: NetworkConfig, scenes: Scenes) -> None:
    config = RECIPE.model_copy(update={"gate_residual_px": 1e6, "gate_confidence": 0.0})
    with_stream = KeypointTrainer(network, config, scenes.labelled, seed=0)
    without = KeypointTrainer(network, config, scenes.labelled, seed=0)
    early = train(with_stream, 4, scenes.unlabelled)
    assert all(report.unsupervised == 0 and report.gate_open == 0 for report in early)
    train(without, 4)
    require_same(weights_of(with_stream), weights_of(without))
    late = with_stream.step(scenes.unlabelled)
    assert late.unsupervised > 0
    assert late.gate_open == 1


@pytest.mark.parametrize("nothing", [None, "empty"])
def test_without_a_stream_it_learns_from_labels_alone(
    network: NetworkConfig, scenes: Scenes, nothing: str | None
) -> None:
    stream = None if nothing is None else UnlabelledFrames(scenes.unlabelled.images[:0], scenes.unlabelled.cameras[:0])
    trainer = KeypointTrainer(network, RECIPE, scenes.labelled, seed=0)
    assert all(report.unsupervised == 0 for report in train(trainer, 6, stream))


@pytest.mark.parametrize(
    ("offset_px", "sigma", "opened"),
    [(0.0, 2.0, 1.0), (1.0, 2.0, 1.0), (30.0, 2.0, 0.0), (0.0, 12.0, 0.0)],
    ids=["agree", "nearly agree", "disagree", "agree but blurred"],
)
def test_the_gate_opens_where_the_teachers_views_agree_and_are_sharp(
    network: NetworkConfig, scenes: Scenes, offset_px: float, sigma: float, opened: float
) -> None:
    frames = labelled(2, 3)
    pixels, _ = project(frames.points_m, frames.cameras)
    pixels[:, 0] += offset_px
    drawn = gaussian_log_target(pixels, SIZE_PX // 2, SIZE_PX // 2, sigma=sigma, stride=2)
    trainer = KeypointTrainer(network, RECIPE, scenes.labelled, seed=0)
    trainer.teacher.forward = lambda images: drawn.flatten(0, 1)  # type: ignore[method-assign]
    trainer.steps = RECIPE.warm_start_steps
    trainer._draw = lambda population, count: torch.arange(2)  # type: ignore[method-assign]
    report = trainer.step(UnlabelledFrames(frames.images, frames.cameras))
    assert report.gate_open == opened
    assert (report.unsupervised > 0) == bool(opened)


def test_the_same_seed_gives_the_same_weights_bit_for_bit(network: NetworkConfig, scenes: Scenes) -> None:
    first, again, other = (KeypointTrainer(network, RECIPE, scenes.labelled, seed=seed) for seed in (1, 1, 2))
    for trainer in (first, again, other):
        torch.manual_seed(id(trainer) % 1000)  # what else goes on in the process does not matter
        train(trainer, 6, scenes.unlabelled)
    require_same(weights_of(first), weights_of(again))
    assert not torch.equal(weights_of(first)["student.head.weight"], weights_of(other)["student.head.weight"])


def test_building_a_trainer_leaves_the_global_generator_alone(network: NetworkConfig, scenes: Scenes) -> None:
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    KeypointTrainer(network, RECIPE, scenes.labelled, seed=1)
    assert torch.equal(torch.rand(3), expected)


@pytest.mark.parametrize("split", [1, 5])
def test_resuming_is_as_if_nothing_had_happened(network: NetworkConfig, scenes: Scenes, split: int) -> None:
    whole = KeypointTrainer(network, RECIPE, scenes.labelled, seed=1)
    expected = train(whole, 8, scenes.unlabelled)
    before = KeypointTrainer(network, RECIPE, scenes.labelled, seed=1)
    reports = train(before, split, scenes.unlabelled)
    stored = io.BytesIO()
    torch.save(before.state_dict(), stored)
    stored.seek(0)
    after = KeypointTrainer(network, RECIPE, scenes.labelled, seed=99)
    after.load_state_dict(torch.load(stored, weights_only=True))
    assert after.steps == split
    reports += train(after, 8 - split, scenes.unlabelled)
    require_same(weights_of(whole), weights_of(after))
    assert reports == expected


def test_a_bias_does_not_decay_and_a_weight_does(network: NetworkConfig, scenes: Scenes) -> None:
    config = RECIPE.model_copy(update={"l2": 0.5, "learning_rate": 0.1, "ramp_steps": 1})
    trainer = KeypointTrainer(network, config, scenes.labelled, seed=0)
    with torch.no_grad():
        for parameter in trainer.student.parameters():
            parameter.fill_(1.0)
    # A gradient of zero leaves Adam still: what moves a parameter then is the decay alone.
    trainer._loss = lambda heatmaps, *_: 0 * heatmaps.sum()  # type: ignore[method-assign]
    trainer.step()
    for name, parameter in trainer.student.named_parameters():
        expected = 1.0 if name.endswith("bias") else 1.0 - 0.1 * 0.5
        torch.testing.assert_close(parameter, torch.full_like(parameter, expected), msg=name)


def test_the_teacher_follows_the_student_slowly(network: NetworkConfig, scenes: Scenes) -> None:
    trainer = KeypointTrainer(network, RECIPE, scenes.labelled, seed=0)
    start = weights_of(trainer)["teacher.stem.0.weight"]
    train(trainer, 5)
    now = weights_of(trainer)
    moved = (now["student.stem.0.weight"] - start).norm()
    behind = (now["student.stem.0.weight"] - now["teacher.stem.0.weight"]).norm()
    assert 0 < behind < moved


def test_the_learning_rate_rises_falls_and_keeps_a_floor(network: NetworkConfig, scenes: Scenes) -> None:
    trainer = KeypointTrainer(network, RECIPE, scenes.labelled, seed=0)
    rates = []
    for _ in range(12):
        trainer.step()
        rates.append(trainer._optimiser.param_groups[0]["lr"])
    assert rates[0] < rates[1] == pytest.approx(RECIPE.learning_rate)
    assert rates[2:9] == sorted(rates[2:9], reverse=True)
    assert rates[8:] == [pytest.approx(RECIPE.learning_rate_floor)] * 4


def test_keypoints_outside_the_image_teach_nothing(network: NetworkConfig, scenes: Scenes) -> None:
    away = labelled(4, 1)
    away.points_m[:] = torch.tensor([0.5, 0.5, 0.0])
    trainer = KeypointTrainer(network, RECIPE.model_copy(update={"augment": PLAIN}), away, seed=0)
    assert trainer.step().supervised == 0


def test_by_the_papers_recipe_the_students_own_estimate_is_its_target(network: NetworkConfig, scenes: Scenes) -> None:
    config = PAPER.model_copy(update={"labelled_batch": 2, "unlabelled_batch": 3})
    trainer = KeypointTrainer(network, config, scenes.labelled, seed=0)
    chosen = [torch.tensor([0, 1]), torch.tensor([2, 3, 4])]
    trainer._draw = lambda population, count: chosen[0] if count == 2 else chosen[1]  # type: ignore[method-assign]
    stream = scenes.unlabelled
    images = normalised(stream.images[chosen[1]])
    log_heatmaps = trainer.student(images.flatten(0, 1)).unflatten(0, images.shape[:2])
    size = network.heatmap_size
    expected = self_supervised_loss(
        log_heatmaps, stream.cameras[chosen[1]], height=size, width=size, sigma=network.sigma, stride=network.stride
    )
    report = trainer.step(stream)
    assert report.unsupervised == pytest.approx(expected.item(), rel=1e-4)
    assert report.gate_open == 1


def test_after_a_collapse_it_goes_back_to_where_the_unlabelled_loss_entered(
    network: NetworkConfig, scenes: Scenes
) -> None:
    config = RECIPE.model_copy(
        update={"entry_plausible": 0.0, "collapse_plausible": 0.5, "gate_residual_px": 1e6, "gate_confidence": 0.0}
    )
    trainer = KeypointTrainer(network, config, scenes.labelled, seed=0)
    train(trainer, 4, scenes.unlabelled)
    entered = weights_of(trainer)
    # All estimates at one point, whatever the images show.
    trainer._guess = lambda images, cameras: PseudoLabels(  # type: ignore[method-assign]
        torch.zeros(len(images), len(network.keypoint_names), 3), torch.ones(len(images), len(network.keypoint_names))
    )
    reports = train(trainer, OBSERVED_STEPS - 1, scenes.unlabelled)
    assert all(report.recoveries == 0 for report in reports)
    report = trainer.step(scenes.unlabelled)
    assert report.recoveries == 1
    require_same(weights_of(trainer), entered)
    assert trainer.step(scenes.unlabelled).unsupervised == 0, "labels alone for a while"
