"""Stage 1: the cells record demonstrations and exploration; a few frames are labelled."""

from actors.insertion import KEYPOINTS
from actors.labelling import click_labels
from actors.recording import Kind, episode_name, load_recordings
from deploy.session import Session
from deploy.topology import Calls
from s3k_dist.errors import CellError, S3KError
from s3k_dist.labels.store import save_labels
from s3k_dist.stream.reader import StreamReader

EPISODES_A_CALL = 3
CALL_DEADLINE_S = 120.0
FAILURES_IN_A_ROW = 3  # of a cell whose cameras or robot are in the world, or act so


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
    batches = {cell_id: _batches(_missing(session, cell_id, plan[cell_id])) for cell_id in cells}
    failures = dict.fromkeys(cells, 0)
    calls, recorded, frames = Calls(), total - sum(len(batch) for each in batches.values() for batch in each), 0
    for cell_id, cell in cells.items():
        if batches[cell_id]:
            calls.ask(cell_id, cell.record.remote(batches[cell_id][0]), CALL_DEADLINE_S)
    while len(calls):
        for cell_id, result in calls.ready(timeout_s=1.0):
            batch = batches[cell_id][0]
            if isinstance(result, S3KError):
                failures[cell_id] += 1
                if not isinstance(result, CellError) or failures[cell_id] == FAILURES_IN_A_ROW:
                    raise result
                session.view.event(f"{cell_id}: {result}; it tries again")
                calls.ask(cell_id, cells[cell_id].record.remote(_missing(session, cell_id, batch)), CALL_DEADLINE_S)
                continue
            failures[cell_id] = 0
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


def _missing(session: Session, cell_id: str, episodes: list[tuple[Kind, int]]) -> list[tuple[Kind, int]]:
    """Those that are not recorded yet."""
    done = {path.stem for path in session.folder.recordings.glob("*.npz")}
    return [(kind, seed) for kind, seed in episodes if episode_name(cell_id, kind, seed) not in done]


def _batches(episodes: list[tuple[Kind, int]]) -> list[list[tuple[Kind, int]]]:
    return [episodes[start : start + EPISODES_A_CALL] for start in range(0, len(episodes), EPISODES_A_CALL)]
