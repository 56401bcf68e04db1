"""What a run's configuration says of its cells; without ray, for whoever runs a cell in its own process."""

from dataclasses import replace

from actors.collector import CollectorSpec
from actors.sim.cell import CableCellSpec
from actors.sim.levels import at_level
from deploy.config import RunConfig
from deploy.run_folder import RunFolder


def cell_ids(config: RunConfig) -> list[str]:
    """Names of a run's cells."""
    return [f"cell{index}" for index in range(config.cells.count)]


def collector_spec(config: RunConfig, folder: RunFolder, cell_id: str) -> CollectorSpec:
    """One cell of a run, and where it keeps what."""
    cells = config.cells
    spec = CableCellSpec(cell_id=cell_id, image_px=cells.image_px, scene_seed=cells.scene_seed)
    spec = at_level(spec, cells.level)
    wanted = {
        "free_length_m": cells.cable_length_m,
        "bending_stiffness": cells.cable_stiffness,
        "clearance_m": cells.clearance_m,
    }
    cable = replace(spec.cable, **{name: value for name, value in wanted.items() if value is not None})
    return CollectorSpec(
        cell=replace(spec, cable=cable),
        task=config.task,
        stream=folder.stream,
        recordings=folder.recordings,
        tracks=folder.tracks,
        deadline_s=config.service.deadline_s,
    )
