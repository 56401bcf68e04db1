"""Routes of the *Models* page."""

from typing import Annotated, Any

from fastapi import APIRouter, HTTPException, Path, Request
from fastapi.responses import HTMLResponse
from pydantic import BaseModel, ConfigDict, Field

from deploy.web.models.comparison import Comparison
from deploy.web.models.versions import StaleDecisionError, Versions
from deploy.web.pages import Pages
from deploy.web.routes import GuardedRoute, needs
from s3k_dist.access.tokens import Role
from s3k_dist.errors import FrameError, StorageError

Cell = Annotated[str, Path(max_length=255)]
Sequence = Annotated[int, Path(ge=0, lt=2**64)]
Version = Annotated[int, Path(ge=1, lt=2**31)]
Reason = Annotated[str, Field(min_length=1, max_length=300, pattern=r"\S")]


class Promotion(BaseModel):
    """Which version should serve, instead of which, and why."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    version: int = Field(ge=1, lt=2**31)
    instead_of: int | None = Field(ge=1, lt=2**31)
    reason: Reason


class RollBack(BaseModel):
    """Which version should serve no more, and why."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    withdraw: int = Field(ge=1, lt=2**31)
    reason: Reason


def models_router(versions: Versions, comparison: Comparison, pages: Pages) -> APIRouter:
    """The page, the versions, two of them on the same frames, and an operator's decisions."""
    router = APIRouter(route_class=GuardedRoute)

    @router.get("/models", response_class=HTMLResponse)
    @needs(Role.VIEWER)
    def page(request: Request) -> str:
        return pages.render("models.html", "models", request.state.holder)

    @router.get("/models/state")
    @needs(Role.VIEWER)
    def state() -> dict[str, Any]:
        return _answered(versions.state)

    @router.get("/models/frames")
    @needs(Role.VIEWER)
    def frames() -> dict[str, Any]:
        return _answered(comparison.frames)

    @router.get("/models/{version}/frames/{cell}/{sequence}")
    @needs(Role.VIEWER)
    def seen(version: Version, cell: Cell, sequence: Sequence) -> dict[str, Any]:
        return _answered(lambda: comparison.seen(version, f"{cell}/{sequence:08d}"))

    @router.post("/models/promote")
    @needs(Role.OPERATOR)
    def promote(promotion: Promotion, request: Request) -> dict[str, Any]:
        who = request.state.holder.name
        _answered(lambda: versions.promote(promotion.version, promotion.instead_of, promotion.reason.strip(), who))
        return {"serving": promotion.version}

    @router.post("/models/roll_back")
    @needs(Role.OPERATOR)
    def roll_back(back: RollBack, request: Request) -> dict[str, Any]:
        who = request.state.holder.name
        return {"serving": _answered(lambda: versions.roll_back(back.withdraw, back.reason.strip(), who))}

    return router


def _answered(ask: Any) -> Any:
    try:
        return ask()
    except StaleDecisionError as error:
        raise HTTPException(409, str(error)) from error
    except FrameError as error:
        raise HTTPException(422, str(error)) from error
    except StorageError as error:
        raise HTTPException(404, str(error)) from error
