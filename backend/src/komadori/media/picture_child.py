"""The child behind :func:`komadori.media.query_picture.harmless`: writes a picture small and plain."""

import warnings
from pathlib import Path

from PIL import Image as Pictures
from PIL import ImageOps

from komadori.core.errors import MediaError
from komadori.core.types import JsonDict
from komadori.media.confinement import serve

_FORMATS = ("JPEG", "PNG", "WEBP", "BMP", "GIF", "TIFF")
_LONGEST_PX = 2048
"""Models look at a few hundred; a frame of full HD stays as it is."""

_SMOOTHLY_SHRUNK = ("L", "RGB", "CMYK", "YCbCr")


def shrink(request: JsonDict) -> JsonDict:
    """Write the picture at ``request["path"]`` as a PNG to ``request["out"]``."""
    warnings.simplefilter("ignore")  # of damage that does not matter; sizes are checked here
    Pictures.MAX_IMAGE_PIXELS = None
    try:
        with Pictures.open(Path(request["path"]), formats=_FORMATS) as picture:
            _check_size(picture, int(request["max_pixels"]))
            plain = _plain(picture)
    except (MediaError, MemoryError):
        raise
    except Exception as exc:  # a damaged picture surfaces as any of a dozen types
        raise MediaError(
            f"Expected a picture, but the file cannot be read as one ({type(exc).__name__}).",
            hint="Use a JPEG, PNG or WebP file.",
            code="unreadable-picture",
        ) from exc
    plain.save(request["out"], "PNG", compress_level=1)
    return {}


def _check_size(picture: Pictures.Image, max_pixels: int) -> None:
    if picture.width * picture.height > max_pixels:
        raise MediaError(
            f"The picture has {picture.width} x {picture.height} pixels.",
            hint=f"Make it smaller than {max_pixels // 1_000_000} megapixels.",
            code="picture-too-large",
        )


def _plain(picture: Pictures.Image) -> Pictures.Image:
    """Upright RGB without anything else that came along, such as a profile or a text."""
    picture.draft("RGB", (_LONGEST_PX, _LONGEST_PX))
    orientation = picture.getexif().get(0x0112)
    shrunk = picture if picture.mode in _SMOOTHLY_SHRUNK else picture.convert("RGB")
    shrunk.thumbnail((_LONGEST_PX, _LONGEST_PX))
    shrunk.getexif()[0x0112] = orientation or 1
    upright = ImageOps.exif_transpose(shrunk).convert("RGB")
    return Pictures.frombytes("RGB", upright.size, upright.tobytes())


if __name__ == "__main__":
    serve(shrink)
