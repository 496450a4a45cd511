"""What a Limen on standby serves: that it lives and is not ready, and why; there is nothing else to show yet."""

from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from pipelines.serve.guard import Guard
from pipelines.serve.metrics import scrape, standing_by
from schemas.settings import Serve


def waiting(serve: Serve, where: str) -> Starlette:
    """Make the application of a Limen that waits for the store of this name."""
    words = f"standby: another Limen runs on {where}, and this one takes over when it ends"
    registry = standing_by()

    def healthy(request: Request) -> Response:
        return PlainTextResponse("healthy\n")

    def ready(request: Request) -> Response:
        return PlainTextResponse(f"not ready: {words}\n", 503)

    def metrics(request: Request) -> Response:
        body, content_type = scrape(registry, request.headers.get("accept", ""))
        return Response(body, headers={"Content-Type": content_type})

    def other(request: Request) -> Response:
        return PlainTextResponse(f"{words}\n", 503)

    return Starlette(
        routes=[
            Route("/-/healthy", healthy),
            Route("/-/ready", ready),
            Route("/metrics", metrics),
            Route("/{path:path}", other),
        ],
        middleware=[Middleware(Guard, serve=lambda: serve)],
    )
