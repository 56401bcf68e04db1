"""The way in: the printed address, or a form for a token; and what every page loads."""

from fastapi import APIRouter, HTTPException, Request, Response
from fastapi.responses import HTMLResponse, JSONResponse, RedirectResponse
from pydantic import BaseModel, ConfigDict, Field

from deploy.web.access import Access
from deploy.web.pages import Pages, static_files
from deploy.web.routes import GuardedRoute, public

FIRST_PAGE = "/label"


class Shown(BaseModel):
    """A token that somebody entered."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    token: str = Field(max_length=256)


def entrance_router(access: Access, pages: Pages) -> APIRouter:
    """Routes that need no role, since they give none."""
    router = APIRouter(route_class=GuardedRoute)
    files = static_files()

    @router.get("/", response_class=HTMLResponse)
    @public
    def enter(request: Request, token: str | None = None) -> Response:
        if token and access.holder_of(token, _client(request)) is not None:
            # A page that goes on by itself: a redirect from a link in a mail would not carry a strict cookie.
            answer = HTMLResponse(pages.render("enter.html", "", None))
            access.remember(answer, token)
            return answer
        if token is None and access.holder(request) is not None:
            return RedirectResponse(FIRST_PAGE, 303)
        return HTMLResponse(pages.render("token.html", "", None), 200 if token is None else 403)

    @router.post("/token")
    @public
    def show(request: Request, shown: Shown) -> Response:
        holder = access.holder_of(shown.token.strip(), _client(request))
        if holder is None:
            raise HTTPException(403, "nobody holds this token, or not any more")
        answer = JSONResponse({"name": holder.name, "role": holder.role.name.lower()})
        access.remember(answer, shown.token.strip())
        return answer

    @router.delete("/token")
    @public
    def forget() -> Response:
        answer = Response(status_code=204)
        access.forget(answer)
        return answer

    @router.get("/healthz")
    @public
    def health() -> Response:
        # That it answers is all that a probe may know.
        return Response("ok\n", media_type="text/plain")

    @router.get("/static/{name}")
    @public
    def static(name: str) -> Response:
        if name not in files:
            raise HTTPException(404, "there is no such file")
        content, kind = files[name]
        return Response(content, media_type=kind, headers={"Cache-Control": "no-cache"})

    return router


def _client(request: Request) -> str:
    return request.client.host if request.client is not None else "unknown"
