"""What bandit and ruff do not know: how arrays and tensors are read in this code. Holds for code not written yet."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PACKAGES = ("s3k_dist", "actors", "learners", "deploy", "experiments", "benchmarks")
# Of each call that can run what it reads, the argument that keeps it from doing so.
SAFELY = {
    "torch.load": ("weights_only", True),
    "np.load": ("allow_pickle", False),
    "numpy.load": ("allow_pickle", False),
}
NEVER = {
    *("pickle.load", "pickle.loads", "cloudpickle.load", "cloudpickle.loads", "joblib.load", "marshal.loads"),
    *("yaml.load", "yaml.unsafe_load", "yaml.full_load", "shelve.open", "os.system", "os.popen", "eval", "exec"),
    *("shutil.unpack_archive", "pd.read_pickle", "grpc.insecure_channel", "tempfile.mktemp"),
}
# The one place that decides where plaintext is enough, and what a benchmark asks of its own child on loopback.
DOORS = {"s3k_dist/access/doors.py", "benchmarks/scale/replayed.py"}


def calls(tree: ast.AST) -> Iterator[tuple[str, ast.Call]]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            yield ast.unparse(node.func), node


def faults(source: str, where: str) -> list[str]:
    found = []
    for name, call in calls(ast.parse(source)):
        if name in SAFELY:
            argument, safe = SAFELY[name]
            given = {word.arg: word.value for word in call.keywords}.get(argument)
            if not (isinstance(given, ast.Constant) and given.value is safe):
                found.append(f"{where}:{call.lineno}: {name} without {argument}={safe}")
        elif where in DOORS and name.endswith(("insecure_channel", "add_insecure_port")):
            continue
        elif name in NEVER or name.endswith((".extractall", ".add_insecure_port")):
            found.append(f"{where}:{call.lineno}: {name}")
    return found


# Another library's transport, pickles without credentials, timed beside ours between two processes of one command.
A_PEERS_WAY = ("benchmarks", "serving")


def test_nothing_that_is_read_is_run() -> None:
    sources = [path for package in PACKAGES for path in (ROOT / package).rglob("*.py") if "v1" not in path.parts]
    assert len(sources) > 200
    sources = [path for path in sources if path.relative_to(ROOT).parts[:2] != A_PEERS_WAY]
    assert [fault for path in sources for fault in faults(path.read_text(), str(path.relative_to(ROOT)))] == []


@pytest.mark.parametrize(
    "line",
    [
        *("torch.load(path)", "torch.load(path, weights_only=False)", "np.load(path)", "np.load(p, allow_pickle=True)"),
        *("yaml.load(text)", "pickle.loads(data)", "eval(text)", "archive.extractall(out)", "exec(code)"),
        *('grpc.insecure_channel("10.0.0.1:1")', 'server.add_insecure_port("0.0.0.0:1")'),
    ],
)
def test_it_would_be_noticed(line: str) -> None:
    assert faults(line, "here.py")
