"""A frame of an image file as it goes into a PDF, without loss. Runs inside the sandbox child only.

Streams that PDF can hold are taken as they are: JPEG files whole, JPEG 2000 files whole, the image
data of plain PNGs, the one strip of a Group 4 fax page. Anything else is decoded and packed again:
black-and-white pictures by Group 4, others by Flate with a PNG predictor.
"""

from __future__ import annotations

import io
import struct
import zlib
from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image as Pil

from ingest import pixels
from ingest.raster import RasterFile, orientation_of
from storage.exports.pdf_file import Stream
from storage.exports.scan_pdf import Colours, Picture

_JP2 = b"\0\0\0\x0cjP  \r\n\x87\n"
_GROUP_4 = 4
_COMPRESSION, _PHOTOMETRIC, _FILL_ORDER, _OFFSETS, _ROWS, _COUNTS = 259, 262, 266, 273, 278, 279
_T6_OPTIONS, _TIFF_ORIENTATION = 293, 274
_CHANNELS: dict[str, Colours] = {"L": "grey", "RGB": "rgb", "CMYK": "cmyk"}
_SIXTEEN = ("I;16", "I;16L", "I;16B")
_PNG_COLOURS = {0: ("grey", 1), 2: ("rgb", 3), 3: ("rgb", 1)}
_ROWS_A_BAND = 256
_LOSSES = {b"tRNS", b"acTL"}
"""Chunks of a PNG that say that its image data is not all there is to see."""


def picture_of(document: RasterFile, page_no: int) -> Picture:
    """The picture of a frame, from 1; raises PageMissing and whatever Pillow raises on damage."""
    ways = {"image/jpeg": _jpeg, "image/jp2": _jpeg2000, "image/png": _png, "image/tiff": _fax}
    way = ways.get(document.media_type)
    as_it_is = way(document, page_no) if way else None
    return as_it_is or _packed(document.frame(page_no))


def _jpeg(document: RasterFile, _: int) -> Picture | None:
    with document.opened() as image:
        colours = _CHANNELS.get(image.mode)
        if colours is None:
            return None
        return Picture(
            width=image.size[0],
            height=image.size[1],
            colours=colours,
            bits=8,
            filter="DCTDecode",
            inverted=colours == "cmyk" and "adobe" in image.info,
            orientation=orientation_of(image),
            dpi=pixels.dpi_of(image),
            profile=_profile(image),
            stream=_stream(document.path.read_bytes()),
        )


def _jpeg2000(document: RasterFile, _: int) -> Picture | None:
    data = document.path.read_bytes()
    with document.opened() as image:
        if not data.startswith(_JP2) or image.mode not in ("L", "RGB"):
            return None
        return Picture(
            width=image.size[0],
            height=image.size[1],
            colours="own",
            bits=8,
            filter="JPXDecode",
            dpi=pixels.dpi_of(image),
            stream=_stream(data),
        )


def _png(document: RasterFile, _: int) -> Picture | None:
    chunks = list(_chunks(document.path.read_bytes()))
    kinds = {kind for kind, _ in chunks}
    width, height, bits, kind, *rest = struct.unpack(">IIBBBBB", chunks[0][1])
    if kinds & _LOSSES or any(rest) or kind not in _PNG_COLOURS:
        return None
    colours, channels = _PNG_COLOURS[kind]
    palette = b"".join(data for name, data in chunks if name == b"PLTE") if kind == 3 else b""
    with document.opened() as image:
        return Picture(
            width=width,
            height=height,
            colours="grey" if colours == "grey" else "rgb",
            bits=bits,
            filter="FlateDecode",
            parameters=_predictor(channels, bits, width),
            palette=palette,
            orientation=orientation_of(image),
            dpi=pixels.dpi_of(image),
            profile=_profile(image),
            stream=_stream(b"".join(data for name, data in chunks if name == b"IDAT")),
        )


