"""Routes of the *Runs* page."""

from typing import Annotated, Any

from fastapi import APIRouter, HTTPException, Path, Request, Response
from fastapi.responses import HTMLResponse

from deploy.web.pages import Pages
from deploy.web.routes import GuardedRoute, needs
from deploy.web.runs.folder import RunsFolder
from s3k_dist.access.tokens import Role
from s3k_dist.errors import StorageError

Name = Annotated[str, Path(max_length=255)]
# A report may run its own scripts, in an origin of its own: it can ask this server nothing, and see no cookie.
REPORT_POLICY = (
    "sandbox allow-scripts; default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; img-src data:; "
    "font-src data:; frame-ancestors 'none'; base-uri 'none'; form-action 'none'"
)


def runs_router(runs: RunsFolder, pages: Pages) -> APIRouter:
    """The page, the runs, one of them in full, and its report."""
    router = APIRouter(route_class=GuardedRoute)

    @router.get("/runs", response_class=HTMLResponse)
    @needs(Role.VIEWER)
    def page(request: Request) -> str:
        return pages.render("runs.html", "runs", request.state.holder)

    @router.get("/runs/list")
    @needs(Role.VIEWER)
    def listing() -> list[dict[str, Any]]:
        return _found(runs.runs)

    @router.get("/runs/of/{name}")
    @needs(Role.VIEWER)
    def details(name: Name) -> dict[str, Any]:
        return _found(lambda: runs.details(name))

    @router.get("/runs/of/{name}/report")
    @needs(Role.VIEWER)
    def report(name: Name) -> Response:
        headers = {"Content-Security-Policy": REPORT_POLICY}
        return Response(_found(lambda: runs.report(name)), 200, headers, "text/html; charset=utf-8")

    return router


def _found(ask: Any) -> Any:
    try:
        return ask()
    except StorageError as error:
        raise HTTPException(404, str(error)) from error
