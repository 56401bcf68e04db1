"""The application of ``s3k web``: a gate, an entrance, and a router for each page."""

from collections.abc import Collection

from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import HTMLResponse, JSONResponse
from starlette.exceptions import HTTPException as StarletteHTTPException

from deploy.web.access import Access
from deploy.web.entrance import entrance_router
from deploy.web.gate import Gate
from deploy.web.label.project import LabelProject
from deploy.web.label.router import label_router
from deploy.web.pages import Pages
from deploy.web.routes import GuardedRoute, refuse_unguarded
from deploy.web.run_pages import TITLES, RunPages

PAGES = {"label": "Label"}


def create_app(
    project: LabelProject,
    access: Access,
    *,
    names: Collection[str],
    any_address: bool = False,
    run: RunPages | None = None,
) -> FastAPI:
    """Put it together.

    Args:
        project: what is labelled.
        access: who may do what.
        names: of this server, as `Gate` takes them.
        any_address: the same.
        run: that it is the stream of, with pages of its own; None for a data set, which is only labelled.

    Raises:
        ConfigError: a route does not say who may use it.
    """
    # No pages of the framework's own: they load scripts from elsewhere.
    app = FastAPI(title="s3k", docs_url=None, redoc_url=None, openapi_url=None)
    app.router.route_class = GuardedRoute
    app.state.access = access
    pages = Pages(project.folder.root.resolve().name, PAGES if run is None else PAGES | TITLES)
    app.include_router(entrance_router(access, pages))
    app.include_router(label_router(project, pages))
    for router in run.routers(project, pages) if run is not None else ():
        app.include_router(router)
    refuse_unguarded(app)

    @app.exception_handler(StarletteHTTPException)
    def refused(request: Request, error: StarletteHTTPException) -> Response:
        if error.status_code == 401 and "text/html" in request.headers.get("accept", ""):
            return HTMLResponse(pages.render("token.html", "", None), 401)
        return JSONResponse({"error": error.detail}, error.status_code, error.headers)

    @app.exception_handler(RequestValidationError)
    def malformed(request: Request, error: RequestValidationError) -> Response:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"][1:])
        return JSONResponse({"error": f"{where or 'request'}: {first['msg']}"}, 422)

    app.add_middleware(Gate, names=frozenset(names), any_address=any_address)
    return app