def _chunks(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Yield the chunks of a PNG (PNG specification, 5.3)."""
    at = 8
    while at + 8 <= len(data):
        (length,) = struct.unpack_from(">I", data, at)
        yield data[at + 4 : at + 8], data[at + 8 : at + 8 + length]
        at += 12 + length


def _fax(document: RasterFile, page_no: int) -> Picture | None:
    """A Group 4 page of one strip, its bits in the usual order."""
    image = document.at(page_no)
    tags: Any = getattr(image, "tag_v2", {})
    offsets, counts = tags.get(_OFFSETS, ()), tags.get(_COUNTS, ())
    plain = tags.get(_COMPRESSION) == _GROUP_4 and tags.get(_FILL_ORDER, 1) == 1
    usual = tags.get(_PHOTOMETRIC) in (0, 1) and tags.get(_T6_OPTIONS, 0) == 0
    turned = tags.get(_TIFF_ORIENTATION, 1) != 1
    if not (plain and usual and len(offsets) == len(counts) == 1) or turned:
        return None
    with document.path.open("rb") as file:
        file.seek(offsets[0])
        strip = file.read(counts[0])
    return _group4(strip, image.size, tags[_PHOTOMETRIC], pixels.dpi_of(image))


def _group4(
    strip: bytes, size: tuple[int, int], photometric: int, dpi: tuple[float, float]
) -> Picture:
    """A strip of T.6 data; `photometric` 0 says that its white is white."""
    width, height = size
    black = "true" if photometric == 1 else "false"
    return Picture(
        width=width,
        height=height,
        colours="grey",
        bits=1,
        filter="CCITTFaxDecode",
        parameters=f"/K -1/Columns {width}/Rows {height}/BlackIs1 {black}",
        dpi=dpi,
        stream=_stream(strip),
    )


def _packed(image: Pil.Image) -> Picture:
    """A decoded, upright frame, packed without loss; transparency is laid over white."""
    dpi = pixels.dpi_of(image)
    if image.mode == "1":
        return _bilevel(image, dpi)
    rows, bits, colours, palette = _rows(image)
    height, width = rows.shape[:2]
    channels = 1 if rows.ndim == 2 else rows.shape[2]
    return Picture(
        width=width,
        height=height,
        colours=colours,
        bits=bits,
        filter="FlateDecode",
        parameters=_predictor(channels, bits, width),
        palette=palette,
        dpi=dpi,
        profile=_profile(image) if colours == _CHANNELS.get(image.mode) else b"",
        stream=_stream(_predicted(rows, channels * bits // 8)),
    )


def _rows(image: Pil.Image) -> tuple[npt.NDArray[Any], int, Colours, bytes]:
    """Samples (H, W) or (H, W, C), bits of each, what they mean, and the palette of indices."""
    if image.mode in _SIXTEEN:
        return np.asarray(image).astype(">u2"), 16, "grey", b""
    if image.mode == "P" and not image.has_transparency_data:
        palette = (image.getpalette("RGB") or [])[: 3 * 256]
        return np.asarray(image), 8, "rgb", bytes(palette)
    if image.mode in _CHANNELS and not image.has_transparency_data:
        return np.asarray(image), 8, _CHANNELS[image.mode], b""
    seen = pixels.rgb_of(image)
    if (seen[..., 0] == seen[..., 1]).all() and (seen[..., 1] == seen[..., 2]).all():
        return seen[..., 0], 8, "grey", b""
    return seen, 8, "rgb", b""


def _bilevel(image: Pil.Image, dpi: tuple[float, float]) -> Picture:
    file = io.BytesIO()
    image.copy().save(file, "TIFF", compression="group4", tiffinfo={_ROWS: image.size[1]})
    with Pil.open(file) as written:
        tags: Any = written.tag_v2  # type: ignore[attr-defined]
        offset, count, photometric = tags[_OFFSETS][0], tags[_COUNTS][0], tags[_PHOTOMETRIC]
    strip = file.getvalue()[offset : offset + count]
    return _group4(strip, image.size, photometric, dpi)


def _predicted(rows: npt.NDArray[Any], pixel: int) -> bytes:
    """Rows compressed as a PNG's: each by the difference to its left or upper neighbour.

    `pixel` is how many bytes one has. The filter is the one with the smaller sum of differences
    (PNG specification, 12.8).
    """
    data = np.ascontiguousarray(rows).view(np.uint8).reshape(rows.shape[0], -1)
    packer = zlib.compressobj(6)
    packed = [
        packer.compress(_filtered(data, start, min(start + _ROWS_A_BAND, len(data)), pixel))
        for start in range(0, len(data), _ROWS_A_BAND)
    ]
    return b"".join([*packed, packer.flush()])


def _filtered(data: npt.NDArray[np.uint8], start: int, end: int, pixel: int) -> bytes:
    band = data[start:end]
    above = np.zeros_like(band)
    above[0 if start else 1 :] = data[max(start - 1, 0) : end - 1]
    left = band.copy()
    left[:, pixel:] -= band[:, :-pixel]
    above = band - above
    by_left = _weight(left) < _weight(above)
    kinds = np.where(by_left, 1, 2).astype(np.uint8)[:, None]
    return np.hstack((kinds, np.where(by_left[:, None], left, above))).tobytes()


def _weight(differences: npt.NDArray[np.uint8]) -> npt.NDArray[np.int64]:
    """Sum of each row's differences, taken as signed."""
    sizes = np.abs(differences.view(np.int8).astype(np.int16))
    return np.asarray(sizes.sum(axis=1), np.int64)


def _predictor(channels: int, bits: int, width: int) -> str:
    return f"/Predictor 15/Colors {channels}/BitsPerComponent {bits}/Columns {width}"


def _profile(image: Pil.Image) -> bytes:
    """The ICC profile of a picture, if it is of the kind its pixels are (ICC.1:2010, 7.2)."""
    profile = image.info.get("icc_profile") or b""
    kinds = {"L": b"GRAY", "P": b"RGB ", "RGB": b"RGB ", "CMYK": b"CMYK", "1": b"GRAY"}
    return bytes(profile) if profile[16:20] == kinds.get(image.mode) else b""


def _stream(data: bytes) -> Stream:
    return Stream(len(data), (data,))
