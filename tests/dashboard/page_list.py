"""All pages there are, as the application registers them: a new one is in every test of this folder by itself."""

from collections.abc import Sequence

from fastapi.routing import APIRoute

from assay.dashboard import app

PUBLIC = frozenset(
    {
        "/sign-in",
        "/sign-in/link/{token}",
        "/sign-in/open-id",
        "/sign-in/open-id/callback",
        "/static/{digest}/{name:path}",
    }
)
"""What nobody has to be signed in for."""


def routes() -> Sequence[tuple[str, str]]:
    """Return method and path of everything that is registered."""
    routers = [route for router in app.ROUTERS for route in router.routes]
    return [
        (method, route.path)
        for route in routers
        if isinstance(route, APIRoute)
        for method in sorted(route.methods or ())
    ]


def gets() -> Sequence[str]:
    """Return the paths of what is only read by who is signed in."""
    return [path for method, path in routes() if method == "GET" and path not in PUBLIC]


def posts() -> Sequence[str]:
    """Return the paths of what changes something for who is signed in."""
    return [path for method, path in routes() if method != "GET" and path not in PUBLIC]
