"""What the agent may observe: four choices, one reward."""

import time
from dataclasses import dataclass, replace
from itertools import count
from pathlib import Path

import gymnasium
import numpy as np
import pytest

from actors.cell import GripperState, SimulatedCell
from actors.demonstrations import demonstration_chunk
from actors.environment import InsertionEnv
from actors.insertion import KEYPOINTS, InsertionConfig, InsertionTask, TaskStep
from actors.observation import Observation, observed_through, with_state
from actors.recording import RecordedEpisode
from actors.rollout import Rollout
from actors.sim.cell import CableCell, CableCellSpec
from deploy.config import load_config
from learners.vae.publication import publish_vae
from s3k_dist.embeddings.encoder import encoder_source
from s3k_dist.embeddings.network import EncoderConfig, EncoderNetwork
from s3k_dist.episodes import EpisodeChunk
from s3k_dist.errors import ConfigError
from s3k_dist.features.client import FeatureClient
from s3k_dist.features.server import FeatureServer
from s3k_dist.features.server_thread import FeatureServerThread
from s3k_dist.features.types import Embedding, FrameFeatures
from s3k_dist.frames import MultiViewFrame
from s3k_dist.keypoints.detector import KeypointDetector
from s3k_dist.keypoints.network import KeypointNetwork, NetworkConfig
from s3k_dist.weights import WeightsRegistry
from tests.actors.moments import seen_at

HANG_GUARD_S = 30.0
OPENING_M = np.array([0.01, -0.02, 0.03])
ABOVE_M = OPENING_M + np.array([[0, 0, 0.02], [0, 0, 0.05], [0, 0, 0]])
INSERTED_M = OPENING_M + np.array([[0, 0, 0], [0, 0, 0.010], [0, 0, 0]])
TRUE_M = ABOVE_M + 0.004
GRIPPER = GripperState(np.array([0.1, 0.0, 0.12]), *np.arange(9.0).reshape(3, 3) / 100)
CHOICES: tuple[Observation, ...] = ("keypoints", "vae", "pixels-frozen", "state")


def carrying(features: FrameFeatures, observation: Observation, version: int = 7) -> FrameFeatures:
    """Features with the embedding that the choice needs."""
    if observation == "state":
        return with_state(features, TRUE_M)
    return replace(features, embedding=Embedding(observation, version, np.linspace(-1, 1, 10).astype(np.float32)))


def play(observation: Observation, *moments: FrameFeatures) -> list[TaskStep]:
    task = InsertionTask(InsertionConfig(observation=observation), 128)
    first, *others = [carrying(moment, observation) for moment in moments]
    return [task.begin(GRIPPER, first), *(task.advance(GRIPPER, moment) for moment in others)]


def test_keypoints_are_the_default_and_need_no_embedding() -> None:
    config = InsertionConfig()
    plain = InsertionTask(config, 128).begin(GRIPPER, seen_at(ABOVE_M))
    assert (config.observation, config.observation_size) == ("keypoints", 24)
    np.testing.assert_array_equal(plain.observation, play("keypoints", seen_at(ABOVE_M))[0].observation)


@pytest.mark.parametrize(
    ("observation", "size"), [("keypoints", 24), ("vae", 22), ("pixels-frozen", 22), ("state", 24)]
)
def test_the_size_is_the_same_everywhere(observation: Observation, size: int) -> None:
    from deploy.policy import actor_shape

    config = load_config("smoke", [f"task.observation={observation}"])
    assert config.task.observation_size == size
    assert actor_shape(config).observation_size == size
    assert play(observation, seen_at(ABOVE_M))[0].observation.shape == (size,)


@pytest.mark.parametrize("observation", CHOICES)
def test_reward_success_and_end_are_those_of_the_keypoints(observation: Observation) -> None:
    moments = (
        seen_at(ABOVE_M),
        seen_at(INSERTED_M, residual_px=50.0),
        seen_at(INSERTED_M),
        seen_at(ABOVE_M),
        seen_at(INSERTED_M),
        seen_at(INSERTED_M),
    )
    for step, expected in zip(play(observation, *moments), play("keypoints", *moments), strict=True):
        assert replace(step, observation=None, consistent=None) == replace(expected, observation=None, consistent=None)


