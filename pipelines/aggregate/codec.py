"""Partials and minutes as bytes: MessagePack, compressed, with a version in front.

Arrays become little-endian int64 bytes. What cannot be read raises ValueError with one line.
"""

from typing import Any

import msgspec
import numpy as np
import zstandard

from schemas.partial import PARTIAL_VERSION, Minute, Partial

MINUTE_VERSION = 2
"""Format version of a stored minute."""
BODY_BYTES_MAX = 1_000_000_000
"""Largest body after decompression; a partial of 50,000 events takes some 40 MB."""
ZSTD_LEVEL = 1
"""The fastest level: it already takes the many small integers to a tenth."""


def _to_bytes(value: Any) -> bytes:
    """Write an array."""
    assert isinstance(value, np.ndarray), f"no way to write a {type(value).__name__}"
    return value.astype("<i8", copy=False).tobytes()


def _from_bytes(wanted: type, value: Any) -> Any:
    """Read an array; its bytes are copied, because a view would be read-only and keep the whole body alive."""
    assert isinstance(value, bytes), f"no way to read a {wanted}"
    return np.frombuffer(value, dtype="<i8").astype(np.int64)


_ENCODER = msgspec.msgpack.Encoder(enc_hook=_to_bytes)
_PARTIALS = msgspec.msgpack.Decoder(Partial)
_MINUTES = msgspec.msgpack.Decoder(Minute, dec_hook=_from_bytes)


def encode_partial(partial: Partial) -> bytes:
    """Give a partial as bytes; the same partial gives the same bytes."""
    return _packed(PARTIAL_VERSION, _ENCODER.encode(partial))


def decode_partial(body: bytes) -> Partial:
    """Read a partial back."""
    partial: Partial = _read(_PARTIALS, PARTIAL_VERSION, body, "partial")
    return partial


def encode_minute(minute: Minute) -> bytes:
    """Give a closed minute as bytes."""
    return _packed(MINUTE_VERSION, _ENCODER.encode(minute))


def decode_minute(body: bytes) -> Minute:
    """Read a closed minute back."""
    minute: Minute = _read(_MINUTES, MINUTE_VERSION, body, "minute")
    return minute


def _packed(version: int, body: bytes) -> bytes:
    return bytes((version,)) + zstandard.compress(body, ZSTD_LEVEL)


def _read(decoder: msgspec.msgpack.Decoder[Any], version: int, body: bytes, noun: str) -> Any:
    """Check version and size, decompress and decode."""
    if not body or body[0] != version:
        raise ValueError(f"{noun}: format version {body[0] if body else 'missing'}, this release reads {version}")
    try:
        size = zstandard.frame_content_size(body[1:])
        if not 0 <= size <= BODY_BYTES_MAX:
            raise ValueError(f"{noun}: says it holds {size} bytes, at most {BODY_BYTES_MAX} are read")
        return decoder.decode(zstandard.decompress(body[1:]))
    except (zstandard.ZstdError, msgspec.MsgspecError) as error:
        raise ValueError(f"{noun}: cannot be read: {error}") from error
