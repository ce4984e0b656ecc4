"""What is not sent of a file: the parts that other formats could confuse."""

import numpy as np
import pytest

from semjax.codecs import avif, isobmff, jpegxl, markers
from semjax.codecs.avif import AvifFile
from semjax.codecs.hevc import HevcFile
from semjax.codecs.jpeg import DHT, SOS, JpegFile
from semjax.codecs.jpeg2000 import SOT, Jpeg2000File


def test_a_marker_is_not_looked_for_inside_a_segment():
    table = b"\xff\xdb\x00\x06" + DHT + b"\x01\x02"
    file = b"\xff\xd8" + table + DHT + b"\x00\x03\x07" + SOS + b"\x00\x02"
    assert markers.find(file, DHT) == 2 + len(table)
    assert markers.end(file, markers.find(file, DHT)) == markers.find(file, SOS)
    with pytest.raises(ValueError, match="no marker ff90"):
        markers.find(file, SOT)


def test_huffman_tables_of_jpeg_are_sent(picture):
    files = JpegFile(sampling="4:4:4")
    body = files.strip(files.write(picture, 50.0))
    assert body.startswith(DHT)
    assert body.count(DHT) >= 4
    assert SOS not in body


def test_of_jpeg2000_the_packets_are_sent(picture):
    file = Jpeg2000File().write(picture, 2.0)
    body = Jpeg2000File().strip(file)
    assert file.endswith(b"\xff\x93" + body + b"\xff\xd9")


@pytest.mark.parametrize("files", [AvifFile(), HevcFile()], ids=["avif", "hevc"])
def test_boxes_are_filled_with_another_picture(files, picture):
    file, blank = files.write(picture, 40.0), files.write(np.zeros_like(picture), 40.0)
    coded = isobmff.coded(file)
    assert len(coded) > len(isobmff.coded(blank))
    assert isobmff.refill(blank, coded) == file


def test_what_is_no_box():
    with pytest.raises(ValueError, match="no box mdat"):
        isobmff.coded(b"\x00\x00\x00\x08free")
    with pytest.raises(ValueError, match="box at byte 8 has a length of 3"):
        isobmff.coded(b"\x00\x00\x00\x08free\x00\x00\x00\x03mdat")


@pytest.mark.parametrize("length", [0, 1, 127, 128, 16_383, 16_384, 2_097_152])
def test_the_length_of_a_frame_of_av1_is_counted_anew(length):
    sequence = b"\x12\x00\x0a\x02ab"
    frame = bytes([0x32]) + avif._leb128(length) + bytes(length)
    assert len(avif._leb128(length)) == max(1, -(-length.bit_length() // 7))
    assert avif._split(sequence + frame) == (sequence + b"\x32", bytes(length))


@pytest.mark.parametrize("shape", [(1, 1), (8, 8), (256, 256), (264, 8), (7, 600), (513, 300), (1, 9000)])
def test_the_head_of_jpegxl_depends_on_the_size_alone(shape):
    files = jpegxl.JpegxlFile()
    noise = np.random.default_rng(3).integers(0, 256, (*shape, 3), np.uint8)
    first, second = files.write(noise, 8.0), files.write(np.zeros_like(noise), 1.0)
    head = jpegxl._header(first)
    assert 4 <= head <= len(jpegxl.SIGNATURE) + jpegxl.LONGEST_SIZE
    assert first[:head] == second[:head]
    assert first[head:] != second[head:]
