"""Image files: frames as pages, decoded by Pillow. Runs inside the sandbox child only.

Sizes are those of the upright picture: EXIF and TIFF orientations are applied.
"""

from __future__ import annotations

import contextlib
import struct
import warnings
from pathlib import Path

import pi_heif
from PIL import AvifImagePlugin, ImageFile, ImageOps
from PIL import Image as Pil

from ingest import pixels
from ingest.content import DocumentFacts, PageFacts, Pixels
from ingest.errors import DamagedFile, NoPages, PageMissing, TooManyPages, TooManyPixels
from ingest.media import Limits
from ocr_core.page import Rotation

_FORMATS = {
    "image/avif": "AVIF",
    "image/bmp": "BMP",
    "image/gif": "GIF",
    "image/heic": "HEIF",
    "image/jp2": "JPEG2000",
    "image/jpeg": "JPEG",
    "image/png": "PNG",
    "image/tiff": "TIFF",
    "image/webp": "WEBP",
}
# A JPEG's further pictures are previews and depth maps, those of a HEIC file views of one scene.
_MANY_FRAMES = {"image/tiff", "image/png", "image/gif", "image/webp", "image/avif"}
_BAD_METADATA = (
    SyntaxError,
    ValueError,
    TypeError,
    LookupError,
    OSError,
    EOFError,
    struct.error,
    OverflowError,
    ZeroDivisionError,
)
_ORIENTATION = 0x0112
_TURNS: dict[int, Rotation] = {3: 180, 4: 180, 5: 90, 6: 90, 7: 270, 8: 270}
_SIDEWAYS = {5, 6, 7, 8}
_BYTES_A_PIXEL = {"1": 1, "L": 1, "I;16": 2, "I;16L": 2, "I;16B": 2}
_DECODED_SHARE = 0.65
"""Of the memory limit, for the picture as decoded; the rest is for its copy in RGB."""
_CHEAP_PIXELS = 1_000_000
_TAIL = 4096
"""Bytes at the end of a file among which its end mark must be."""


def preload() -> None:
    """Load every codec before a child is limited, and let none of them start threads."""
    pi_heif.options.DECODE_THREADS = 1
    AvifImagePlugin.DEFAULT_MAX_THREADS = 1
    pi_heif.register_heif_opener()
    Pil.init()
    ImageFile.LOAD_TRUNCATED_IMAGES = False
    warnings.simplefilter("ignore")
    warnings.simplefilter("error", Pil.DecompressionBombWarning)


