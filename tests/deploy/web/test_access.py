"""Who gets through to which route, and what never does."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from fastapi import FastAPI
from fastapi.routing import APIRoute
from starlette.testclient import TestClient

from deploy.run_folder import RunFolder
from deploy.web import gate
from deploy.web.access import WRONG_TOKENS, Access
from deploy.web.app import create_app
from deploy.web.gate import MAX_BODY_BYTES
from deploy.web.label.project import LabelProject
from deploy.web.routes import GuardedRoute, all_routes, needs, public, refuse_unguarded
from deploy.web.run_pages import RunPages
from s3k_dist.access.audit import AuditLog, read_audit
from s3k_dist.access.tokens import Role
from s3k_dist.errors import ConfigError
from tests.deploy.web.conftest import SECRETS, Everybody

HOST = "127.0.0.1"
FRAME = "/label/frames/plush/0"
FEW = 12  # requests


@pytest.fixture
def audit(tmp_path: Path) -> Path:
    return tmp_path / "audit.jsonl"


@pytest.fixture
def app(project_of: LabelProject, audit: Path, tmp_path: Path) -> FastAPI:
    access = Access(Everybody(None), cookie="s3k_test", audit=AuditLog(audit))
    run = RunPages(RunFolder(project_of.folder.root), tmp_path)
    return create_app(project_of, access, names=(HOST,), run=run)


@pytest.fixture
def nobody(app: FastAPI) -> Iterator[TestClient]:
    with TestClient(app, base_url=f"http://{HOST}", follow_redirects=False) as client:
        yield client


def bearer(role: Role) -> dict[str, str]:
    return {"Authorization": f"Bearer {SECRETS[role]}"}


def guarded(app: FastAPI) -> list[GuardedRoute]:
    routes = all_routes(app)
    assert all(isinstance(route, GuardedRoute) for route in routes)
    return [route for route in routes if isinstance(route, GuardedRoute)]


def call(client: TestClient, route: GuardedRoute, **given: Any) -> int:
    (method,) = route.methods
    path = route.path.replace("{cell}", "plush").replace("{sequence}", "0").replace("{camera}", "cam0")
    path = path.replace("{version}", "1")
    return client.request(method, path.replace("{name}", "label.js"), **given).status_code


def test_every_route_says_who_may_use_it_and_refuses_all_others(app: FastAPI, nobody: TestClient) -> None:
    routes = guarded(app)
    assert {route.path for route in routes if route.role is None} == {"/", "/token", "/static/{name}", "/healthz"}
    assert len(routes) > 25
    for route in routes:
        if route.role is None:
            continue
        # Whatever the body is: who may not is told so before it is looked at.
        broken = {"content": b"{", "headers": {"Content-Type": "application/json"}}
        assert call(nobody, route, **broken) == 401
        for role in Role:
            broken["headers"] = {**bearer(role), "Content-Type": "application/json"}
            status = call(nobody, route, **broken)
            assert (status == 403) == (role < route.role), (route.path, role, status)


def test_a_route_without_a_role_cannot_exist(app: FastAPI) -> None:
    with pytest.raises(ConfigError, match="does not say who may use it"):

        @app.get("/forgotten")
        def forgotten() -> str:
            return ""

    unguarded = FastAPI(openapi_url=None)
    unguarded.router.routes.append(APIRoute("/sneaked", needs(Role.VIEWER)(lambda: "")))
    with pytest.raises(ConfigError, match="/sneaked"):
        refuse_unguarded(unguarded)
    with pytest.raises(ConfigError, match=r"/openapi\.json"):
        refuse_unguarded(FastAPI())
    assert public(lambda: "").required_role is None


def test_a_probe_learns_that_it_answers_and_nothing_else(nobody: TestClient, monkeypatch: pytest.MonkeyPatch) -> None:
    answer = nobody.get("/healthz", headers={"Host": "10.1.2.3:8470"})
    assert (answer.status_code, answer.text) == (200, "ok\n")
    assert answer.headers["content-security-policy"].startswith("default-src 'none'")
    assert nobody.get("/healthz", headers={"Origin": "http://evil.example"}).status_code == 403
    assert nobody.get("/healthz/../live/state", headers={"Host": "10.1.2.3"}).status_code in (401, 404, 421)
    assert nobody.post("/healthz", headers={"Host": "10.1.2.3", "Content-Length": "999999"}).status_code == 413
    few_requests(monkeypatch)
    asked = [nobody.get("/healthz", headers={"Host": "10.1.2.4"}).status_code for _ in range(FEW + 1)]
    assert asked[-1] == 429


def test_the_token_of_the_address_becomes_a_cookie(nobody: TestClient) -> None:
    assert nobody.get("/label", headers={"Accept": "text/html"}).status_code == 401
    assert nobody.get("/", params={"token": "wrong"}).status_code == 403
    answer = nobody.get("/", params={"token": SECRETS[Role.VIEWER]})
    assert answer.status_code == 200
    cookie = answer.headers["set-cookie"]
    assert "HttpOnly" in cookie
    assert "SameSite=strict" in cookie
    assert nobody.get("/label").status_code == 200
    assert nobody.get("/").headers["location"] == "/label"
    assert nobody.delete("/token").status_code == 204
    assert nobody.get("/label").status_code == 401
    assert nobody.post("/token", json={"token": "wrong"}).status_code == 403
    assert nobody.post("/token", json={"token": SECRETS[Role.LABELLER]}).json()["role"] == "labeller"
    assert nobody.get("/label").status_code == 200


def test_who_guesses_tokens_is_slowed_down_and_noted(nobody: TestClient, audit: Path) -> None:
    statuses = [nobody.post("/token", json={"token": f"guess {i}"}).status_code for i in range(WRONG_TOKENS + 2)]
    assert statuses == [403] * WRONG_TOKENS + [429] * 2
    # A neighbour at the same address is not locked out.
    assert nobody.post("/token", json={"token": SECRETS[Role.OPERATOR]}).status_code == 200
    entries = list(read_audit(audit))
    assert len(entries) == WRONG_TOKENS
    assert "guess" not in audit.read_text()


def test_a_role_that_is_too_low_is_noted(nobody: TestClient, audit: Path) -> None:
    assert nobody.put("/label/keypoints", json=[], headers=bearer(Role.VIEWER)).status_code == 403
    (entry,) = read_audit(audit)
    assert (entry.who, entry.action) == ("viewer", "call.refused")


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"Host": "evil.example"}, 421),
        ({"Host": "10.1.2.3"}, 421),
        ({"Host": "[::"}, 421),
        ({"Origin": "http://evil.example"}, 403),
        ({"Origin": "null"}, 403),
        ({"Origin": f"http://{HOST}"}, 200),
        ({"Host": f"{HOST}:8470", "Origin": f"http://{HOST}:8470"}, 200),
        ({"Content-Length": "-1"}, 413),
    ],
)
def test_pages_of_other_sites_do_not_get_through(nobody: TestClient, headers: dict[str, str], status: int) -> None:
    assert nobody.get("/label/project", headers={**bearer(Role.OPERATOR), **headers}).status_code == status


def test_bodies_are_bounded_and_are_json(nobody: TestClient) -> None:
    headers, address = bearer(Role.LABELLER), f"{FRAME}/label"
    kind = {"Content-Type": "application/json"}
    assert nobody.put(address, content=b"{}", headers={**headers, "Content-Type": "text/plain"}).status_code == 415
    large = b" " * (MAX_BODY_BYTES + 1)
    assert nobody.put(address, content=large, headers={**headers, **kind}).status_code == 413
    pieces = (b" " * 65536 for _ in range(8))  # of no announced length
    assert nobody.put(address, content=pieces, headers={**headers, **kind}).status_code == 413
    deep = b"[" * 100_000
    assert nobody.put(address, content=deep, headers={**headers, **kind}).status_code in (400, 422)


def few_requests(monkeypatch: pytest.MonkeyPatch) -> None:
    """So few, and no more with time, that a slow machine cannot stay below them."""
    monkeypatch.setattr(gate, "BURST", float(FEW))
    monkeypatch.setattr(gate, "REQUESTS_A_S", 0.0)


def test_who_asks_too_often_waits(nobody: TestClient, monkeypatch: pytest.MonkeyPatch) -> None:
    few_requests(monkeypatch)
    statuses = {nobody.get("/static/none").status_code for _ in range(2 * FEW)}
    assert statuses == {404, 429}


def test_every_answer_has_the_headers(nobody: TestClient) -> None:
    for answer in (
        nobody.get("/label", headers=bearer(Role.VIEWER)),
        nobody.get("/static/label.js"),
        nobody.get("/nowhere"),
        nobody.get("/", headers={"Host": "evil.example"}),
    ):
        policy = answer.headers["content-security-policy"]
        assert "default-src 'none'" in policy
        assert "unsafe" not in policy
        assert answer.headers["x-content-type-options"] == "nosniff"
    page = nobody.get("/label", headers=bearer(Role.VIEWER)).text
    assert "<script>" not in page
    assert "style=" not in page
    assert "http" not in page.replace("http-equiv", "")


def test_files_beside_the_pages_are_not_served(nobody: TestClient) -> None:
    for name in ("..%2fserve.py", "%2e%2e/serve.py", "../app.py", "label.html"):
        assert nobody.get(f"/static/{name}").status_code == 404
