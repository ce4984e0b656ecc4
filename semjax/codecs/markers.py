"""Marker segments, of which the headers of JPEG and JPEG 2000 are made.

A file begins with a marker of two bytes. Each segment of the header that follows is a marker of two bytes and a length
of two bytes, most significant first, which counts itself and what comes after it (ISO/IEC 10918-1, B.1.1;
ISO/IEC 15444-1, A.1).
"""

MARKER = 2
LENGTH = 2


def find(file: bytes, marker: bytes) -> int:
    """Walks the header to a marker.

    Args:
      file: a file, from its first byte.
      marker: two bytes.

    Returns:
      Where the first such marker of the header begins.

    Raises:
      ValueError: the header has none.
    """
    position = MARKER
    while file[position : position + MARKER] != marker:
        if file[position : position + 1] != b"\xff":
            raise ValueError(f"no marker {marker.hex()} in the header: no segment begins at byte {position}")
        position = end(file, position)
    return position


def end(file: bytes, position: int) -> int:
    """Where the segment that begins at `position` ends."""
    length = file[position + MARKER : position + MARKER + LENGTH]
    return position + MARKER + int.from_bytes(length, "big")
