"""The decoder over a zoo of pictures: the exact tensor, or an error that names the record."""

import io
import struct
import warnings
import zlib

import numpy as np
import pytest
from PIL import Image

from semjax.data.images import ImageError, decode, encode_png, from_uint8, save_png, to_uint8

RNG = np.random.default_rng(0)
RGB = RNG.integers(0, 256, (5, 7, 3), np.uint8)
GREY = RNG.integers(0, 256, (5, 7), np.uint8)
ALPHA = RNG.integers(0, 256, (5, 7), np.uint8)
BACK = np.array([0.5, 0.25, 1.0], np.float32)


def encoded(image: Image.Image, kind: str = "PNG", **options) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def raw_png(samples: np.ndarray, colour_type: int) -> bytes:
    """A 16-bit PNG written by hand: Pillow cannot write 16-bit colour."""

    def chunk(kind: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    height, width = samples.shape[:2]
    rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in samples)
    header = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 16, colour_type, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + header + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")


def read(data: bytes, **options) -> np.ndarray:
    image = decode(data, name="zoo", **options)
    assert image.dtype == np.float32
    assert image.ndim == 3
    assert image.shape[-1] == 3
    assert image.flags.c_contiguous
    return image


def over(colour: np.ndarray, alpha: np.ndarray) -> np.ndarray:
    alpha = alpha.astype(np.float64)[..., None] / 255
    return alpha * colour.astype(np.float64) / 255 + (1 - alpha) * BACK


def grey3(values: np.ndarray) -> np.ndarray:
    return np.repeat(values[..., None], 3, -1)


def test_rgb_and_grey_are_exact():
    np.testing.assert_array_equal(read(encoded(Image.fromarray(RGB))), RGB / np.float32(255))
    np.testing.assert_array_equal(read(encoded(Image.fromarray(GREY))), grey3(GREY / np.float32(255)))
    bits = Image.fromarray(GREY).convert("1")
    np.testing.assert_array_equal(read(encoded(bits)), grey3(np.asarray(bits).astype(np.float32)))


@pytest.mark.parametrize("kind", ["PNG", "TIFF"])
def test_sixteen_bit_grey_is_scaled_not_saturated(kind):
    deep = RNG.integers(0, 65536, (5, 7)).astype(np.uint16)
    np.testing.assert_array_equal(read(encoded(Image.fromarray(deep), kind)), grey3(deep / np.float32(65535)))


def test_32_bit_grey_within_16_bits_is_read_and_beyond_is_refused():
    wide = RNG.integers(0, 65536, (5, 7)).astype(np.int32)
    np.testing.assert_array_equal(
        read(encoded(Image.fromarray(wide), "TIFF")), grey3(wide.astype(np.float32) / np.float32(65535))
    )
    wide[2, 2] = 70_000
    with pytest.raises(ImageError, match=r"zoo.*70000, expected 0 to 65535"):
        read(encoded(Image.fromarray(wide), "TIFF"))


def test_sixteen_bit_colour_is_its_upper_byte():
    deep = RNG.integers(0, 65536, (5, 7, 3)).astype(np.uint16)
    image = read(raw_png(deep, 2))
    np.testing.assert_array_equal(image, (deep >> 8) / np.float32(255))
    np.testing.assert_allclose(image, deep / 65535, atol=1 / 255)


def test_transparency_is_composited_in_float():
    rgba = np.concatenate([RGB, ALPHA[..., None]], -1)
    np.testing.assert_allclose(read(encoded(Image.fromarray(rgba)), background=BACK), over(RGB, ALPHA), atol=1e-6)
    la = Image.merge("LA", [Image.fromarray(GREY), Image.fromarray(ALPHA)])
    np.testing.assert_allclose(read(encoded(la), background=BACK), over(grey3(GREY), ALPHA), atol=1e-6)
    clear = np.zeros((2, 2, 4), np.uint8)
    np.testing.assert_array_equal(read(encoded(Image.fromarray(clear))), np.full((2, 2, 3), 0.5, np.float32))


def test_palettes():
    indexed = Image.fromarray(GREY % 4).convert("P")
    indexed.putpalette([10, 20, 30, 40, 50, 60, 70, 80, 90, 100, 110, 120])
    table = np.array([[10, 20, 30], [40, 50, 60], [70, 80, 90], [100, 110, 120]], np.uint8)
    index = np.asarray(indexed)
    np.testing.assert_array_equal(read(encoded(indexed)), table[index] / np.float32(255))
    alpha = np.array([0, 128, 255, 255], np.uint8)
    found = read(encoded(indexed, transparency=bytes(alpha)), background=BACK)
    np.testing.assert_allclose(found, over(table[index], alpha[index]), atol=1e-6)
    found = read(encoded(indexed, transparency=1), background=BACK)
    np.testing.assert_allclose(found, over(table[index], np.where(index == 1, 0, 255)), atol=1e-6)


def test_a_palette_with_an_alpha_band():
    # Pillow's own conversion to PA drops the alpha, so the band is put in by hand.
    both = Image.fromarray(GREY).convert("PA")
    both.putalpha(Image.fromarray(ALPHA))
    data = encoded(both, "TIFF")
    assert Image.open(io.BytesIO(data)).mode == "PA"
    np.testing.assert_allclose(read(data, background=BACK), over(grey3(GREY), ALPHA), atol=1e-6)


