"""Decoding one image of the user's."""

from __future__ import annotations

import io
import re
import struct
import warnings
import zlib
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bench.core.errors import DataError

DAMAGE = (
    *(OSError, EOFError, SyntaxError, ValueError, TypeError, IndexError, KeyError, OverflowError),
    *(struct.error, zlib.error),
)
"""What Pillow's decoders raise on damaged files."""

Image = NDArray[np.uint8]


def decode(source: Path | bytes, name: str) -> Image:
    """Decode one image, turned upright as its EXIF says, as RGB.

    Raises:
        DataError: if it is damaged, too large, or no image.
    """
    from PIL import Image as Pillow
    from PIL import ImageOps, UnidentifiedImageError

    try:
        with warnings.catch_warnings():
            # Pillow's own limit on pixels (a few bytes can claim a terabyte) is an error here
            warnings.simplefilter("error", Pillow.DecompressionBombWarning)
            with Pillow.open(io.BytesIO(source) if isinstance(source, bytes) else source) as image:
                if image.mode.startswith(("I", "F")) or _cut_to_eight_bits(image):
                    raise DataError(
                        f"image {name} has more than 8 bits a channel; save it as 8-bit"
                    )
                upright = ImageOps.exif_transpose(image)
                if upright.has_transparency_data:
                    upright = upright.convert("RGBA")  # as Pillow asks before RGB
                return np.asarray(upright.convert("RGB"), dtype=np.uint8)
    except UnidentifiedImageError as error:  # its own words show a path or an address
        raise DataError(f"image {name} cannot be decoded: no known form of image") from error
    except DAMAGE as error:
        why = (error.strerror if isinstance(error, OSError) else None) or error
        raise DataError(f"image {name} cannot be decoded: {why}") from error
    except (Pillow.DecompressionBombError, Pillow.DecompressionBombWarning) as error:
        raise DataError(f"image {name} is too large: {error}") from error


def _cut_to_eight_bits(image: Any) -> bool:
    """Whether Pillow would drop half of each channel's bits: colours of 16 have modes of 8 there,
    and only the raw mode that its decoder is given tells them ("RGB;16B")."""
    told = (str(tile[3]) for tile in getattr(image, "tile", ()))
    return any(re.search(r";16[BLN]", text) for text in told)
