"""Files whose pixels are all there, which every viewer shows, and which Pillow alone refuses.

A PNG or a JPEG may carry text, a color profile or other additions that are broken, cut or very large; a JPEG may lack
its end mark. What lacks pixels stays refused.
"""

import contextlib
import re
import struct
import zlib
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path

from PIL import Image

_PNG = b"\x89PNG\r\n\x1a\n"
_OF_THE_PIXELS = (b"IHDR", b"PLTE", b"IDAT", b"IEND")
_OF_THE_LOOK = (b"tRNS", b"eXIf")  # and iCCP, which is handed on beside the file: Pillow takes small profiles only
_MAX_PROFILE = 50_000_000

_JPEG, _END = b"\xff\xd8", b"\xff\xd9"
_SCAN = 0xDA  # begins the coded pixels
# Where bits of pixels are missing, the decoder takes what follows for them, and each of these gives another picture.
_CONTINUATIONS = (b"", b"\x00" * 64, b"\x55" * 64, b"\xaa" * 64, b"\xfe\x01" * 32)
_A_LITTLE = 16  # bytes; without them pixels are missing


def mended(file: Path | BytesIO) -> Image.Image | None:
    """The picture of a file that Pillow refused, opened but not yet read; None where there is nothing to mend."""
    try:
        data = file.getvalue() if isinstance(file, BytesIO) else file.read_bytes()
    except OSError:
        return None
    if data.startswith(_PNG):
        return _png_without_additions(data)
    if data.startswith(_JPEG):
        return _jpeg_without_broken_additions(data) or _jpeg_with_end_mark(data)
    return None


# PNG.


def _png_without_additions(data: bytes) -> Image.Image | None:
    kept, profile = [_PNG], None
    for kind, body, chunk in _chunks(data):
        if kind in _OF_THE_PIXELS or (kind in _OF_THE_LOOK and _is_whole(chunk)):
            kept.append(chunk)
        elif kind == b"iCCP" and _is_whole(chunk):
            profile = _unpacked_profile(body)
    try:
        picture = Image.open(BytesIO(b"".join(kept)))
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError):
        return None
    if profile:
        picture.info["icc_profile"] = profile
    return picture


def _chunks(data: bytes) -> Iterator[tuple[bytes, bytes, bytes]]:
    """The name, the contents and the whole of each chunk, as far as the file goes."""
    start = len(_PNG)
    while start + 8 <= len(data):
        (length,) = struct.unpack_from(">I", data, start)
        yield data[start + 4 : start + 8], data[start + 8 : start + 8 + length], data[start : start + 12 + length]
        start += 12 + length


def _is_whole(chunk: bytes) -> bool:
    (length,) = struct.unpack_from(">I", chunk)
    return len(chunk) == 12 + length and zlib.crc32(chunk[4:-4]).to_bytes(4, "big") == chunk[-4:]


def _unpacked_profile(body: bytes) -> bytes | None:
    _, _, packed = body.partition(b"\0")
    unpacking = zlib.decompressobj()
    try:
        profile = unpacking.decompress(packed[1:], _MAX_PROFILE)
    except zlib.error:
        return None
    return profile if unpacking.eof else None


# JPEG.


def _jpeg_without_broken_additions(data: bytes) -> Image.Image | None:
    kept, rest = [_JPEG], data
    for marker, body, end in _segments(data):
        rest = data[end:]
        if not 0xE0 <= marker <= 0xEF or _is_of_the_look(marker, body):
            kept.append(b"\xff" + bytes([marker]) + (len(body) + 2).to_bytes(2, "big") + body)
        if marker == _SCAN:
            break
    mended_data = b"".join(kept) + rest
    try:
        with Image.open(BytesIO(mended_data)) as picture:
            picture.load()
    except MemoryError:
        raise
    except Exception:  # a damaged file can make Pillow raise nearly anything
        return None
    return Image.open(BytesIO(mended_data))


def _is_of_the_look(marker: int, body: bytes) -> bool:
    """Whether a segment says how pixels are to be shown (JFIF, Exif, ICC, Adobe), and is as long as it must be."""
    shortest = {0xE0: (b"JFIF\0", 14), 0xE1: (b"Exif\0\0", 14), 0xE2: (b"ICC_PROFILE\0", 15), 0xEE: (b"Adobe", 12)}
    sign, length = shortest.get(marker, (b"", 2**16))
    return body.startswith(sign) and len(body) >= length


def _jpeg_with_end_mark(data: bytes) -> Image.Image | None:
    body = data.removesuffix(_END[:1])  # half a mark
    whole = _has_every_scan(body) and _has_every_pixel(body) and not _has_every_pixel(body[:-_A_LITTLE])
    return Image.open(BytesIO(body + _END)) if whole else None


def _has_every_pixel(body: bytes) -> bool:
    """Whether the picture is the same, whatever follows the bytes that are there."""
    first = None
    for continuation in _CONTINUATIONS:
        try:
            with Image.open(BytesIO(body + continuation + _END)) as picture:
                pixels = zlib.crc32(picture.tobytes())
        except MemoryError:
            raise
        except Exception:  # a damaged file can make Pillow raise nearly anything
            return False
        if first not in (None, pixels):
            return False
        first = pixels
    return True


def _has_every_scan(data: bytes) -> bool:
    """Whether each component has all its coefficients to their last bit.

    A progressive picture comes in scans, each of which shows more. Cut between two of them it looks whole.
    """
    components: list[int] = []
    finished: set[tuple[int, int]] = set()
    for marker, body, _ in _segments(data):
        with contextlib.suppress(IndexError, ValueError):  # a segment that is cut; the decoder says so
            if marker in (0xC0, 0xC1, 0xC2):
                components = [body[6 + 3 * k] for k in range(body[5])]
            elif marker == _SCAN:
                first, last, bits = body[1 + 2 * body[0] : 4 + 2 * body[0]]
                if bits & 15 == 0:
                    finished |= {(body[1 + 2 * k], c) for k in range(body[0]) for c in range(first, last + 1)}
    return bool(components) and all((one, c) in finished for one in components for c in range(64))


def _segments(data: bytes) -> Iterator[tuple[int, bytes, int]]:
    """The marker, the contents and the end of each segment; the coded pixels between them are passed over."""
    start = 0
    while found := re.compile(rb"\xff[^\x00\x01\xd0-\xd8\xff]").search(data, start):
        length = int.from_bytes(data[found.end() : found.end() + 2], "big")
        start = found.end() + max(length, 2)
        yield found[0][1], data[found.end() + 2 : start], start
