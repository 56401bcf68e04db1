"""Stage 2: the keypoint learner trains until its first version is fit to serve."""

import os

from deploy.session import Session
from deploy.topology import CALL_S, START_S
from learners.keypoint.learner import LearnerStatus

STEPS_A_CALL = 10  # about 2 s: how long Ctrl-C waits at most
SAVE_EVERY_STEPS = 200


def learn_to_see(session: Session) -> None:
    """Train for the configured steps and publish."""
    if session.folder.progress().get("sees"):
        return
    topology, wanted = session.topology, session.config.keypoints.steps
    learner = topology.keypoint_learner()
    status = topology.call(learner.status.remote(), START_S)
    show(session, status)
    saved = status.steps
    with session.keeping():
        while status.steps < wanted:
            steps = min(STEPS_A_CALL, wanted - status.steps)
            status = topology.call(learner.advance.remote(steps, os.cpu_count() or 1), CALL_S)
            session.view.progress(status.steps / wanted)
            show(session, status)
            if status.steps - saved >= SAVE_EVERY_STEPS:
                topology.call(learner.save.remote(), CALL_S)
                saved = status.steps
                show(session, topology.call(learner.measure.remote(), CALL_S))
    if status.version == 0:
        status = topology.call(learner.publish.remote(), CALL_S)
        show(session, status)
    topology.call(learner.save.remote(), CALL_S)
    session.folder.note(sees=True)


def show(session: Session, status: LearnerStatus) -> None:
    """Log and display where the keypoint learner is."""
    add, step = session.log.add, status.steps
    if status.report is not None:
        add("keypoints/supervised_loss", status.report.supervised, step)
        add("keypoints/unsupervised_loss", status.report.unsupervised, step)
        add("keypoints/gate_open", status.report.gate_open, step)
        add("keypoints/plausible", status.report.plausible, step)
        add("keypoints/alpha", status.report.alpha, step)
    for name, value in (("version", status.version), ("canary", status.canary), ("rejected", status.rejected)):
        add(f"keypoints/{name}", value, step)
    add("keypoints/rolled_back", status.rolled_back, step)
    for line in status.news:
        session.view.event(line)
    if status.metrics is not None:
        add("keypoints/median_mm", status.metrics.median_mm, step)
        add("keypoints/rms_px", status.metrics.rms_px, step)
        session.view.update(keypoint_mm=status.metrics.median_mm)
