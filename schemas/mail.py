"""The mail server of a sink of kind email."""

from typing import Annotated, Literal

import msgspec
from msgspec import Meta


class Mail(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The mail server of a sink of kind email, who writes and to whom; "none" is spoken to this machine only."""

    host: str = ""
    port: Annotated[int, Meta(ge=1, le=65_535)] = 587
    security: Literal["starttls", "none"] = "starttls"
    sender: str = ""
    to: tuple[str, ...] = ()
    username: str | None = None
    password_file: str | None = None
