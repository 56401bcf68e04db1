"""One typed configuration tree: defaults, a preset, then ``--set a.b=c``; validated at load, saved with the run."""

from collections.abc import Iterable
from importlib import resources
from pathlib import Path
from typing import Literal, Self

import yaml
from pydantic import Field, field_validator, model_validator

from actors.insertion import InsertionConfig, LevelName
from actors.sim.scene_change import SceneChange
from deploy.fleet.cell_file import CellFile, read_cell_file
from deploy.settings import Section, read_tree, set_value, validated
from learners.ddpg.exploration import NoiseKind
from learners.ddpg.schedule import Schedule, check_schedule
from learners.keypoint.config import KeypointLearnerConfig
from learners.vae.config import VaeConfig
from s3k_dist.access.reach import require_credentials
from s3k_dist.atomic import write_atomic
from s3k_dist.errors import AccessError, ConfigError

CONFIG_NAME = "config.yaml"


class CellsConfig(Section):
    """The simulated cells.

    Attributes:
        count: cells that run side by side.
        from_files: in their place, those that were read from files (``s3k run --cells``); they, too, are as the rest of
            this section has it where their files say nothing.
        image_px: side of the square images, each of four views.
        scene_seed: textures and clutter.
        level: of the task: easy, standard or hard; what each means: docs/experiments/levels.md.
        cable_stiffness: EI, N m^2; like the next two, None leaves it to the level.
        cable_length_m: between the fingers and the plug.
        clearance_m: radial, between pin and hole.
        changes: of the scene while they work (``actors.sim.scene_change``), to try how a run follows them.
    """

    count: int = Field(2, ge=1)
    from_files: tuple[CellFile, ...] = ()
    image_px: int = Field(128, ge=64, multiple_of=32)
    scene_seed: int = 0
    level: LevelName = "easy"
    cable_stiffness: float | None = Field(None, gt=0)
    cable_length_m: float | None = Field(None, gt=0)
    clearance_m: float | None = Field(None, gt=0)
    changes: tuple[SceneChange, ...] = ()

    @field_validator("from_files")
    @classmethod
    def _names_apart(cls, value: tuple[CellFile, ...]) -> tuple[CellFile, ...]:
        names = [cell.cell for cell in value]
        if twice := sorted({name for name in names if names.count(name) > 1}):
            raise ValueError(f"two cells are called {', '.join(twice)}")
        return value


class RecordingConfig(Section):
    """What is recorded before anything is learned.

    Attributes:
        demonstrations: successful episodes of the scripted expert (section 6.2: 51).
        noisy_episodes: of the expert with noise, for the stream and for labels.
        random_episodes: of drifting motion, likewise.
    """

    demonstrations: int = Field(51, ge=1)
    noisy_episodes: int = Field(24, ge=0)
    random_episodes: int = Field(24, ge=0)


class LabelsConfig(Section):
    """The clicks (section 6.2: 120 frames to train on, 36 to test).

    Attributes:
        train: frames to train on.
        held_out: frames to evaluate on.
        click_noise_px: standard deviation of a click along each image axis, at the cell's resolution.
    """

    train: int = Field(120, ge=1)
    held_out: int = Field(36, ge=1)
    click_noise_px: float = Field(0.5, ge=0)


class ServiceConfig(Section):
    """The feature service.

    Attributes:
        replicas: processes that answer; cells ask them in turn.
        address: where it listens, further replicas at the ports after it; port 0 takes free ones. Host 0.0.0.0 listens
            on the machine's network, for those with certificates (``credentials``).
        max_batch_frames: frames that one pass of the network takes.
        max_queue_frames: frames that may wait.
        deadline_s: a cell's patience for one frame.
        poll_s: how often it looks for a new model.
        metrics_port: of the Prometheus metrics; none by default.
    """

    replicas: int = Field(1, ge=1)
    address: str = Field("127.0.0.1:0", pattern=r"^.+:\d+$")
    max_batch_frames: int = Field(4, ge=1)
    max_queue_frames: int = Field(64, ge=1)
    deadline_s: float = Field(5.0, gt=0)
    poll_s: float = Field(1.0, gt=0)
    metrics_port: int | None = Field(None, ge=0, le=65535)


class DriftSection(Section):
    """How cells watch their own frames (docs/continual.md).

    Attributes:
        reference_frames: of one model version, that say what is usual; no alarm before they are there.
        hours_between_false_alarms: of one cell at 4 Hz, on average; more takes longer to notice.
    """

    reference_frames: int = Field(480, ge=40)
    hours_between_false_alarms: float = Field(1000.0, gt=0)


