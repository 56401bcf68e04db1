"""``s3k simulate``: a data set of a simulated scene."""

from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path

from actors.sim.scenes.catalogue import SceneSpec, read_options
from actors.sim.scenes.simulate import LabelPlan, simulate
from deploy.checks import check_rendering
from deploy.live_view import LiveView
from s3k_dist.datasets.folder import DatasetFolder
from s3k_dist.errors import PreflightError


def print_simulation(
    scene: str, settings: Sequence[str], scenes: int, labels: LabelPlan, out: Path, *, size_px: int, seed: int
) -> int:
    """Simulate a data set into ``out``; show how far it is, then what was made.

    Args:
        scene: its name in the catalogue.
        settings: its options, ``key=value`` each.
        scenes: how many.
        labels: which of them are labelled.
        out: new, or an empty folder.
        size_px: side of the square images.
        seed: of everything.

    Raises:
        ConfigError: an unknown scene or option, or impossible labels.
        PreflightError: no OpenGL renderer can be had.
        StorageError: the folder is not empty or cannot be written.
        CellError: a renderer died or hung.
    """
    spec = SceneSpec(scene, seed, size_px, read_options(scene, settings))
    require_rendering()
    view = LiveView(f"s3k simulate {scene}, seed {seed}", ("render",))
    with ExitStack() as stack:

        def show(done: int) -> None:
            if done == 0:  # everything is checked: only now there is something to watch
                stack.enter_context(view)
                view.phase("render")
            view.progress(done / scenes)
            view.update(scenes=done)

        simulate(spec, scenes, labels, DatasetFolder(out), show)
    print(  # noqa: T201
        f"simulated: {out}, {scenes} scenes, {labels.train} labels to train on, {labels.held_out} held out\n"
        f"next: s3k train keypoints --data {out} --out {out}-models"
    )
    return 0


def require_rendering() -> None:
    """Ask in a process of its own: a broken OpenGL may take down the one that asks.

    Raises:
        PreflightError: nothing can be rendered here; says what to install.
    """
    check = check_rendering()
    if check.ok is False:
        raise PreflightError(f"{check.name}: {check.detail}; {check.advice}")
