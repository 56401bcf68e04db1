"""Routes that say beside themselves who may use them; one that does not say cannot exist.

    router = APIRouter(route_class=GuardedRoute)

    @router.get("/label")
    @needs(Role.VIEWER)
    def page(...): ...

The role is looked at before anything of the request's body is read.
"""

from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

from fastapi import FastAPI, Request, Response
from fastapi.routing import APIRoute, iter_route_contexts
from starlette.routing import BaseRoute

from deploy.web.access import Access
from s3k_dist.access.tokens import Role
from s3k_dist.errors import ConfigError

Endpoint = TypeVar("Endpoint", bound=Callable[..., Any])


def needs(role: Role) -> Callable[[Endpoint], Endpoint]:
    """Who calls this route has at least ``role``."""
    return _declared(role)


def public(endpoint: Endpoint) -> Endpoint:
    """Anybody may call this route: it shows nothing of the project, and changes nothing."""
    return _declared(None)(endpoint)


def declared_role(endpoint: Callable[..., Any]) -> Role | None:
    """The role that a route asks for; None if it is public.

    Raises:
        ConfigError: it does not say.
    """
    try:
        role: Role | None = endpoint.required_role  # type: ignore[attr-defined]
    except AttributeError:
        raise ConfigError(f"the route of {endpoint.__qualname__} does not say who may use it") from None
    return role


class GuardedRoute(APIRoute):
    """Refuses who lacks the declared role; the holder is in ``request.state.holder`` for the rest.

    Raises:
        ConfigError: the endpoint declares no role.
    """

    def __init__(self, path: str, endpoint: Callable[..., Any], **given: Any) -> None:
        self.role = declared_role(endpoint)
        super().__init__(path, endpoint, **given)

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """The endpoint behind its guard."""
        answer, role = super().get_route_handler(), self.role

        async def guarded(request: Request) -> Response:
            if role is not None:
                access: Access = request.app.state.access
                request.state.holder = access.admit(request, role)
            return await answer(request)

        return guarded


def refuse_unguarded(app: FastAPI) -> None:
    """Raise ConfigError if a route of ``app`` asks for no role in a way that this module knows."""
    for route in all_routes(app):
        if not isinstance(route, GuardedRoute):
            raise ConfigError(f"the route {getattr(route, 'path', route)!r} does not say who may use it")


def all_routes(app: FastAPI) -> list[BaseRoute]:
    """The routes of an application, with those of its routers."""
    return [context.original_route for context in iter_route_contexts(app.routes)]


def _declared(role: Role | None) -> Callable[[Endpoint], Endpoint]:
    def declare(endpoint: Endpoint) -> Endpoint:
        endpoint.required_role = role  # type: ignore[attr-defined]
        return endpoint

    return declare
