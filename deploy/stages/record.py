"""Stage 1: the cells record demonstrations and exploration; a few frames are labelled."""

from actors.insertion import KEYPOINTS
from actors.labelling import click_labels
from actors.recording import Kind, load_recordings
from deploy.session import Session
from deploy.topology import Calls
from s3k_dist.errors import S3KError
from s3k_dist.labels.store import save_labels
from s3k_dist.stream.reader import StreamReader

EPISODES_A_CALL = 3
CALL_DEADLINE_S = 120.0


def record(session: Session) -> None:
    """Record what is not recorded yet, then label.

    Each episode belongs to one cell by its number, so the same preset and seed give the same data sets.
    """
    if session.folder.progress().get("recorded"):
        return
    cells = session.topology.cells()
    names = list(cells)
    plan: dict[str, list[tuple[Kind, int]]] = {cell_id: [] for cell_id in cells}
    for number, episode in enumerate(_episodes(session)):
        plan[names[number % len(names)]].append(episode)
    total = sum(map(len, plan.values()))
    done = {path.stem for path in session.folder.recordings.glob("*.npz")}
    batches = {
        cell_id: _batches([(kind, seed) for kind, seed in plan[cell_id] if f"{cell_id}-{kind}-{seed}" not in done])
        for cell_id in cells
    }
    calls, recorded, frames = Calls(), len(done), 0
    for cell_id, cell in cells.items():
        if batches[cell_id]:
            calls.ask(cell_id, cell.record.remote(batches[cell_id][0]), CALL_DEADLINE_S)
    while len(calls):
        for cell_id, result in calls.ready(timeout_s=1.0):
            if isinstance(result, S3KError):
                raise result
            recorded += len(batches[cell_id].pop(0))
            frames += result
            session.view.progress(recorded / total)
            session.view.update(stream_frames=frames)
            session.log.add("stream/frames", frames)
            if batches[cell_id]:
                calls.ask(cell_id, cells[cell_id].record.remote(batches[cell_id][0]), CALL_DEADLINE_S)
    label(session)
    session.folder.note(recorded=True)


def label(session: Session) -> None:
    """Click the keypoints of a few recorded frames, as a person would."""
    reader = StreamReader(session.folder.stream)
    reader.refresh()
    labels = session.config.labels
    clicks = click_labels(
        load_recordings(session.folder.recordings),
        reader.read(0).frame.cameras,
        train=labels.train,
        held_out=labels.held_out,
        click_noise_px=labels.click_noise_px,
        seed=session.config.seed,
    )
    save_labels(session.folder.labels, KEYPOINTS, clicks)


def _episodes(session: Session) -> list[tuple[Kind, int]]:
    recording = session.config.recording
    kinds: list[Kind] = ["demonstration"] * recording.demonstrations
    kinds += ["noisy"] * recording.noisy_episodes
    kinds += ["random"] * recording.random_episodes
    return [(kind, session.seed(number)) for number, kind in enumerate(kinds)]


def _batches(episodes: list[tuple[Kind, int]]) -> list[list[tuple[Kind, int]]]:
    return [episodes[start : start + EPISODES_A_CALL] for start in range(0, len(episodes), EPISODES_A_CALL)]
