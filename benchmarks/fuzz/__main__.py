"""Millions of hostile inputs for everything that reads bytes of others.

    python -m benchmarks.fuzz --inputs 1000000              # over all targets; goes on where it was stopped
    python -m benchmarks.fuzz --target frame --inputs 200000
    python -m benchmarks.fuzz --page                        # the table of docs/security.md, of what was counted so far

Each target runs in a process of its own. With atheris (`pip install -e '.[fuzz]'`) inputs are led by what of the code
they reach; without, they are mutants of the corpus. What is found is put into the corpus, tests/attacks/corpus, which
the tests read: fix it, and it stays fixed.
"""

import argparse
import subprocess
import sys
from pathlib import Path

from benchmarks.fuzz.counters import Counter, counted
from benchmarks.fuzz.page import write_table
from benchmarks.fuzz.targets import TARGETS

CORPUS = Path(__file__).parents[2] / "tests" / "attacks" / "corpus"
STATE = Path("runs/fuzz")
INPUTS = 1_000_000
ROUND = 100_000  # inputs of one process; a stopped fuzzer loses no more
ROUND_S = 3600.0


def main() -> int:
    """Run; returns 1 if anything was found."""
    parser = argparse.ArgumentParser(prog="benchmarks.fuzz", description=__doc__.splitlines()[0])
    parser.add_argument("--inputs", type=int, default=INPUTS, help="over all targets, with earlier ones (%(default)s)")
    parser.add_argument("--target", choices=TARGETS, help="only this")
    parser.add_argument("--corpus", type=Path, default=CORPUS)
    parser.add_argument("--state", type=Path, default=STATE, help="counters, and inputs that reach new code")
    parser.add_argument("--page", action="store_true", help="only write the table")
    options = parser.parse_args()
    found = 0
    names = [options.target] if options.target else list(TARGETS)
    options.state.mkdir(parents=True, exist_ok=True)
    if not options.page:
        share = -(-options.inputs // len(names))
        while behind := [name for name in names if counted(options.state, name).inputs < share]:
            for name in behind:
                done = counted(options.state, name).inputs
                found += _round(name, min(ROUND, share - done), options.corpus, options.state)
        for name in names:
            print(f"{name}: {counted(options.state, name).inputs} inputs")
    write_table(options.state)
    return 1 if found else 0


def _round(name: str, inputs: int, corpus: Path, state: Path) -> int:
    """Some inputs of one target; returns 1 if one was a finding."""
    command = [sys.executable, "-m", "benchmarks.fuzz.one", name, str(inputs), str(corpus), str(state)]
    before = counted(state, name)
    ended = subprocess.run(command, timeout=ROUND_S, check=False, capture_output=True, text=True)
    after = counted(state, name)
    if ended.returncode == 0 and after.inputs > before.inputs:
        return 0
    print(f"{name}: found something; it is in {corpus / name}\n{ended.stderr[-2000:]}", file=sys.stderr)
    # At least one input was tried: a target that dies with its first does not go on for ever.
    Counter(max(after.inputs, before.inputs + 1), after.seconds, after.findings + 1, after.engine).save(state, name)
    return 1


if __name__ == "__main__":
    sys.exit(main())