class RasterFile:
    """An open image file; raises DocumentRefused if it is no good."""

    def __init__(self, path: Path, media_type: str, limits: Limits) -> None:
        Pil.MAX_IMAGE_PIXELS = limits.max_image_pixels
        self.path = path
        self.media_type = media_type
        self.limits = limits
        self._frames = self.opened()
        self.page_count = self._count_frames()

    def facts(self) -> DocumentFacts:
        """Size of each frame; raises DamagedFile if the first one cannot be decoded.

        A large picture that looks whole is not decoded for this: reading it will do that.
        """
        pages = tuple(self._page_facts(number) for number in range(1, self.page_count + 1))
        if self.media_type == "image/gif":
            self._measure_frames()
        self.frame(1, decode=not self._looks_whole(self.at(1)))
        return DocumentFacts(self.media_type, len(pages), pages)

    def jpeg_pixels(self) -> Pixels | None:
        """The upright pixels of a plain JPEG, by the fastest way; None if it is anything else."""
        if self.media_type != "image/jpeg" or self._frames.mode not in ("L", "RGB"):
            return None
        width, height = self._frames.size
        data = self.path.read_bytes()
        if width * height > self.limits.max_pixels or b"\xff\xd9" not in data[-_TAIL:]:
            return None
        grey = self._frames.mode == "L"
        scan = pixels.decoded_jpeg(data, orientation_of(self._frames), grey=grey)
        whole = scan is not None and scan.shape[0] * scan.shape[1] == width * height
        return scan if whole else None

    def frame(self, page_no: int, *, decode: bool = True) -> Pil.Image:
        """A frame, upright; larger than the limit of a page only where it cannot be made smaller.

        Raises PageMissing, TooManyPixels, and whatever Pillow raises on damage.
        """
        if not 1 <= page_no <= self.page_count:
            raise PageMissing(f"page {page_no} of {self.page_count}")
        image = self.at(page_no)
        self._shrink_while_decoding(image)
        self._check_memory(image)
        if not decode:
            return image
        image.load()
        return _upright(image)

    def at(self, page_no: int) -> ImageFile.ImageFile:
        """The file at a frame, which is decoded from the last one on where it builds on that."""
        if self.page_count == 1:  # opened anew, so that no picture stays in memory
            return self.opened()
        if page_no <= self._frames.tell():  # Pillow does not find its way back in every format
            self._frames.close()
            self._frames = self.opened()
        try:
            self._frames.seek(page_no - 1)
        except (Pil.DecompressionBombWarning, Pil.DecompressionBombError) as error:
            raise TooManyPixels(str(error).partition(",")[0]) from None
        return self._frames

    def opened(self) -> ImageFile.ImageFile:
        """The file opened anew, nothing decoded; raises TooManyPixels and DamagedFile."""
        try:
            return Pil.open(self.path, formats=[_FORMATS[self.media_type]])
        except (Pil.DecompressionBombWarning, Pil.DecompressionBombError) as error:
            raise TooManyPixels(str(error).partition(",")[0]) from None
        except _BAD_METADATA as error:
            raise DamagedFile(f"{type(error).__name__}: {error}"[:300]) from None

    def _count_frames(self) -> int:
        if self.media_type not in _MANY_FRAMES:
            return 1
        count = int(getattr(self._frames, "n_frames", 1))
        if count < 1:
            raise NoPages
        if count > self.limits.max_pages:
            raise TooManyPages(f"{count:,} pages, at most {self.limits.max_pages:,}")
        return count

    def _page_facts(self, page_no: int) -> PageFacts:
        if self.media_type != "image/tiff":  # every frame has the size of the first
            orientation = orientation_of(self._frames)
            width, height = self._frames.size
            if orientation in _SIDEWAYS:
                width, height = height, width
            return PageFacts(page_no, width, height, _TURNS.get(orientation, 0))
        width, height = self.at(page_no).size  # Pillow gives the upright size of a TIFF
        return PageFacts(page_no, width, height)

    def _measure_frames(self) -> None:
        """Raise TooManyPixels if any frame of a GIF declares too many; each has its own size."""
        for page_no in range(2, self.page_count + 1):
            with contextlib.suppress(*_BAD_METADATA):  # damage concerns only the page it is on
                self.at(page_no)

    def _shrink_while_decoding(self, image: ImageFile.ImageFile) -> None:
        """Have a JPEG beyond the page limit decoded at a half, a quarter or an eighth."""
        width, height = image.size
        excess = width * height / self.limits.max_pixels
        if excess > 1 and self.media_type == "image/jpeg":
            scale = excess**-0.5
            image.draft(image.mode, (int(width * scale), int(height * scale)))
            if "dpi" in image.info:
                shrunk = image.size[0] / width
                image.info["dpi"] = tuple(axis * shrunk for axis in image.info["dpi"])

    def _check_memory(self, image: Pil.Image) -> None:
        width, height = image.size
        needed = width * height * _BYTES_A_PIXEL.get(image.mode, 4)
        if width * height > self.limits.max_image_pixels:
            raise TooManyPixels(f"{width} x {height}")
        if needed > _DECODED_SHARE * self.limits.memory_bytes:
            raise TooManyPixels(f"{width} x {height}, which take {needed:,} bytes of memory")

    def _looks_whole(self, image: Pil.Image) -> bool:
        """Whether the picture is large and ends as its format says it must."""
        width, height = image.size
        if width * height <= _CHEAP_PIXELS:
            return False
        with self.path.open("rb") as file:
            file.seek(max(0, self.path.stat().st_size - _TAIL))
            tail = file.read()
        match self.media_type:
            case "image/jpeg":
                return b"\xff\xd9" in tail
            case "image/png":
                return b"IEND" in tail
            case "image/gif":
                return b";" in tail[-16:]
            case "image/tiff":
                return _strips_are_inside(image, self.path.stat().st_size)
            case _:
                return False


def _strips_are_inside(image: Pil.Image, size: int) -> bool:
    """Whether every strip or tile of a TIFF frame lies inside its file of `size` bytes."""
    tags = getattr(image, "tag_v2", {})
    starts = tags.get(273) or tags.get(324) or ()
    counts = tags.get(279) or tags.get(325) or ()
    usual = tags.get(262) in (0, 1, 2, 3)  # grey, RGB and palette: no odd layout to fail on
    ends = (start + count for start, count in zip(starts, counts, strict=False))
    return usual and len(starts) == len(counts) > 0 and all(end <= size for end in ends)


def orientation_of(image: Pil.Image) -> int:
    """How the stored rows are to be turned, as EXIF has it; 1 if nothing sensible is said."""
    try:
        return int(image.getexif().get(_ORIENTATION, 1))
    except _BAD_METADATA:
        return 1


def _upright(image: Pil.Image) -> Pil.Image:
    """The image with its EXIF orientation applied; one with broken EXIF stays as it is."""
    if orientation_of(image) not in range(2, 9):
        return image
    try:
        return ImageOps.exif_transpose(image)
    except _BAD_METADATA:
        return image