class StreamConfig(Section):
    """The growing stream of frames; docs/stream.md. Every byte figure is for one cell, in MB of 10^6 bytes.

    Attributes:
        url: where it lies, as fsspec spells it (``s3://bucket/stream``); None is the run's own folder.
        encoding: of the images: PNG keeps every pixel, JPEG is a third as large, RAW costs no time.
        shard_frames: in a shard, at most.
        shard_mb: likewise.
        shard_age_s: a frame waits no longer than this to be safe, also in an episode that hangs; None waits for the end
            of the episode.
        spool: folder of this machine for shards on their way; None is one in the run's folder, where ``url`` is set.
        spool_mb: that may wait there while the store is away; then frames are refused.
        max_mb: that a cell's frames may take; None lets the stream grow.
        max_age_s: of fresh frames; None for no bound.
        past_share: of ``max_mb`` for older frames: labelled ones, and those that are unlike each other.
        reservoir_frames: of the unlike ones, at most.
        still_levels: grey levels that a still scene may differ by; of such frames one in 30 s stays. None keeps all.
        prune_every_s: between two looks whether something has to go; only with ``max_mb`` or ``max_age_s``.
    """

    url: str | None = None
    encoding: Literal["PNG", "JPEG", "RAW"] = "PNG"
    shard_frames: int = Field(64, ge=1)
    shard_mb: float = Field(32.0, gt=0)
    shard_age_s: float | None = Field(30.0, gt=0)
    spool: Path | None = None
    spool_mb: float = Field(2000.0, gt=0)
    max_mb: float | None = Field(None, gt=0)
    max_age_s: float | None = Field(None, gt=0)
    past_share: float = Field(0.25, ge=0, lt=1)
    reservoir_frames: int = Field(1000, ge=0)
    still_levels: int | None = Field(2, ge=0)
    prune_every_s: float = Field(60.0, gt=0)

    @field_validator("spool")
    @classmethod
    def _absolute(cls, value: Path | None) -> Path | None:
        return None if value is None else value.expanduser().absolute()


class PolicyConfig(Section):
    """DDPG from demonstrations.

    Attributes:
        env_steps: of training, over all cells.
        pretrain_updates: on demonstrations, before the first step.
        exploration_noise: gaussian or ornstein_uhlenbeck.
        exploration_sigma: strength of the noise on actions in [-1, 1]; or [[0, value], [env_steps, value], ...], over
            the steps of all cells.
        normalize_observations: shift and scale each entry of the observation by the mean and deviation of those stored.
        replay_ratio: updates for each environment step.
        max_model_lag: how many promotions behind the served model a cell's features may be; what is older is refused.
        max_feature_distance: after a new keypoint model, transitions of another one are learned from only if the
            observations made anew change by less (median of the largest change of an entry; 0.05 is 1 mm).
        catch_up_updates: on transitions made anew, before a policy counts as fit for a model that is farther.
        fit_wait_s: for which a cell waits, between two episodes, for a policy that fits the served model.
        batch: transitions of one update.
        hidden_sizes: of actor and critics.
        gamma: discount.
        n_step: of the long return.
        bc_coefficient: weight of the cloning term; measured: at 1 the cloned policy is lost for 2000 steps, at 10 kept.
        bc_q_filter: clone only where the critic prefers the demonstrated action. Off: a critic that has seen few
            failures overrates its own actions, and 1000 steps of good behaviour are lost.
        demonstration_fraction: least share of demonstrations in a batch.
        actor_lr: learning rate.
        critic_lr: learning rate.
        demonstrations: a Parquet file, or a folder of such, with more demonstrations than the recorded ones.
        demonstration_capacity: transitions of demonstrations, interventions included, that are kept for good.
        checkpoint_s: seconds between checkpoints.
    """

    env_steps: int = Field(4000, ge=1)
    pretrain_updates: int = Field(2000, ge=0)
    exploration_noise: NoiseKind = "gaussian"
    exploration_sigma: float | tuple[tuple[float, float], ...] = 0.08
    normalize_observations: bool = False
    replay_ratio: float = Field(1.0, gt=0)
    max_model_lag: int = Field(2, ge=0)
    max_feature_distance: float = Field(0.05, ge=0)
    catch_up_updates: int = Field(500, ge=0)
    fit_wait_s: float = Field(20.0, ge=0)
    batch: int = Field(256, ge=1)
    hidden_sizes: tuple[int, ...] = (256, 256)
    gamma: float = Field(0.97, gt=0, lt=1)
    n_step: int = Field(5, ge=1)
    bc_coefficient: float = Field(10.0, ge=0)
    bc_q_filter: bool = False
    demonstration_fraction: float = Field(0.2, ge=0, le=1)
    actor_lr: float = Field(3e-4, gt=0)
    critic_lr: float = Field(1e-3, gt=0)
    demonstrations: Path | None = None
    demonstration_capacity: int = Field(10_000, ge=1)
    checkpoint_s: float = Field(60.0, gt=0)

    @field_validator("demonstrations")
    @classmethod
    def _absolute(cls, value: Path | None) -> Path | None:
        # A run is resumed from wherever.
        return None if value is None else value.expanduser().absolute()

    @field_validator("exploration_sigma")
    @classmethod
    def _check_sigma(cls, value: Schedule) -> Schedule:
        try:
            check_schedule("exploration_sigma", value)
        except ConfigError as error:
            raise ValueError(str(error)) from None
        return value


