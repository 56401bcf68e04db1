"""What a run's configuration says of its cells; without ray, for whoever runs a cell in its own process."""

from dataclasses import replace
from importlib import resources
from pathlib import Path

from actors.cell import CellSpec
from actors.collector import CollectorSpec
from actors.sim.cell import CableCellSpec
from actors.sim.levels import at_level
from deploy.config import RunConfig
from deploy.fleet.cell_file import CellFile, SimulatedSection
from deploy.fleet.register import FleetRegister
from deploy.robot_file import read_robot_file
from deploy.run_folder import RunFolder
from s3k_dist.drift.monitor import DriftConfig
from s3k_dist.images import Encoding
from s3k_dist.stream.writer import WriterSettings

MB = 1_000_000


def configured_cells(config: RunConfig) -> list[CellFile]:
    """The cells that a run begins with."""
    if config.cells.from_files:
        return list(config.cells.from_files)
    return [CellFile(cell=f"cell{index}") for index in range(config.cells.count)]


def collector_spec(config: RunConfig, folder: RunFolder, cell: CellFile) -> CollectorSpec:
    """One cell of a run, and where it keeps what."""
    return CollectorSpec(
        cell=cell_spec(config, folder, cell),
        task=config.task,
        stream=folder.stream,
        recordings=folder.recordings,
        tracks=folder.tracks,
        deadline_s=config.service.deadline_s,
        drift=DriftConfig(config.drift.reference_frames, config.drift.hours_between_false_alarms),
        writer=writer_settings(config, folder),
        credentials=credentials_of(config, cell),
    )


def cell_spec(config: RunConfig, folder: RunFolder, cell: CellFile) -> CellSpec:
    """One cell of a run by itself."""
    if cell.physical is not None:
        from deploy.physical_cell import PhysicalCellSpec

        waits = FleetRegister(folder.fleet).waits_path(cell.cell)
        return PhysicalCellSpec(
            cell.cell, config.cells.image_px, cell.physical, waits, credentials_of(config, cell), folder.audit
        )
    if cell.kind == "simulated":
        return replace(_simulated(config, cell), changes=config.cells.changes)
    from actors.physical.emulated_cell import EmulatedCellSpec
    from actors.physical.settings import RigLimits

    robot = read_robot_file(Path(str(resources.files("deploy") / "robots" / "simulated.yaml")))
    # Emulated cameras share the machine with everything else, and are fed one moment however far apart their triggers
    # are. No older frame than the gate would hold the robot for.
    rig = RigLimits(view_timeout_s=0.4, max_age_s=robot.limits.feature_age_s, pair_within_s=0.1)
    return EmulatedCellSpec(_simulated(config, cell), robot.limits, robot.step_s, rig=rig)


def credentials_of(config: RunConfig, cell: CellFile) -> Path | None:
    """Folder of the certificate that a cell shows: its own file's, or the one that its node has for all."""
    return cell.credentials or config.credentials


def _simulated(config: RunConfig, cell: CellFile) -> CableCellSpec:
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
    return replace(spec, cable=cable)


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
