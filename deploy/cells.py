"""What a run's configuration says of its cells; without ray, for whoever runs a cell in its own process."""

from dataclasses import replace

from actors.collector import CollectorSpec
from actors.sim.cell import CableCellSpec
from actors.sim.levels import at_level
from deploy.config import RunConfig
from deploy.fleet.cell_file import CellFile, SimulatedSection
from deploy.run_folder import RunFolder
from s3k_dist.drift.monitor import DriftConfig
from s3k_dist.images import Encoding
from s3k_dist.stream.writer import WriterSettings

MB = 1_000_000


def configured_cells(config: RunConfig) -> list[CellFile]:
    """The cells that a run begins with."""
    return [CellFile(cell=f"cell{index}") for index in range(config.cells.count)]


def collector_spec(config: RunConfig, folder: RunFolder, cell: CellFile) -> CollectorSpec:
    """One cell of a run, and where it keeps what."""
    of_run = config.cells.model_dump(include=set(SimulatedSection.model_fields))
    wanted_here = cell.simulated.model_dump(exclude_none=True)
    simulated = SimulatedSection.model_validate({**of_run, **wanted_here})
    assert simulated.level is not None
    assert simulated.scene_seed is not None
    spec = CableCellSpec(cell_id=cell.cell, image_px=config.cells.image_px, scene_seed=simulated.scene_seed)
    spec = at_level(spec, simulated.level)
    wanted = {
        "free_length_m": simulated.cable_length_m,
        "bending_stiffness": simulated.cable_stiffness,
        "clearance_m": simulated.clearance_m,
    }
    cable = replace(spec.cable, **{name: value for name, value in wanted.items() if value is not None})
    return CollectorSpec(
        cell=replace(spec, cable=cable, changes=config.cells.changes),
        task=config.task,
        stream=folder.stream,
        recordings=folder.recordings,
        tracks=folder.tracks,
        deadline_s=config.service.deadline_s,
        drift=DriftConfig(config.drift.reference_frames, config.drift.hours_between_false_alarms),
        writer=writer_settings(config, folder),
    )


def writer_settings(config: RunConfig, folder: RunFolder) -> WriterSettings:
    """How a run's cells write to its stream."""
    stream = config.stream
    spool = stream.spool or (folder.spool if stream.url is not None else None)
    return WriterSettings(
        shard_frames=stream.shard_frames,
        shard_bytes=int(stream.shard_mb * MB),
        flush_after_s=stream.shard_age_s,
        encoding=Encoding[stream.encoding],
        spool=spool,
        spool_bytes=int(stream.spool_mb * MB),
    )
