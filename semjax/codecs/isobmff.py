"""The boxes (ISO/IEC 14496-12) around one still picture of AVIF or HEIF.

    ftyp
    meta    hdlr, pitm, iinf, iprp (size, configuration, colour)
            iloc    ends with the length of the only extent of the only item, in four bytes
    mdat    the coded picture: that extent

A box is its length in four bytes, most significant first, its name in four, and its content.
"""

HEADER = 8
LENGTH = 4
VERSION = 4
"""`meta` has version and flags before the boxes in it."""


def coded(file: bytes) -> bytes:
    """The content of `mdat`.

    Raises:
      ValueError: the file has no such box.
    """
    return file[_find(file, b"mdat")]


def refill(blank: bytes, content: bytes) -> bytes:
    """Puts another coded picture into a file.

    Args:
      blank: a file that ends with `mdat`.
      content: what `mdat` shall hold.

    Returns:
      The file, with the lengths put right.

    Raises:
      ValueError: `blank` lacks a box.
    """
    head = bytearray(blank[: _find(blank, b"mdat").start - HEADER])
    extent = _find(blank, b"meta", b"iloc").stop
    head[extent - LENGTH : extent] = len(content).to_bytes(LENGTH, "big")
    return bytes(head) + (HEADER + len(content)).to_bytes(LENGTH, "big") + b"mdat" + content


def _find(file: bytes, *path: bytes) -> slice:
    start, stop = 0, len(file)
    for name in path:
        start, stop = _child(file, name, start, stop)
        start += VERSION if name == b"meta" else 0
    return slice(start, stop)


def _child(file: bytes, name: bytes, start: int, stop: int) -> tuple[int, int]:
    while start + HEADER <= stop:
        length = int.from_bytes(file[start : start + LENGTH], "big")
        if length < HEADER:
            raise ValueError(f"the box at byte {start} has a length of {length}")
        if file[start + LENGTH : start + HEADER] == name:
            return start + HEADER, start + length
        start += length
    raise ValueError(f"no box {name.decode()} in the file")
