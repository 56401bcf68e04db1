"""``s3k run``: every stage in order, from nothing to a robot that inserts, or on from where a run stopped."""

import time
from collections.abc import Callable
from pathlib import Path

from deploy.config import RunConfig
from deploy.demos.parquet import configured_demonstrations
from deploy.pictures import keep_held_out
from deploy.report.page import build_report
from deploy.run_folder import RunFolder
from deploy.session import PHASES, Session, open_session
from deploy.stages.act import learn_to_act
from deploy.stages.evaluate import evaluate_policy
from deploy.stages.record import record
from deploy.stages.see import learn_to_see
from deploy.summary import write_summary

STAGES: tuple[tuple[str, Callable[[Session], None]], ...] = tuple(
    zip(PHASES, (record, learn_to_see, learn_to_act, evaluate_policy), strict=False)
)


def run(config: RunConfig, root: Path) -> Path:
    """Run all stages that are not done yet; returns the report.

    Raises:
        S3KError: in one line, whatever went wrong; what was learned so far is kept.
    """
    if not RunFolder(root).progress().get("cloned"):
        configured_demonstrations(config)  # a file that does not fit should not cost the minutes before it is used
    with open_session(config, root, f"s3k run, {config.preset}, seed {config.seed}") as session:
        began_s = time.monotonic()
        before_s = float(session.folder.progress().get("wall_s", 0.0))

        def wall_s() -> float:
            return before_s + time.monotonic() - began_s

        try:
            for name, stage in STAGES:
                with session.phase(name):
                    stage(session)
            session.view.phase(PHASES[-1])
            keep_held_out(session.folder)
            write_summary(session, wall_s())
            return build_report(session.folder.root)
        finally:
            session.folder.note(wall_s=wall_s())
