"""What the episodes and the learners' reports of a run add up to: logged, shown, and kept for its status."""

from collections import deque
from collections.abc import Mapping

import numpy as np

from actors.rollout import EpisodeOutcome
from deploy.session import Session, episode_lines
from learners.keypoint.learner import LearnerStatus

WINDOW = 50  # training episodes
RECENT_ERRORS, RECENT_REQUESTS = 2000, 2000


class TrainingFigures:
    """Figures of one run, going on from its earlier sittings.

    Args:
        session: where they are logged, shown and kept.

    Attributes:
        env_steps: that the policy learner has received.
        episodes_begun: for learning; each has a seed of its own.
    """

    def __init__(self, session: Session) -> None:
        before = [line for line in episode_lines(session.folder) if line["stage"] == "train"]
        self.env_steps = 0
        self.episodes_begun = len(before)
        self._session = session
        self._truly = deque((bool(line["truly_inserted"]) for line in before), maxlen=WINDOW)
        self._claimed = deque((bool(line["claimed"]) for line in before), maxlen=WINDOW)
        self._errors_mm: deque[float] = deque(maxlen=RECENT_ERRORS)

    def take(self, cell_id: str, outcome: EpisodeOutcome) -> None:
        """Count a training episode."""
        session = self._session
        session.keep("train", outcome)
        session.note_drift(cell_id, outcome.drift, self.env_steps)
        session.latencies_ms.extend(outcome.latency_ms.tolist())
        self._truly.append(outcome.truly_inserted)
        self._claimed.append(outcome.claimed)
        self._errors_mm.extend((1e3 * outcome.error_m).ravel().tolist())
        success, claimed = float(np.mean(self._truly)), float(np.mean(self._claimed))
        p50, p99 = np.percentile(session.latencies_ms[-RECENT_REQUESTS:], [50, 99])
        for name, value in (
            ("policy/success_rate", success),
            ("policy/claimed_rate", claimed),
            ("policy/episode_steps", outcome.steps),
            ("policy/misfit_steps", outcome.misfit_steps),
            ("keypoints/visited_median_mm", float(np.median(self._errors_mm))),
            ("service/p50_ms", float(p50)),
            ("service/p99_ms", float(p99)),
        ):
            session.log.add(name, value, self.env_steps)
        session.view.update(success_rate=success, claimed_rate=claimed, p50_ms=float(p50), p99_ms=float(p99))

    def policy_learned(self, numbers: Mapping[str, float]) -> None:
        """Log what the policy learner says."""
        self.env_steps = int(numbers["env_steps"])
        for name, value in numbers.items():
            self._session.log.add(f"policy/{name}", value, self.env_steps)
        self._session.view.update(env_steps=self.env_steps, updates=numbers["updates"])

    def keypoints_learned(self, status: LearnerStatus, episodes_left: int) -> None:
        """Log how far the keypoint learner has followed, and how many stored episodes wait for its features."""
        self._session.log.add("stream/frames", status.unlabelled_frames, self.env_steps)
        self._session.log.add("features/episodes_left", episodes_left, self.env_steps)
        self._session.view.update(stream_frames=status.unlabelled_frames)

    def status(self) -> dict[str, float | str]:
        """In short."""
        figures: dict[str, float | str] = {"steps": float(self.env_steps)}
        if self._truly:
            figures["success, by truth"] = f"{np.mean(self._truly):.0%}"
            figures["as claimed"] = f"{np.mean(self._claimed):.0%}"
            figures["keypoint error, mm"] = round(float(np.median(self._errors_mm or [np.nan])), 2)
        return figures