def test_a_transparent_colour():
    marked = RGB.copy()
    marked[1, 2] = (1, 2, 3)
    image = read(encoded(Image.fromarray(marked), transparency=(1, 2, 3)), background=BACK)
    np.testing.assert_array_equal(image[1, 2], BACK)
    np.testing.assert_array_equal(image[0], from_uint8(RGB[0]))
    grey = GREY.astype(np.uint16) * 257
    grey[GREY == 5] = 0
    grey[1, 1] = 1285
    image = read(encoded(Image.fromarray(grey), transparency=1285), background=BACK)
    np.testing.assert_array_equal(image[1, 1], BACK)
    np.testing.assert_array_equal(image[0], grey3(grey / np.float32(65535))[0])


def test_cmyk_is_converted():
    cmyk = Image.fromarray(RGB).convert("CMYK")
    np.testing.assert_array_equal(read(encoded(cmyk, "TIFF")), from_uint8(RGB))
    flat = Image.new("CMYK", (16, 16), (0, 255, 255, 0))
    np.testing.assert_allclose(read(encoded(flat, "JPEG", quality=100)), np.full((16, 16, 3), (1, 0, 0)), atol=0.02)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_exif_orientation(orientation):
    exif = Image.Exif()
    exif[0x0112] = orientation
    stored = Image.fromarray(RGB)
    turn = {2: 0, 3: 3, 4: 1, 5: 5, 6: 4, 7: 6, 8: 2}.get(orientation)
    upright = stored if turn is None else stored.transpose(Image.Transpose(turn))
    np.testing.assert_array_equal(read(encoded(stored, exif=exif)), from_uint8(np.asarray(upright)))
    first = read(encoded(stored, exif=exif))
    assert first.shape == ((7, 5, 3) if orientation >= 5 else (5, 7, 3))


def test_exif_says_where_the_first_row_lies():
    """Orientation 6: the stored first row is the right side of the picture; 8: the left side, from below."""
    row = from_uint8(RGB[0])
    for orientation, column in ((6, lambda x: x[:, -1]), (8, lambda x: x[::-1, 0])):
        exif = Image.Exif()
        exif[0x0112] = orientation
        np.testing.assert_array_equal(column(read(encoded(Image.fromarray(RGB), exif=exif))), row)


def test_one_pixel_and_other_formats():
    np.testing.assert_array_equal(read(encoded(Image.fromarray(RGB[:1, :1]))), from_uint8(RGB[:1, :1]))
    for kind, options in (("WEBP", {"lossless": True}), ("BMP", {}), ("PPM", {}), ("TIFF", {})):
        np.testing.assert_array_equal(read(encoded(Image.fromarray(RGB), kind, **options)), from_uint8(RGB))


BROKEN = {
    "empty": b"",
    "text": b"this is not a picture\n" * 20,
    "cut header": encoded(Image.fromarray(RGB))[:20],
    "cut PNG": encoded(Image.fromarray(RNG.integers(0, 256, (64, 64, 3), np.uint8)))[:4000],
    "cut JPEG": encoded(Image.fromarray(RNG.integers(0, 256, (64, 64, 3), np.uint8)), "JPEG")[:1500],
    "damaged PNG": encoded(Image.fromarray(np.tile(RGB, (9, 9, 1)))).replace(b"IDAT", b"IDAT\xff\xff\xff", 1),
    "float": encoded(Image.fromarray(RGB[..., 0].astype(np.float32)), "TIFF"),
    "Lab": encoded(Image.new("LAB", (4, 4)), "TIFF"),
}


@pytest.mark.parametrize("kind", BROKEN)
def test_a_broken_record_is_named(kind):
    with pytest.raises(ImageError, match=r"^shard/7\.png: .*(remove it|8-bit RGB)$"):
        decode(BROKEN[kind], name="shard/7.png")


def test_the_pixel_limit():
    data = encoded(Image.new("L", (100, 50)))
    assert decode(data, name="x", max_pixels=5000).shape == (50, 100, 3)
    with pytest.raises(ImageError, match=r"x: 100 x 50 = 5000 pixels is over the limit of 4999"):
        decode(data, name="x", max_pixels=4999)


@pytest.mark.parametrize(("width", "says"), [(10_000, "100000000 pixels"), (20_000, "pixel limit")])
def test_a_decompression_bomb_is_refused_without_a_warning(width, says):
    """100 megapixels, where Pillow only warns, and 200, where it raises."""
    bomb = encoded(Image.new("1", (width, 10_000)))
    assert len(bomb) < 100_000
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        with pytest.raises(ImageError, match=rf"bomb: .*{says}"):
            decode(bomb, name="bomb")
    assert not caught


def test_png_is_written_clipped_and_rounded(tmp_path):
    image = np.array([[[-1.0, 0.0, 0.4], [0.5, 1.0, 2.0]]], np.float32)
    expected = np.array([[[0, 0, 102], [128, 255, 255]]], np.uint8)
    np.testing.assert_array_equal(to_uint8(image), expected)
    np.testing.assert_array_equal(read(encode_png(image)), from_uint8(expected))
    save_png(tmp_path / "a.png", from_uint8(RGB))
    np.testing.assert_array_equal(read((tmp_path / "a.png").read_bytes()), from_uint8(RGB))
    every = np.arange(256, dtype=np.uint8)
    np.testing.assert_array_equal(to_uint8(from_uint8(every)), every)


def test_png_refuses_what_is_no_picture():
    with pytest.raises(ValueError, match=r"\(4, 4\)"):
        encode_png(np.zeros((4, 4), np.float32))
    with pytest.raises(ValueError, match="finite"):
        encode_png(np.full((2, 2, 3), np.nan, np.float32))
