"""A secret is shown once and kept by nobody; whoever has none, an old or a wrong one, is nobody."""

import json
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from deploy.cli import main
from s3k_dist.access.tokens import Holder, Role, Tokens
from s3k_dist.errors import AccessError


class Clock:
    def __init__(self) -> None:
        self.now_s = 1000.0

    def __call__(self) -> float:
        return self.now_s


def test_who_holds_a_secret_is_known_by_name_and_role(tmp_path: Path) -> None:
    path = tmp_path / "access" / "tokens.json"
    tokens = Tokens(path)
    anna, bo = tokens.add("anna", Role.LABELLER), tokens.add("bo", Role.OPERATOR)
    assert tokens.holder(anna) == Holder("anna", Role.LABELLER)
    assert tokens.holder(bo) == Holder("bo", Role.OPERATOR)
    for wrong in ("", anna[:-1], anna + "x", anna.upper(), "\ud800", "x" * 100_000):
        assert tokens.holder(wrong) is None
    assert Role.VIEWER < Role.LABELLER < Role.OPERATOR


def test_the_file_holds_no_secret_and_is_its_owners_alone(tmp_path: Path) -> None:
    path = tmp_path / "tokens.json"
    secret = Tokens(path).add("anna", Role.VIEWER)
    assert secret.removeprefix("s3k_") not in path.read_text()
    assert path.stat().st_mode & 0o777 == 0o600


def test_a_changed_file_counts_at_once(tmp_path: Path) -> None:
    path = tmp_path / "tokens.json"
    Tokens(path).add("anna", Role.VIEWER)
    served = Tokens.load(path)
    new = Tokens(path).add("anna", Role.OPERATOR)
    assert served.holder(new) == Holder("anna", Role.OPERATOR)
    Tokens(path).remove("anna")
    assert served.holder(new) is None


def test_a_token_expires(tmp_path: Path) -> None:
    clock = Clock()
    tokens = Tokens(tmp_path / "tokens.json", clock=clock)
    secret = tokens.add("anna", Role.VIEWER, days=1.0)
    clock.now_s += 86_399.0
    assert tokens.holder(secret) is not None
    clock.now_s += 1.0
    assert tokens.holder(secret) is None


def test_one_of_two_tokens_of_a_person_goes_by_its_mark(tmp_path: Path) -> None:
    tokens = Tokens(tmp_path / "tokens.json")
    old, new = tokens.add("anna", Role.VIEWER), tokens.add("anna", Role.VIEWER)
    tokens.remove(tokens.list()[0].mark)
    assert tokens.holder(old) is None
    assert tokens.holder(new) == Holder("anna", Role.VIEWER)
    with pytest.raises(AccessError, match=r"no token of 'bo' in .*; there are tokens of anna"):
        tokens.remove("bo")


def test_two_who_add_at_once_lose_none(tmp_path: Path) -> None:
    path = tmp_path / "tokens.json"
    with ThreadPoolExecutor(4) as pool:
        secrets = list(pool.map(lambda n: Tokens(path).add(f"user{n}", Role.VIEWER), range(12)))
    assert {Tokens.load(path).holder(secret) for secret in secrets} == {
        Holder(f"user{n}", Role.VIEWER) for n in range(12)
    }


@pytest.mark.parametrize(
    "content",
    [
        *("", "[]", "{", '{"tokens": 3}', '{"tokens": [{}]}', "[" * 100_000),
        '{"tokens": [{"name": "a", "role": "root", "sha256": "' + "0" * 64 + '", "made_at_s": 0}]}',
        '{"tokens": [{"name": "a\\nb", "role": "viewer", "sha256": "' + "0" * 64 + '", "made_at_s": 0}]}',
        '{"tokens": [{"name": "a", "role": "viewer", "sha256": "", "made_at_s": 0}]}',
        '{"tokens": [{"name": "a", "role": "viewer", "sha256": "' + "0" * 64 + '", "made_at_s": "x"}]}',
    ],
)
def test_a_damaged_file_lets_nobody_in(content: str, tmp_path: Path) -> None:
    path = tmp_path / "tokens.json"
    tokens = Tokens(path)
    secret = tokens.add("anna", Role.OPERATOR)
    path.write_text(content)
    with pytest.raises(AccessError):
        tokens.holder(secret)
    path.unlink()
    with pytest.raises(AccessError, match="cannot read the tokens"):
        tokens.holder(secret)


def test_a_file_that_others_may_write_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "tokens.json"
    Tokens(path).add("anna", Role.VIEWER)
    path.chmod(0o666)
    with pytest.raises(AccessError, match="others than its owner may write"):
        Tokens.load(path)


def test_one_token_of_a_process() -> None:
    tokens = Tokens.of_one("a-secret-of-a-page", "me", Role.OPERATOR)
    assert tokens.holder("a-secret-of-a-page") == Holder("me", Role.OPERATOR)
    assert tokens.holder("another-secret-of-it") is None
    with pytest.raises(AccessError, match="at least 16 characters, got 3"):
        Tokens.of_one("abc", "me", Role.VIEWER)
    with pytest.raises(AccessError, match="cannot be changed"):
        tokens.add("bo", Role.VIEWER)


def test_the_command_prints_a_secret_once(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = str(tmp_path / "tokens.json")
    assert main(["tokens", "add", "anna", "--role", "labeller", "--days", "30", "--file", file]) == 0
    secret = capsys.readouterr().out.strip()
    assert Tokens.load(Path(file)).holder(secret) == Holder("anna", Role.LABELLER)
    assert main(["tokens", "list", "--file", file]) == 0
    listed = capsys.readouterr().out
    assert "anna" in listed
    assert secret not in listed
    assert main(["tokens", "add", "bo", "--role", "root", "--file", file]) == 1
    assert "no role 'root'; there are viewer, labeller, operator" in capsys.readouterr().err
    assert main(["tokens", "remove", "anna", "--file", file]) == 0
    assert json.loads(Path(file).read_text()) == {"tokens": []}
