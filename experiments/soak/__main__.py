"""Parts of a real run are killed, stopped and damaged at random, and what is lost is counted.

python -m experiments.soak --kills 200              # some hours of one machine; then the page
python -m experiments.soak --kills 20 --set stream.url=s3://bucket/stream
python -m experiments.soak --page                   # from what was measured
"""

import argparse
import json
import sys
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from deploy.fleet.cell_file import CellFile
from deploy.fleet.register import FleetRegister
from deploy.ray_nodes import LocalNodes
from deploy.run_folder import RunFolder
from experiments.machine import machine
from experiments.soak.faults import ARM, BENCH, FAULTS, Soak, Trial, attempt
from experiments.soak.ledger import Ledger
from experiments.soak.nodes import HEAD, HEAD_NODE, node_of
from experiments.soak.page import PAGE, page
from experiments.soak.run import TriedRun, done
from s3k_dist.atomic import write_atomic
from s3k_dist.errors import ConfigError, S3KError
from s3k_dist.folders import make_folder

RESULTS = "results.json"
OUT = Path("runs/experiments/soak")
PATIENCE_S = 180.0


def main(arguments: list[str] | None = None) -> int:
    """Try the faults, or read what was measured, and write the page; returns 1 if anything was lost."""
    parser = argparse.ArgumentParser(
        prog="python -m experiments.soak", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--kills", type=int, default=200, help="faults to try (default: %(default)s)")
    parser.add_argument("--only", action="append", default=[], choices=tuple(FAULTS), help="these; repeatable")
    parser.add_argument("--seed", type=int, default=0, help="of their order (default: %(default)s)")
    parser.add_argument("--set", action="append", default=[], metavar="A.B=C", help="of the run; repeatable")
    parser.add_argument("--out", type=Path, default=OUT, help="of the run and what is measured (default: %(default)s)")
    parser.add_argument("--page", action="store_true", help="only write the page")
    options = parser.parse_args(arguments)
    results = options.out / RESULTS
    try:
        if not options.page:
            make_folder(options.out)
            faults = order(options.kills, options.only or list(FAULTS), options.seed)
            soak(options.out, faults, {"seed": options.seed, "only": options.only, "settings": options.set})
        measured = json.loads(results.read_text())
    except S3KError as error:
        print(f"soak: {error}", file=sys.stderr)
        return 1
    make_folder(PAGE.parent)
    write_atomic(PAGE, page(measured).encode())
    print(f"wrote {PAGE}")
    return int(any(trial["lost"] or trial["error"] for trial in measured["trials"]))


def order(kills: int, faults: list[str], seed: int) -> Iterator[str]:
    """So many faults in a random order in which each comes up as often as any other, but for one."""
    rng = np.random.default_rng(seed)
    for start in range(0, kills, len(faults)):
        for at in rng.permutation(len(faults))[: kills - start]:
            yield faults[at]


def soak(out: Path, faults: Iterator[str], asked: dict[str, Any]) -> None:
    """Try the faults one after the other on a run in ``out``, and keep what was asked and measured after each.

    Raises:
        ConfigError: there is a run already.
        S3KError: the run does not come to work at all.
    """
    root = (out / "run").absolute()
    if root.exists():
        raise ConfigError(f"{root} is there already: remove it, or give another --out")
    trials: list[dict[str, Any]] = []
    with LocalNodes([HEAD_NODE]) as nodes:
        run = TriedRun(root, [*HEAD, *asked["settings"]], {"RAY_ADDRESS": nodes.address}, patience_s=PATIENCE_S)
        try:
            run.begin()
            run.until(lambda parts: done(parts["policy"]) > 0, "the policy learns")
            FleetRegister(RunFolder(root).fleet).add(CellFile(cell=BENCH, resource=ARM))
            parts = Soak(run, nodes, Ledger(root, asked["seed"]), nodes.add(node_of(ARM)))
            run.until(lambda parts: BENCH in parts, "the cell is known")
            for fault in faults:
                trial = _tried(parts, fault)
                trials.append(asdict(trial))
                keep(out, trials, parts.ledger, asked)
                print(f"{len(trials)}. {_line(trial)}", flush=True)
            run.until_well()
            for loss in parts.ledger.lost(all_frames=True):
                trials[-1]["lost"].append(f"at the end: {loss}")
            keep(out, trials, parts.ledger, asked)
        finally:
            run.end()


def keep(out: Path, trials: list[dict[str, Any]], ledger: Ledger, asked: dict[str, Any]) -> None:
    """Write what was measured, whole or not at all."""
    measured = {**asked, "machine": machine(), "kept": ledger.counts, "trials": trials}
    write_atomic(out / RESULTS, json.dumps(measured, indent=1).encode())


def _tried(soak: Soak, fault: str) -> Trial:
    """One fault; a run that does not come back by itself is begun again, for the others to be tried."""
    try:
        return attempt(soak, fault)
    except S3KError as error:
        trial = Trial(fault, error=" ".join(str(error).split())[:1000], lost=soak.ledger.lost())
        soak.run.end()
        soak.run.resume()
        return trial


def _line(trial: Trial) -> str:
    if trial.error:
        return f"{trial.fault}: the run did not come back: {trial.error}"
    times = [f"{seconds:.1f} s" if seconds is not None else "-" for seconds in (trial.noticed_s, trial.recovered_s)]
    others = f", begun anew besides: {', '.join(trial.others)}" if trial.others else ""
    return f"{trial.fault}: noticed {times[0]}, at work {times[1]}, lost {len(trial.lost)}{others}"


if __name__ == "__main__":
    sys.exit(main())
