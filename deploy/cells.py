"""What a run's configuration says of its cells; without ray, for whoever runs a cell in its own process."""

from dataclasses import replace

from actors.collector import CollectorSpec
from actors.sim.cell import CableCellSpec
from actors.sim.levels import at_level
from deploy.config import RunConfig
from deploy.run_folder import RunFolder
from s3k_dist.images import Encoding
from s3k_dist.stream.writer import WriterSettings

MB = 1_000_000


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
        deadline_s=config.service.deadline_s,
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
