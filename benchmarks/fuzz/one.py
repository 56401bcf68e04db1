"""One round of one target, in a process of its own: ``python -m benchmarks.fuzz.one NAME INPUTS CORPUS STATE``."""

import random
import sys
import time
from contextlib import suppress
from hashlib import sha256
from importlib.util import find_spec
from pathlib import Path

from benchmarks.fuzz.counters import Counter, counted
from benchmarks.fuzz.mutation import LONGEST, mutant

INSTRUMENTED = ["s3k_dist", "deploy.control", "actors.safety"]


def main() -> None:
    """Run a round; an exception of the target ends the process with a code other than 0."""
    name, inputs, corpus, state = sys.argv[1], int(sys.argv[2]), Path(sys.argv[3]), Path(sys.argv[4])
    (corpus / name).mkdir(parents=True, exist_ok=True)
    if find_spec("atheris") is not None:
        _led(name, inputs, corpus, state)
    else:
        _mutants(name, inputs, corpus, state)


def _led(name: str, inputs: int, corpus: Path, state: Path) -> None:
    import atheris

    with atheris.instrument_imports(include=INSTRUMENTED):
        from benchmarks.fuzz.targets import TARGETS, kept
    target, reached = TARGETS[name], state / f"reached-{name}"
    reached.mkdir(parents=True, exist_ok=True)
    for data in (*target.seeds(), *kept(corpus, name)):
        (reached / sha256(data).hexdigest()[:40]).write_bytes(data)
    before, began, tried = counted(state, name), time.monotonic(), [0]

    def one(data: bytes) -> None:
        tried[0] += 1
        if tried[0] % 1000 == 0 or tried[0] == inputs:
            seconds = round(before.seconds + time.monotonic() - began, 1)
            Counter(before.inputs + tried[0], seconds, before.findings, "atheris").save(state, name)
        try:
            target.read(data)
        except BaseException:
            _keep(corpus / name, data)
            raise

    settings = [f"-runs={inputs}", f"-max_len={LONGEST}", "-timeout=20", "-rss_limit_mb=4096", "-print_final_stats=1"]
    atheris.Setup([sys.argv[0], *settings, f"-artifact_prefix={corpus / name}/", str(reached)], one)
    atheris.Fuzz()


def _mutants(name: str, inputs: int, corpus: Path, state: Path) -> None:
    from benchmarks.fuzz.targets import TARGETS, kept

    target, before, began = TARGETS[name], counted(state, name), time.monotonic()
    pool = [*target.seeds(), *kept(corpus, name)]
    chance = random.Random(before.inputs)  # nosec B311  # mutants, the same ones again
    for tried in range(1, inputs + 1):
        data = mutant(pool, chance)
        try:
            target.read(data)
        except BaseException:
            _keep(corpus / name, data)
            raise
        if tried % 1000 == 0 or tried == inputs:
            seconds = round(before.seconds + time.monotonic() - began, 1)
            Counter(before.inputs + tried, seconds, before.findings, "mutants").save(state, name)


def _keep(folder: Path, data: bytes) -> None:
    with suppress(OSError):
        (folder / f"found-{sha256(data).hexdigest()[:16]}").write_bytes(data)


if __name__ == "__main__":
    main()
