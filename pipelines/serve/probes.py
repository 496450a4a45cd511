"""What machines ask of Limen itself: metrics, and whether it is alive and ready."""

from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response

from pipelines.serve.metrics import registry, scrape
from pipelines.serve.reading import Sources


class Probes:
    """What machines ask: metrics, and whether Limen is alive and ready."""

    def __init__(self, sources: Sources) -> None:
        self._status = sources.status
        self._registry = registry(sources)

    def metrics(self, request: Request) -> Response:
        """Answer a scrape in the format that is asked for."""
        body, content_type = scrape(self._registry, request.headers.get("accept", ""))
        return Response(body, headers={"Content-Type": content_type})

    def healthy(self, request: Request) -> Response:
        """Answer 200: the process lives."""
        return PlainTextResponse("healthy\n")

    def ready(self, request: Request) -> Response:
        """Answer 200 once the engine is reading, else 503 with the reason."""
        status = self._status()
        if status.ready:
            return PlainTextResponse("ready\n")
        reason = status.source_failure or status.store_failure or "the state is being restored; ask again"
        return PlainTextResponse(f"not ready: {reason}\n", 503)