class ControlConfig(Section):
    """The page from which a person may take over cell0 while the policy learns.

    Attributes:
        port: of the page; none by default, 0 takes a free one.
        address: to serve it at; only this machine by default, any other over HTTPS (``credentials``).
    """

    port: int | None = Field(None, ge=0, le=65535)
    address: str = "127.0.0.1"


class ProcessPlacement(Section):
    """What a process asks of the Ray node that it runs on.

    Attributes:
        num_cpus: cores that Ray sets aside.
        num_gpus: likewise; a share of one where several processes use it.
        resource: a custom resource that the node must offer; one unit of it is used.
    """

    num_cpus: float = Field(0, ge=0)
    num_gpus: float = Field(0, ge=0)
    resource: str | None = None


class PlacementConfig(Section):
    """Where processes run. By default anywhere, and nothing is set aside: all share one machine."""

    cells: ProcessPlacement = ProcessPlacement()
    service: ProcessPlacement = ProcessPlacement()
    keypoints: ProcessPlacement = ProcessPlacement()
    policy: ProcessPlacement = ProcessPlacement()


class EvaluationConfig(Section):
    """The held-out episodes at the end.

    Attributes:
        episodes: never seen in training.
        cloned_episodes: played by the policy as cloned, before any learning of its own; 0 for none.
    """

    episodes: int = Field(50, ge=1)
    cloned_episodes: int = Field(20, ge=0)


class RunConfig(Section):
    """Everything a run depends on. The same preset and seed give the same data sets.

    ``vae`` is used where ``task.observation`` is vae; its ``latent_size`` is then ``task.embedding_size``.

    Attributes:
        credentials: folder of ca.pem, cert.pem and key.pem, on every node its own (docs/security.md). Needed as soon as
            the service or the control page is reached from beyond one machine; cells then show them, too.
    """

    preset: str = "laptop"
    seed: int = Field(0, ge=0)
    credentials: Path | None = None
    cells: CellsConfig = CellsConfig()
    recording: RecordingConfig = RecordingConfig()
    stream: StreamConfig = StreamConfig()
    labels: LabelsConfig = LabelsConfig()
    keypoints: KeypointLearnerConfig = KeypointLearnerConfig()
    vae: VaeConfig = VaeConfig()
    service: ServiceConfig = ServiceConfig()
    drift: DriftSection = DriftSection()
    task: InsertionConfig = InsertionConfig()
    policy: PolicyConfig = PolicyConfig()
    control: ControlConfig = ControlConfig()
    placement: PlacementConfig = PlacementConfig()
    evaluation: EvaluationConfig = EvaluationConfig()

    @field_validator("credentials")
    @classmethod
    def _absolute(cls, value: Path | None) -> Path | None:
        return None if value is None else value.expanduser().absolute()

    @model_validator(mode="after")
    def _not_in_the_open(self) -> Self:
        pages = () if self.control.port is None else (("the control page", f"{self.control.address}:0"),)
        for what, address in (("the feature service", self.service.address), *pages):
            try:
                require_credentials(what, address, self.credentials)
            except AccessError as error:
                raise ValueError(f"{error}; --set credentials=DIR names it") from None
        return self


def presets() -> list[str]:
    """Names of the presets there are."""
    folder = resources.files("deploy") / "presets"
    return sorted(entry.name.removesuffix(".yaml") for entry in folder.iterdir() if entry.name.endswith(".yaml"))


def load_config(preset: str, overrides: Iterable[str] = (), cells: Iterable[Path] = ()) -> RunConfig:
    """A preset with overrides.

    Args:
        preset: name of a preset.
        overrides: ``a.b=c`` each; the value is YAML.
        cells: files of the cells, in place of the simulated ones that the preset has.

    Raises:
        ConfigError: an unknown preset or key, or a value that does not fit; says what is available.
    """
    if preset not in presets():
        raise ConfigError(f"unknown preset {preset!r}; there are {', '.join(presets())}")
    text = (resources.files("deploy") / "presets" / f"{preset}.yaml").read_text()
    tree = yaml.safe_load(text) or {}
    tree["preset"] = preset
    for override in overrides:
        set_value(tree, override)
    if files := [read_cell_file(path).model_dump(mode="json", exclude_defaults=True) for path in cells]:
        tree["cells"] = {**(tree.get("cells") or {}), "from_files": files}
    return validated(RunConfig, tree, f"preset {preset!r}")


def read_config(folder: Path, overrides: Iterable[str] = ()) -> RunConfig:
    """The configuration saved with a run.

    Raises:
        ConfigError: there is none, or it is damaged.
    """
    path = folder / CONFIG_NAME
    tree = read_tree(path, f"{folder} is not a run")
    for override in overrides:
        set_value(tree, override)
    return validated(RunConfig, tree, str(path))


def save_config(folder: Path, config: RunConfig) -> None:
    """Write the resolved configuration beside what it leads to.

    Raises:
        StorageError: it cannot be written.
    """
    write_atomic(folder / CONFIG_NAME, yaml.safe_dump(config.model_dump(mode="json"), sort_keys=False).encode())
