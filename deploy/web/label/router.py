"""Routes of the *Label* page."""

from typing import Annotated, Any

from fastapi import APIRouter, Body, HTTPException, Path, Request, Response
from fastapi.responses import HTMLResponse, JSONResponse

from deploy.web.label.guides import guides
from deploy.web.label.marks import Change, KeypointEntry, Marks
from deploy.web.label.project import LabelProject
from deploy.web.pages import Pages
from deploy.web.routes import GuardedRoute, needs
from s3k_dist.access.tokens import Holder, Role
from s3k_dist.errors import FrameError, StorageError
from s3k_dist.labels.editing import LabelConflictError

MAX_KEYPOINTS = 64
FOR_GOOD = {"Cache-Control": "private, max-age=86400, immutable"}  # a frame of the stream never changes

Cell = Annotated[str, Path(max_length=255)]
Sequence = Annotated[int, Path(ge=0, lt=2**64)]


def label_router(project: LabelProject, pages: Pages) -> APIRouter:
    """The page, its images, and what it asks and stores."""
    router = APIRouter(route_class=GuardedRoute)

    @router.get("/label", response_class=HTMLResponse)
    @needs(Role.VIEWER)
    def page(request: Request) -> str:
        return pages.render("label.html", "label", request.state.holder)

    @router.get("/label/project")
    @needs(Role.VIEWER)
    def overview() -> dict[str, Any]:
        return _known(project.overview)

    @router.put("/label/keypoints")
    @needs(Role.LABELLER)
    def define(entries: Annotated[list[KeypointEntry], Body(max_length=MAX_KEYPOINTS)]) -> list[dict[str, str]]:
        return _known(lambda: project.define(entries), status=409)

    @router.get("/label/frames/{cell}/{sequence}")
    @needs(Role.VIEWER)
    def frame(cell: Cell, sequence: Sequence) -> dict[str, Any]:
        return _known(lambda: project.describe(_id(cell, sequence)))

    @router.get("/label/frames/{cell}/{sequence}/predictions")
    @needs(Role.VIEWER)
    def predictions(cell: Cell, sequence: Sequence) -> dict[str, Any]:
        return _known(lambda: project.predictions(_id(cell, sequence)))

    @router.get("/label/frames/{cell}/{sequence}/thumbnail.png")
    @needs(Role.VIEWER)
    def thumbnail(cell: Cell, sequence: Sequence) -> Response:
        return Response(_known(lambda: project.thumbnail(_id(cell, sequence))), 200, FOR_GOOD, "image/png")

    @router.get("/label/frames/{cell}/{sequence}/views/{camera}.png")
    @needs(Role.VIEWER)
    def view(cell: Cell, sequence: Sequence, camera: Annotated[str, Path(max_length=255)]) -> Response:
        return Response(_known(lambda: project.png(_id(cell, sequence), camera)), 200, FOR_GOOD, "image/png")

    @router.post("/label/frames/{cell}/{sequence}/guides")
    @needs(Role.VIEWER)
    def geometry(cell: Cell, sequence: Sequence, marks: Marks) -> dict[str, dict[str, Any]]:
        return _known(lambda: guides(project.frame(_id(cell, sequence)), marks))

    @router.put("/label/frames/{cell}/{sequence}/label")
    @needs(Role.LABELLER)
    def put(cell: Cell, sequence: Sequence, change: Change, request: Request) -> Any:
        holder: Holder = request.state.holder
        frame_id = _id(cell, sequence)
        try:
            return project.put(frame_id, change, holder.name)
        except LabelConflictError as error:
            now = project.state(frame_id, error.label)
            return JSONResponse({"error": str(error), "now": now}, 409)
        except (StorageError, FrameError) as error:
            raise HTTPException(422, str(error)) from error

    return router


def _id(cell: str, sequence: int) -> str:
    return f"{cell}/{sequence:08d}"


def _known(ask: Any, status: int = 404) -> Any:
    try:
        return ask()
    except (StorageError, FrameError) as error:
        raise HTTPException(status, str(error)) from error
