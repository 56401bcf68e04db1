"""What a run's configuration says of its cells; without ray, for whoever runs a cell in its own process."""

from actors.collector import CollectorSpec
from actors.sim.cable import CableSpec
from actors.sim.cell import CableCellSpec
from deploy.config import RunConfig
from deploy.run_folder import RunFolder


def cell_ids(config: RunConfig) -> list[str]:
    """Names of a run's cells."""
    return [f"cell{index}" for index in range(config.cells.count)]


def collector_spec(config: RunConfig, folder: RunFolder, cell_id: str) -> CollectorSpec:
    """One cell of a run, and where it keeps what."""
    cells = config.cells
    return CollectorSpec(
        cell=CableCellSpec(
            cell_id=cell_id,
            image_px=cells.image_px,
            scene_seed=cells.scene_seed,
            cable=CableSpec(cells.cable_length_m, cells.cable_stiffness, cells.clearance_m),
        ),
        task=config.task,
        stream=folder.stream,
        recordings=folder.recordings,
        deadline_s=config.service.deadline_s,
    )
