"""What a changing scene looks like: the same moment in four views, before the first change and after each."""

from collections.abc import Sequence
from dataclasses import replace

from matplotlib.figure import Figure

from actors.insertion import LevelName
from actors.sim.cell import CableCell, CableCellSpec
from actors.sim.levels import at_level
from actors.sim.scene_change import SceneChange
from experiments.pages import save

EPISODE_SEED = 3


def draw_changes(
    name: str, changes: Sequence[tuple[str, SceneChange]], *, scene_seed: int, level: LevelName, image_px: int
) -> str:
    """Draw a row for the scene as it was, and one after each change, which come on top of each other.

    Args:
        name: of the picture.
        changes: what each is called, and what it is.
        scene_seed: of the scene as it was.
        level: of the task.
        image_px: side of the images, as the cell takes them.

    Returns:
        The Markdown that shows it.
    """
    # An episode of a single frame each.
    due = tuple(replace(change, after_frames=number + 1) for number, (_, change) in enumerate(changes))
    spec = at_level(CableCellSpec(image_px=image_px, scene_seed=scene_seed), level)
    cell = CableCell(replace(spec, changes=due))
    views = len(cell.cameras)
    figure = Figure(figsize=(2.0 * views, 2.2 * (1 + len(due))), layout="constrained", facecolor="white")
    grid = figure.subplots(1 + len(due), views, squeeze=False)
    try:
        for row, text in zip(grid, ["as it was", *(f"after: {text}" for text, _ in changes)], strict=True):
            for plot, view in zip(row, cell.reset(EPISODE_SEED).frame.views, strict=True):
                plot.imshow(view.image)
                plot.set(xticks=[], yticks=[])
                if plot is not row[0]:
                    plot.set_title(view.camera.name, size=8)
            row[0].set_title(f"{text}; cam0", loc="left", size=8)
    finally:
        cell.stop()
    return save(figure, name)
