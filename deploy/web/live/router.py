"""Routes of the *Live* page."""

from typing import Annotated, Any, Literal

from fastapi import APIRouter, HTTPException, Path, Request
from fastapi.responses import HTMLResponse
from pydantic import BaseModel, ConfigDict, Field

from deploy.web.live.commands import CellCommands
from deploy.web.live.run import LiveRun
from deploy.web.pages import Pages
from deploy.web.routes import GuardedRoute, needs
from s3k_dist.access.tokens import Role
from s3k_dist.errors import ConfigError, S3KError, StorageError

Cell = Annotated[str, Path(max_length=255)]


class Wished(BaseModel):
    """What a cell should do."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    wish: Literal["run", "drain"]


class Stop(BaseModel):
    """Why a robot should stop."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    reason: str = Field("", max_length=300)


def live_router(run: LiveRun, commands: CellCommands, pages: Pages) -> APIRouter:
    """The page, what it asks for each second, and what an operator may ask of a cell."""
    router = APIRouter(route_class=GuardedRoute)

    @router.get("/live", response_class=HTMLResponse)
    @needs(Role.VIEWER)
    def page(request: Request) -> str:
        return pages.render("live.html", "live", request.state.holder)

    @router.get("/live/state")
    @needs(Role.VIEWER)
    def state() -> dict[str, Any]:
        return _answered(run.state)

    @router.get("/live/charts")
    @needs(Role.VIEWER)
    def charts() -> list[dict[str, Any]]:
        return _answered(run.charts)

    @router.get("/live/cells/{cell}/seen")
    @needs(Role.VIEWER)
    def seen(cell: Cell) -> dict[str, Any]:
        return _answered(lambda: run.seen(cell))

    @router.put("/live/cells/{cell}/wish")
    @needs(Role.OPERATOR)
    def wish(cell: Cell, wished: Wished, request: Request) -> dict[str, str]:
        _answered(lambda: commands.wish(cell, wished.wish, request.state.holder.name))
        return {"cell": cell, "wish": wished.wish}

    @router.post("/live/cells/{cell}/stop")
    @needs(Role.OPERATOR)
    def stop(cell: Cell, why: Stop, request: Request) -> dict[str, str]:
        _answered(lambda: commands.stop(cell, why.reason, request.state.holder.name))
        return {"cell": cell, "wish": "drain"}

    return router


def _answered(ask: Any) -> Any:
    try:
        return ask()
    except (StorageError, ConfigError) as error:
        raise HTTPException(404, str(error)) from error
    except S3KError as error:  # a robot that does not answer, or does not take it
        raise HTTPException(502, str(error)) from error