def test_an_embedding_is_observed_beside_the_gripper_and_nothing_else() -> None:
    (seen,) = play("vae", seen_at(ABOVE_M))
    np.testing.assert_allclose(seen.observation[:3], [2.0, 0.0, 0.0], atol=1e-6)  # 10 cm from the middle, in 5 cm
    np.testing.assert_allclose(seen.observation[12:], np.linspace(-1, 1, 10), atol=1e-6)
    (elsewhere,) = play("vae", seen_at(INSERTED_M, residual_px=50.0))
    np.testing.assert_array_equal(elsewhere.observation, seen.observation)


def test_the_state_is_the_truth_whatever_is_served() -> None:
    (seen,) = play("state", seen_at(ABOVE_M + 0.5, confidence=0.1))
    expected = InsertionTask(InsertionConfig(), 128).begin(GRIPPER, seen_at(TRUE_M))
    np.testing.assert_array_equal(seen.observation, expected.observation)


@pytest.mark.parametrize(
    ("embedding", "says"),
    [
        (None, r"task.observation=vae needs an embedding of 10 numbers with every frame; none came: serve a vae"),
        (Embedding("pixels-frozen", 1, np.zeros(10, np.float32)), r"one of kind 'pixels-frozen' came: serve a vae"),
        (Embedding("vae", 3, np.zeros(16, np.float32)), r"version 3 made 16: set task.embedding_size=16"),
    ],
)
def test_a_service_that_does_not_send_what_is_observed_is_named(embedding: Embedding | None, says: str) -> None:
    task = InsertionTask(InsertionConfig(observation="vae"), 128)
    with pytest.raises(ConfigError, match=says):
        task.begin(GRIPPER, replace(seen_at(ABOVE_M), embedding=embedding))


def test_an_odd_embedding_gives_a_finite_observation() -> None:
    task = InsertionTask(InsertionConfig(observation="vae", embedding_size=3), 128)
    odd = Embedding("vae", 1, np.array([np.nan, np.inf, -1e9], np.float32))
    observation = task.begin(GRIPPER, replace(seen_at(ABOVE_M), embedding=odd)).observation
    assert observation[12:].tolist() == [0.0, 10.0, -10.0]


@dataclass
class Served:
    """Perfect keypoints and the embeddings of an encoder whose version rises with every frame."""

    cell: SimulatedCell
    observation: Observation
    offset_m: float = 0.0

    def __post_init__(self) -> None:
        self.versions = count(11)

    def extract(self, frame: MultiViewFrame) -> FrameFeatures:
        seen = seen_at(self.cell.truth().keypoints_m + self.offset_m, model_version=2, frame=frame)
        return seen if self.observation == "state" else carrying(seen, self.observation, next(self.versions))


class Keeping:
    """Stands still and keeps what it is asked to hand over."""

    version = 1

    def __init__(self) -> None:
        self.chunks: list[EpisodeChunk] = []

    def begin_episode(self) -> None:
        pass

    def refresh(self) -> None:
        pass

    def act(self, observation: np.ndarray) -> np.ndarray:
        return np.zeros(6)

    def submit(self, chunk: EpisodeChunk) -> None:
        self.chunks.append(chunk)


@pytest.mark.parametrize(
    ("observation", "versions"), [("keypoints", [2, 2, 2]), ("vae", [11, 12, 13]), ("state", [0, 0, 0])]
)
def test_a_rollout_hands_over_the_version_that_made_the_observation(
    shared_cell: CableCell, observation: Observation, versions: list[int]
) -> None:
    policy, steps = Keeping(), count()
    config = InsertionConfig(observation=observation)
    rollout = Rollout(shared_cell, Served(shared_cell, observation), InsertionTask(config, 64))
    outcome = rollout.run(policy, seed=1, keep_going=lambda: next(steps) < 2)
    (chunk,) = policy.chunks
    chunk.check(config.observation_size, 6)
    assert chunk.model_versions.tolist() == versions
    assert outcome.model_version == 2


def test_an_environment_shows_what_it_is_told_to(shared_cell: CableCell) -> None:
    for observation, size in (("vae", 22), ("pixels-frozen", 22), ("state", 24)):
        cell = CableCell(CableCellSpec(image_px=64))
        served = Served(cell, observation, offset_m=0.003)
        task = InsertionConfig(observation=observation)
        env = gymnasium.make("s3k/CableInsertion-v0", features=served, make_cell=lambda cell=cell: cell, task=task)
        seen, _ = env.reset(seed=3)
        assert env.observation_space.shape == seen.shape == (size,)
        seen, *_ = env.step(np.zeros(6, np.float32))
        assert seen in env.observation_space
        if observation == "state":
            truth = InsertionTask(InsertionConfig(), 64).begin(
                cell.observe().gripper, seen_at(cell.truth().keypoints_m)
            )
            np.testing.assert_allclose(seen[12:21], truth.observation[12:21], atol=1e-6)
        env.close()
    assert truth is not None


