"""Payloads filled up to a fixed number of bytes: the payload, one byte 0x01, zeros."""

from semjax.codecs.base import CodecError

MARK = b"\x01"


def pad(payload: bytes, size: int) -> bytes:
    """Fills a payload up.

    Args:
      payload: at most `size` - 1 bytes.
      size: of the result, in bytes.

    Returns:
      Exactly `size` bytes.

    Raises:
      ValueError: the payload and the mark do not fit.
    """
    if len(payload) + len(MARK) > size:
        raise ValueError(f"pad: a payload of {len(payload)} bytes and the mark do not fit in {size} bytes")
    return (payload + MARK).ljust(size, b"\0")


def unpad(data: bytes) -> bytes:
    """Takes the payload out.

    Args:
      data: what `pad` gave, damaged or not.

    Returns:
      The payload.

    Raises:
      CodecError: there is no mark before the zeros at the end.
    """
    marked = data.rstrip(b"\0")
    if not marked.endswith(MARK):
        raise CodecError(f"unpad: no mark 0x01 before the zeros at the end of {len(data)} bytes; the data are damaged")
    return marked[: -len(MARK)]
