"""Bodies of requests, of limited length: a form as its fields, or JSON as it came."""

from urllib.parse import parse_qsl

from starlette.exceptions import HTTPException
from starlette.requests import Request

BODY_BYTES_MAX = 65_536
"""The longest note, each character of four bytes and each byte escaped as %XX, with room for the other fields."""
FIELDS_MAX = 20


async def body_of(request: Request, kind: str, bytes_max: int = BODY_BYTES_MAX) -> bytes:
    """Read the body of a request, which has to be of this media type. Raises `HTTPException` 413 or 415."""
    given = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if given != kind:
        raise HTTPException(415, f"send this as Content-Type: {kind}")
    body = b""
    async for piece in request.stream():
        body += piece
        if len(body) > bytes_max:
            raise HTTPException(413, f"more than {bytes_max:,} bytes: link to a document instead")
    return body


async def form_of(request: Request) -> dict[str, str]:
    """Read the fields of a form, each at most once. Raises `HTTPException`."""
    body = await body_of(request, "application/x-www-form-urlencoded")
    try:
        fields = parse_qsl(
            body.decode("ascii"),
            keep_blank_values=True,
            max_num_fields=FIELDS_MAX,
            strict_parsing=False,
            errors="strict",
        )
    except ValueError:
        raise HTTPException(400, "this form cannot be read: open its page again") from None
    if len({name for name, _ in fields}) != len(fields):
        raise HTTPException(400, "a field is in the form twice: open its page again")
    return dict(fields)