class Physical:
    """A cell that knows no truth."""

    cell_id = "bench3"
    cameras = ()
    twist_limit = np.ones(6)

    def reset(self, seed: int | None = None) -> None: ...

    def observe(self) -> None: ...

    def command(self, twist: np.ndarray) -> None: ...

    def stop(self) -> None: ...


def test_a_physical_cell_has_no_state_to_show(shared_cell: CableCell) -> None:
    served = Served(shared_cell, "vae")
    says = (
        "observation 'state' is a simulator's truth, and cell 'bench3' is not simulated; there are keypoints, vae and"
    )
    with pytest.raises(ConfigError, match=says):
        observed_through(served, Physical(), "state")  # type: ignore[arg-type]
    with pytest.raises(ConfigError, match=says):
        InsertionEnv(served, make_cell=Physical, task=InsertionConfig(observation="state"))  # type: ignore[arg-type]
    assert observed_through(served, Physical(), "vae") is served  # type: ignore[arg-type]


@pytest.fixture
def episode() -> RecordedEpisode:
    """Six still moments above, then inserted, as a simulator recorded them."""
    keypoints = np.stack([TRUE_M] * 3 + [INSERTED_M] * 3)
    return RecordedEpisode(
        "cell0-demonstration-0", "cell0", np.arange(6), np.zeros((6, 12)), np.zeros((5, 6)), "demonstration", 0,
        keypoints, np.zeros(6), np.ones((6, 4, 3), bool),
    )  # fmt: skip


@pytest.mark.parametrize(("observation", "version"), [("keypoints", 1), ("vae", 7), ("state", 0)])
def test_a_demonstration_is_observed_as_the_agent_will(
    episode: RecordedEpisode, observation: Observation, version: int
) -> None:
    served = iter(seen_at(points) for points in episode.true_keypoints_m)

    class Replayed:
        def extract(self, frame: object) -> FrameFeatures:
            seen = next(served)
            return seen if observation == "state" else carrying(seen, observation)

    config = InsertionConfig(observation=observation)
    frames = [object()] * 6
    chunk = demonstration_chunk(episode, frames, Replayed(), InsertionTask(config, 128))  # type: ignore[arg-type]
    assert chunk is not None
    chunk.check(config.observation_size, 6)
    assert set(chunk.model_versions.tolist()) == {version}
    if observation == "state":
        expected = InsertionTask(InsertionConfig(), 128).begin(episode.gripper(0), seen_at(TRUE_M))
        np.testing.assert_array_equal(chunk.observations[0], expected.observation)


def test_an_environment_follows_a_vae_that_is_published_while_it_serves(tmp_path: Path) -> None:
    config = EncoderConfig(views=4, image_size_px=64, latent_size=10)
    encoders = WeightsRegistry(tmp_path)
    publish_vae(encoders, EncoderNetwork(config), {})
    keypoints = NetworkConfig(keypoint_names=KEYPOINTS, image_size_px=64, channels=(8, 8), residual_blocks=0)
    detector = KeypointDetector(keypoints, KeypointNetwork(keypoints).state_dict(), version=1)
    server = FeatureServer(lambda: 1, lambda version: detector, poll_s=0.02, encoder=encoder_source(encoders))
    with FeatureServerThread(server) as service, FeatureClient(service.address, deadline_s=HANG_GUARD_S) as client:
        client.wait_ready(HANG_GUARD_S)
        env = InsertionEnv(
            client, make_cell=lambda: CableCell(CableCellSpec(image_px=64)), task=InsertionConfig(observation="vae")
        )
        before, _ = env.reset(seed=1)
        assert encoders.current() == 1
        publish_vae(encoders, EncoderNetwork(config), {})
        give_up = time.monotonic() + HANG_GUARD_S
        while server.encoder_version != 2:
            assert time.monotonic() < give_up, "the second version never served"
            time.sleep(0.01)
        after, _ = env.reset(seed=1)
        seen = client.latest()
        assert seen is not None
        assert seen.embedding is not None
        assert (seen.embedding.model_version, seen.model_version) == (2, 1)
        np.testing.assert_allclose(after[12:], np.clip(seen.embedding.values, -10, 10), rtol=1e-6)
        np.testing.assert_array_equal(after[:12], before[:12])
        assert np.abs(after[12:] - before[12:]).max() > 1e-3
        env.close()
