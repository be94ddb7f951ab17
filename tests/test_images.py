"""Pictures in and out: what comes in is right or refused with words that help; what goes out is whole."""

import contextlib
import io
import os
import socket
import stat
import struct
import time
import tomllib
import warnings
import zlib
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image, ImageCms, ImageFile

from nstlib import __version__, images
from nstlib.errors import ImageError, InputError, RunWarning
from nstlib.images import MAX_SIZE, MIN_SIDE, check_output, download, load_image, save_gif, save_image, to_pil
from nstlib.pictures import sources
from nstlib.pictures.sources import bundled_images

RNG = np.random.default_rng(0)
NOISE = RNG.integers(0, 256, (24, 40, 3), np.uint8)


@pytest.fixture(autouse=True)
def no_warning_and_own_cache(monkeypatch, tmp_path_factory):
    monkeypatch.setenv("NST_CACHE", str(tmp_path_factory.mktemp("cache")))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        yield


def encoded(picture, kind, **options):
    buffer = io.BytesIO()
    picture.save(buffer, kind, **options)
    return buffer.getvalue()


def levels(image):
    """A loaded picture as whole 8-bit levels (H, W, 3); fails where values lie between levels."""
    values = image[0].permute(1, 2, 0).double().numpy() * 255
    assert np.allclose(values, values.round(), atol=1e-3)
    return values.round().astype(int)


def pixel(image):
    """The one color of a picture of one color, in levels 0 to 255."""
    assert (image == image[..., :1, :1]).all()
    return [round(value, 1) for value in (image[0, :, 0, 0] * 255).tolist()]


def fail_with(error):
    """A function that raises the error, whatever it is given."""

    def fail(*_, **__):
        raise error

    return fail


# What comes in


class TestGoodPictures:
    def test_shape_type_and_range(self):
        image = load_image(Image.fromarray(NOISE))
        assert image.shape == (1, 3, 24, 40)
        assert image.dtype == torch.float32
        assert image.is_contiguous()
        assert 0 <= image.min() <= image.max() <= 1

    @pytest.mark.parametrize("kind", ["PNG", "BMP", "TIFF", "PPM", "TGA"])
    def test_lossless_files_give_their_exact_values(self, kind, tmp_path):
        path = tmp_path / "picture"
        Image.fromarray(NOISE).save(path, kind)
        assert (levels(load_image(path)) == NOISE).all()

    def test_lossless_webp_gives_its_exact_values(self, tmp_path):
        Image.fromarray(NOISE).save(tmp_path / "a.webp", lossless=True)
        assert (levels(load_image(tmp_path / "a.webp")) == NOISE).all()

    @pytest.mark.parametrize("kind", ["JPEG", "WEBP", "AVIF", "JPEG2000"])
    def test_lossy_files_come_close(self, kind, tmp_path):
        Image.init()
        if kind not in Image.SAVE:
            pytest.skip(f"this Pillow has no {kind}")
        smooth = Image.linear_gradient("L").resize((64, 48)).convert("RGB")
        smooth.save(tmp_path / "picture", kind)
        assert np.abs(load_image(tmp_path / "picture")[0, 0].numpy() * 255 - np.asarray(smooth)[..., 0]).max() < 8

    def test_loading_is_the_same_from_every_kind_of_source(self, tmp_path, monkeypatch):
        Image.fromarray(NOISE).save(tmp_path / "a b ü.png")
        monkeypatch.chdir(tmp_path)
        expected = load_image(NOISE)
        for source in (
            "a b ü.png",
            tmp_path / "a b ü.png",
            (tmp_path / "a b ü.png").as_uri(),
            Image.fromarray(NOISE),
            NOISE.astype(np.float64) / 255,
            NOISE.astype(np.uint16) * 257,
            torch.from_numpy(NOISE).permute(2, 0, 1),
            torch.from_numpy(NOISE / 255).permute(2, 0, 1)[None],
        ):
            assert torch.allclose(load_image(source), expected, atol=1e-6)

    @pytest.mark.parametrize("orientation", range(1, 9))
    @pytest.mark.parametrize("kind", ["PNG", "TIFF"])
    def test_rotation_of_the_camera(self, orientation, kind, tmp_path):
        """The EXIF standard says which sides of the upright picture the first stored row and column are."""
        stored = {
            1: NOISE,
            2: NOISE[:, ::-1],
            3: NOISE[::-1, ::-1],
            4: NOISE[::-1],
            5: NOISE.transpose(1, 0, 2),
            6: np.rot90(NOISE),
            7: NOISE[::-1, ::-1].transpose(1, 0, 2),
            8: np.rot90(NOISE, -1),
        }[orientation]
        exif = Image.Exif()
        exif[0x0112] = orientation
        Image.fromarray(np.ascontiguousarray(stored)).save(tmp_path / "a", kind, exif=exif)
        assert (levels(load_image(tmp_path / "a")) == NOISE).all()

    def test_size_counts_after_the_rotation(self, tmp_path):
        exif = Image.Exif()
        exif[0x0112] = 6
        Image.new("RGB", (80, 40)).save(tmp_path / "a.jpg", exif=exif)
        assert load_image(tmp_path / "a.jpg", 60).shape == (1, 3, 60, 30)

    def test_broken_exif_is_ignored(self, tmp_path):
        Image.fromarray(NOISE).save(tmp_path / "a.png", exif=b"Exif\0\0II*\0\xff\xff\xff\xff junk")
        assert (levels(load_image(tmp_path / "a.png")) == NOISE).all()

    def test_a_given_pil_picture_stays_as_it_was(self):
        picture = Image.fromarray(NOISE)
        picture.getexif()[0x0112] = 6
        assert load_image(picture).shape == (1, 3, 40, 24)
        assert picture.size == (40, 24)
        assert picture.getexif()[0x0112] == 6

    @pytest.mark.parametrize(
        ("mode", "color", "expected"),
        [
            ("1", 1, [255, 255, 255]),
            ("L", 77, [77, 77, 77]),
            ("RGB", (10, 20, 30), [10, 20, 30]),
            ("RGBX", (10, 20, 30, 40), [10, 20, 30]),
            ("RGBA", (200, 100, 0, 255), [200, 100, 0]),
            ("RGBA", (200, 100, 0, 0), [255, 255, 255]),
            ("RGBA", (200, 100, 0, 51), [244, 224, 204]),
            ("RGBa", (40, 20, 0, 51), [244, 224, 204]),
            ("LA", (100, 51), [224, 224, 224]),
            ("La", (20, 51), [224, 224, 224]),
            ("CMYK", (0, 0, 0, 0), [255, 255, 255]),
            ("CMYK", (255, 0, 0, 0), [0, 255, 255]),
            ("YCbCr", (128, 128, 128), [128, 128, 128]),
            ("HSV", (0, 255, 255), [255, 0, 0]),
            ("I;16", 65535, [255, 255, 255]),
            ("I;16", 32768, [127.5, 127.5, 127.5]),
            ("I;16", 256, [1, 1, 1]),
            ("I;16B", 32768, [127.5, 127.5, 127.5]),
            ("I", 65535, [255, 255, 255]),
            ("I", 32768, [127.5, 127.5, 127.5]),
            ("I", 200, [200, 200, 200]),
            ("F", 0.5, [127.5, 127.5, 127.5]),
            ("F", 200.0, [200, 200, 200]),
        ],
    )
    def test_modes(self, mode, color, expected):
        assert pixel(load_image(Image.new(mode, (20, 16), color))) == expected

    @pytest.mark.parametrize(("lab", "expected"), [((255, 128, 128), [255, 255, 255]), ((138, 209, 198), [255, 0, 0])])
    def test_lab(self, lab, expected):
        assert np.abs(np.subtract(pixel(load_image(Image.new("LAB", (20, 16), lab))), expected)).max() <= 5

    def test_palette(self, tmp_path):
        picture = Image.fromarray(NOISE).quantize(16)
        picture.save(tmp_path / "a.png")
        assert (levels(load_image(tmp_path / "a.png")) == np.asarray(picture.convert("RGB"))).all()

    def test_palette_with_a_transparent_entry_is_laid_over_white(self, tmp_path):
        picture = Image.new("P", (20, 16), 1)
        picture.putpalette([255, 0, 0, 0, 255, 0])
        for kind in ("PNG", "GIF"):
            picture.save(tmp_path / kind, kind, transparency=1)
            assert pixel(load_image(tmp_path / kind)) == [255, 255, 255]
            picture.save(tmp_path / kind, kind, transparency=0)
            assert pixel(load_image(tmp_path / kind)) == [0, 255, 0]

    def test_palette_with_half_transparent_entries_is_laid_over_white(self, tmp_path):
        picture = Image.new("P", (20, 16), 1)
        picture.putpalette([255, 0, 0, 0, 100, 0])
        picture.save(tmp_path / "a.png", transparency=bytes([255, 51]))
        assert pixel(load_image(tmp_path / "a.png")) == [204, 224, 204]

    def test_palette_with_alpha_mode(self):
        picture = Image.new("PA", (20, 16), (1, 51))
        picture.putpalette([255, 0, 0, 0, 100, 0])
        assert pixel(load_image(picture)) == [204, 224, 204]

    @pytest.mark.parametrize(
        ("mode", "color"), [("L", 7), ("RGB", (7, 8, 9)), ("1", 0), ("I;16", 700)], ids=lambda value: str(value)
    )
    def test_one_transparent_color_is_laid_over_white(self, mode, color, tmp_path):
        Image.new(mode, (20, 16), color).save(tmp_path / "a.png", transparency=color)
        assert pixel(load_image(tmp_path / "a.png")) == [255, 255, 255]

    def test_transparency_does_not_bleed_into_a_smaller_picture(self):
        picture = Image.new("RGBA", (64, 64), (0, 0, 0, 0))
        assert pixel(load_image(picture, 32)) == [255, 255, 255]

    def test_sixteen_bit_png_is_neither_clipped_nor_cut_to_eight_bits(self, tmp_path):
        values = np.linspace(0, 65535, 20 * 16).reshape(16, 20).astype(np.uint16)
        Image.fromarray(values).save(tmp_path / "a.png")
        image = load_image(tmp_path / "a.png")
        assert np.allclose(image[0].numpy(), values / 65535, atol=1e-7)

    def test_sixteen_bit_color_png(self, tmp_path):
        values = np.array([65535, 32768, 0], ">u2")
        rows = (b"\0" + values.tobytes() * 20) * 16
        (tmp_path / "a.png").write_bytes(png_of(20, 16, 16, 2, rows))
        assert pixel(load_image(tmp_path / "a.png")) == [255, 128, 0]

    def test_float_tiff(self, tmp_path):
        values = RNG.random((16, 20), np.float32)
        Image.fromarray(values).save(tmp_path / "a.tif")
        assert np.allclose(load_image(tmp_path / "a.tif")[0, 1].numpy(), values)

    def test_adobe_cmyk_jpeg_is_not_a_negative(self, tmp_path):
        Image.new("CMYK", (32, 32), (0, 255, 255, 0)).save(tmp_path / "a.jpg", quality=100)
        assert b"Adobe" in (tmp_path / "a.jpg").read_bytes()[:200]
        assert np.abs(np.subtract(pixel(load_image(tmp_path / "a.jpg")), [255, 0, 0])).max() <= 2

    @pytest.mark.parametrize("kind", ["GIF", "WEBP", "PNG", "TIFF"])
    def test_an_animation_gives_its_first_frame(self, kind, tmp_path):
        red, blue = (Image.new("RGB", (32, 32), color) for color in ("red", "blue"))
        options = {"lossless": True} if kind == "WEBP" else {}
        red.save(tmp_path / "a", kind, save_all=True, append_images=[blue], **options)
        with Image.open(tmp_path / "a") as movie:
            assert movie.n_frames == 2
        assert pixel(load_image(tmp_path / "a")) == [255, 0, 0]

    @pytest.mark.parametrize(
        ("array", "expected"),
        [
            (np.full((16, 20), 100, np.uint8), [100, 100, 100]),
            (np.full((16, 20, 1), 100, np.uint8), [100, 100, 100]),
            (np.full((16, 20, 3), [1, 2, 3], np.uint8), [1, 2, 3]),
            (np.full((16, 20, 4), [200, 100, 0, 51], np.uint8), [244, 224, 204]),
            (np.full((16, 20), True), [255, 255, 255]),
            (np.full((16, 20), 0x8000, np.uint16), [127.5, 127.5, 127.5]),
            (np.full((16, 20, 3), 0x8000, ">u2"), [127.5, 127.5, 127.5]),
            (np.full((16, 20, 3), 0.5, np.float16), [127.5, 127.5, 127.5]),
            (np.full((16, 20, 4), [1, 0, 0, 0.5]), [255, 127.5, 127.5]),
            (np.full((16, 20, 3), 1 + 1e-6), [255, 255, 255]),
            (np.full((32, 40, 3), 9, np.uint8)[::2, ::-2], [9, 9, 9]),
        ],
        ids=lambda value: f"{value.dtype}-{value.shape}" if isinstance(value, np.ndarray) else "",
    )
    def test_arrays(self, array, expected):
        assert pixel(load_image(array)) == expected

    def test_a_tensor_batch_stays_a_batch(self):
        batch = torch.rand(4, 3, 20, 30)
        assert torch.equal(load_image(batch), batch)
        assert load_image(batch, 60).shape == (4, 3, 40, 60)
        assert torch.equal(load_image(batch, 60)[2:3], load_image(batch[2], 60))

    def test_what_is_loaded_shares_no_memory_with_its_source(self):
        for source in (torch.full((3, 16, 16), 0.5), np.full((16, 16, 3), 0.5, np.float32)):
            load_image(source).zero_()
            assert source.max() == 0.5

    def test_a_tensor_that_requires_gradients_gives_a_plain_picture(self):
        assert not load_image(torch.rand(3, 16, 16, requires_grad=True)).requires_grad

    @pytest.mark.parametrize("dtype", [torch.float64, torch.float16, torch.bfloat16])
    def test_tensors_of_other_floats(self, dtype):
        assert pixel(load_image(torch.full((3, 16, 16), 0.5, dtype=dtype))) == [127.5] * 3

    def test_device(self):
        assert load_image(NOISE, device="meta").device.type == "meta"


class TestColorProfiles:
    SRGB = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()

    @staticmethod
    def with_primaries(profile, **primaries):
        """The sRGB profile with other colorants, given as XYZ under D50."""
        changed = bytearray(profile)
        for k in range(struct.unpack(">I", profile[128:132])[0]):
            tag, offset, _ = struct.unpack(">4sII", profile[132 + 12 * k : 144 + 12 * k])
            if tag.decode() in primaries:
                numbers = (round(value * 65536) for value in primaries[tag.decode()])
                changed[offset + 8 : offset + 20] = struct.pack(">3i", *numbers)
        return bytes(changed)

    def display_p3(self):
        return self.with_primaries(
            self.SRGB, rXYZ=(0.5151, 0.2412, -0.0011), gXYZ=(0.2920, 0.6922, 0.0419), bXYZ=(0.1571, 0.0666, 0.7841)
        )

    @pytest.mark.parametrize(
        ("kind", "options"), [("PNG", {}), ("TIFF", {}), ("WEBP", {"lossless": True}), ("JPEG", {"quality": 100})]
    )
    def test_display_p3_becomes_srgb(self, kind, options, tmp_path):
        """The red of sRGB is (234, 51, 35) in Display P3, as color calculators agree."""
        picture = Image.new("RGB", (32, 32), (234, 51, 35))
        picture.save(tmp_path / "a", kind, icc_profile=self.display_p3(), **options)
        assert np.abs(np.subtract(pixel(load_image(tmp_path / "a")), [255, 0, 0])).max() <= 6

    def test_a_profile_works_beneath_transparency_and_white_stays_white(self, tmp_path):
        picture = Image.new("RGBA", (32, 32), (234, 51, 35, 255))
        picture.paste((0, 0, 0, 0), (0, 0, 16, 32))
        picture.save(tmp_path / "a.png", icc_profile=self.display_p3())
        image = load_image(tmp_path / "a.png")
        assert pixel(image[..., :16]) == [255, 255, 255]
        assert np.abs(np.subtract(pixel(image[..., 16:]), [255, 0, 0])).max() <= 6

    def test_a_palette_with_a_profile(self, tmp_path):
        Image.new("RGB", (32, 32), (234, 51, 35)).quantize(4).save(tmp_path / "a.png", icc_profile=self.display_p3())
        assert np.abs(np.subtract(pixel(load_image(tmp_path / "a.png")), [255, 0, 0])).max() <= 6

    def test_the_profile_of_srgb_changes_nothing_to_be_seen(self, tmp_path):
        Image.fromarray(NOISE).save(tmp_path / "a.png", icc_profile=self.SRGB)
        assert np.abs(levels(load_image(tmp_path / "a.png")) - NOISE).max() <= 1

    @pytest.mark.parametrize("mode", ["RGB", "L", "CMYK", "RGBA", "P", "1", "I;16"])
    @pytest.mark.parametrize("profile", ["junk", "lab", "cut", "srgb"])
    def test_a_broken_or_foreign_profile_is_ignored(self, mode, profile, tmp_path):
        profiles = {
            "junk": b"junk",
            "lab": ImageCms.ImageCmsProfile(ImageCms.createProfile("LAB")).tobytes(),
            "cut": self.SRGB[:200],
            "srgb": self.SRGB,
        }
        picture = Image.new(mode, (32, 32))
        expected = pixel(load_image(picture))
        picture.save(tmp_path / "a.tif", icc_profile=profiles[profile])
        assert np.abs(np.subtract(pixel(load_image(tmp_path / "a.tif")), expected)).max() <= 1


class TestSize:
    @given(height=st.integers(1, 300), width=st.integers(1, 300), size=st.none() | st.integers(1, 300))
    def test_longer_side_exact_and_aspect_kept(self, height, width, size):
        array = np.zeros((height, width), np.uint8)
        longer = max(height, width)
        expected = [side * (size or longer) / longer for side in (height, width)]
        try:
            got = load_image(array, size).shape[-2:]
        except ImageError:
            assert round(min(expected)) < MIN_SIDE
            return
        assert max(got) == (size or longer)
        assert all(abs(side - exact) <= 0.5 for side, exact in zip(got, expected, strict=True))
        assert min(got) >= MIN_SIDE

    @given(height=st.integers(40, 120), width=st.integers(40, 120), size=st.integers(60, 200))
    def test_nothing_is_cropped_or_shifted(self, height, width, size):
        """A ramp from 0 to 1 over each axis is the same ramp at any size."""

        def ramps(height, width):
            y, x = ((np.arange(n) + 0.5) / n for n in (height, width))
            return np.stack(np.broadcast_arrays(y[:, None], x, 0.5), -1).astype(np.float32)

        image = load_image(ramps(height, width), size)
        difference = image[0].permute(1, 2, 0).numpy() - ramps(*image.shape[-2:])
        assert np.abs(difference).max() < 0.02

    @given(value=st.integers(0, 255), size=st.integers(16, 100))
    def test_one_color_stays_that_color(self, value, size):
        assert pixel(load_image(np.full((30, 30), value, np.uint8), size)) == pytest.approx([value] * 3)

    def test_fine_detail_is_averaged_not_sampled(self):
        checkers = np.indices((128, 128)).sum(0) % 2 * 255
        image = load_image(checkers.astype(np.uint8), 32)
        assert (image - 0.5).abs().max() < 0.02

    @pytest.mark.parametrize("size", [28, 33, 100])
    def test_the_resampling_is_lanczos_for_levels_and_floats_alike(self, size):
        shape = (size, round(24 * size / 40))
        soft = Image.fromarray(NOISE // 4 + 96)
        expected = np.asarray(soft.resize(shape, Image.Resampling.LANCZOS), int)
        assert (levels(load_image(soft, size)) == expected).all()
        floats = load_image(np.asarray(soft) / 255, size)[0].permute(1, 2, 0).numpy() * 255
        assert np.abs(floats - expected).max() < 1.6  # Pillow rounds levels twice, once for each axis

    def test_ringing_stays_in_range(self):
        edge = np.zeros((32, 32))
        edge[:, 16:] = 1
        for array in (edge, (edge * 255).astype(np.uint8)):
            image = load_image(array, 100)
            assert image.min() == 0
            assert image.max() == 1

    def test_a_long_picture_keeps_its_shape(self):
        assert load_image(np.zeros((1000, 200), np.uint8), 100).shape == (1, 3, 100, 20)

    @pytest.mark.parametrize("size", [0, -5, 512.0, "512", True, MAX_SIZE + 1, 10**9, (512, 512), float("nan")])
    def test_wrong_sizes(self, size):
        with pytest.raises(InputError, match=r"size is .* whole number"):
            load_image(NOISE, size)

    @pytest.mark.parametrize(
        ("width", "height", "size", "words"),
        [
            (1, 1, None, r"1 x 1 pixels; a side needs 16 at least: give a size of 16 or more"),
            (15, 300, None, r"15 x 300 pixels; .* size of 320 or more"),
            (2000, 10, 512, r"2000 x 10 pixels and would be 512 x 3 in size 512; .* size of 3200 or more"),
            (4000, 2, 512, r"cut out a part that is less long"),
            (100, 100, 8, r"would be 8 x 8 in size 8"),
        ],
    )
    def test_too_small_says_what_to_do(self, width, height, size, words):
        with pytest.raises(ImageError, match=words):
            load_image(Image.new("RGB", (width, height)), size)

    def test_the_size_that_the_message_names_works(self):
        assert load_image(np.zeros((15, 300), np.uint8), 320).shape == (1, 3, 16, 320)
        assert load_image(np.zeros((1, 1), np.uint8), 16).shape == (1, 3, 16, 16)


# What is refused


def png_of(width, height, depth, color, rows):
    def chunk(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", width, height, depth, color, 0, 0, 0)
    data = chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + data


def cut(kind, share=0.5, **options):
    data = encoded(Image.fromarray(RNG.integers(0, 256, (96, 96, 3), np.uint8)), kind, **options)
    return data[: int(len(data) * share)]


SVG = b'<?xml version="1.0"?>\n<svg xmlns="http://www.w3.org/2000/svg" width="9" height="9"/>'
EPS = b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 99 99\n%%EndComments\nshowpage\n"
LARGE = (60_000, 60_000)
BAD_FILES = {
    "empty": (b"", "it is empty"),
    "one-byte": (b"\x89", "damaged, or of a kind"),
    "text": (b"This is no picture.\n" * 9, "it is text"),
    "utf8-text": ("Kein Bild, nur schöne Wörter".encode(), "it is text"),
    "html": (b"\n<!DOCTYPE html><html><svg></svg></html>", "web page"),
    "html-without-doctype": (b"\xef\xbb\xbf<html lang=en>", "web page"),
    "svg": (SVG, "SVG, a drawing .* PNG"),
    "pdf": (b"%PDF-1.7\n1 0 obj", "it is a PDF; export the page as PNG"),
    "eps": (EPS, r"a drawing \(EPS\).* PNG"),
    "heic": (b"\0\0\0\x18ftypheic\0\0\0\0mif1heic", "HEIC .* JPEG"),
    "heif": (b"\0\0\0\x18ftypmif1\0\0\0\0mif1heic", "HEIC .* JPEG"),
    "video": (b"\0\0\0\x18ftypisom\0\0\0\0isommp42", "video; save one of its frames"),
    "broken-avif": (b"\0\0\0\x18ftypavif\0\0\0\0avifmif1" + bytes(99), "AVIF|cut off"),
    "zip": (b"PK\x03\x04" + bytes(range(256)), "damaged, or of a kind"),
    "random-bytes": (RNG.bytes(5000), "damaged, or of a kind"),
    "only-zeros": (bytes(5000), "damaged, or of a kind"),
    "cut-jpeg": (cut("JPEG"), "cut off or damaged"),
    "cut-progressive-jpeg": (cut("JPEG", progressive=True), "cut off or damaged"),
    "cut-jpeg-in-its-header": (cut("JPEG", 0.01), "damaged"),
    "cut-png": (cut("PNG"), "cut off or damaged"),
    "cut-png-in-its-header": (cut("PNG", 0.001), "damaged"),
    "cut-gif": (cut("GIF"), "cut off or damaged"),
    "cut-bmp": (cut("BMP"), "cut off or damaged"),
    "cut-tiff": (cut("TIFF"), "damaged"),
    "cut-deflated-tiff": (cut("TIFF", compression="tiff_deflate"), "damaged"),
    "cut-webp": (cut("WEBP"), "damaged"),
    "cut-lossless-webp": (cut("WEBP", lossless=True), "damaged"),
    "cut-ppm": (cut("PPM"), "cut off or damaged"),
    "cut-tga": (cut("TGA"), "cut off or damaged"),
    "cut-jpeg2000": (cut("JPEG2000", 0.01), "damaged"),
    "png-with-a-wrong-checksum": (encoded(Image.fromarray(NOISE), "PNG").replace(b"IDAT", b"IDAT\0"), "damaged"),
    "png-without-pixels": (png_of(32, 32, 8, 2, b""), "cut off or damaged"),
    "png-of-no-width": (png_of(0, 32, 8, 2, b""), "damaged|empty"),
    "bomb-refused-by-pillow": (png_of(60_000, 60_000, 1, 0, b""), "more than 178 million pixels"),
    "bomb-just-too-large": (png_of(13_370, 13_370, 1, 0, b""), "more than 178 million pixels"),
    "bomb-that-pillow-only-warns-of": (png_of(13_000, 13_000, 1, 0, b""), "cut off or damaged"),
    "bomb-in-a-bmp": (
        b"BM" + struct.pack("<IIIIiiHHIIiiII", 99, 0, 54, 40, 50_000, 50_000, 1, 24, *[0] * 6),
        "million",
    ),
    "bomb-in-a-gif": (b"GIF89a" + struct.pack("<HHBBBcHHHHBB", *LARGE, 0, 0, 0, b",", 0, 0, *LARGE, 0, 8), "million"),
    "gray-below-zero": (encoded(Image.fromarray(np.full((20, 20), -9, np.int32)), "TIFF"), "gray values outside 0"),
    "gray-above-16-bit": (encoded(Image.fromarray(np.full((20, 20), 70_000, np.int32)), "TIFF"), "gray values outside"),
    "gray-not-a-number": (encoded(Image.fromarray(np.full((20, 20), np.nan, "f4")), "TIFF"), "gray values outside"),
    "too-small": (encoded(Image.new("RGB", (5, 5)), "PNG"), "5 x 5 pixels"),
}


def test_the_bytes_of_a_file_are_a_picture_too(tmp_path):
    data = encoded(Image.fromarray(NOISE), "PNG")
    (tmp_path / "a.png").write_bytes(data)
    assert torch.equal(load_image(data), load_image(tmp_path / "a.png"))


class TestBadFiles:
    @pytest.mark.parametrize("kind", BAD_FILES)
    def test_every_bad_file_is_refused_by_name_with_advice(self, kind, tmp_path):
        data, words = BAD_FILES[kind]
        path = tmp_path / "holiday.jpg"
        path.write_bytes(data)
        with pytest.raises(ImageError, match=words) as caught:
            load_image(path)
        assert str(caught.value).startswith(str(path))
        assert "\n" not in str(caught.value)
        with pytest.raises(ImageError, match=words):
            load_image(data)

    @pytest.mark.parametrize("kind", ["PNG", "JPEG"])
    @given(share=st.floats(0, 0.9))
    def test_a_file_cut_anywhere_is_never_half_a_picture(self, kind, share, tmp_path_factory):
        path = tmp_path_factory.getbasetemp() / f"cut.{kind}"
        path.write_bytes(cut(kind, share))
        with pytest.raises(ImageError):
            load_image(path)

    @given(data=st.data())
    def test_a_flipped_byte_gives_a_picture_or_an_error_of_our_own(self, data, tmp_path_factory):
        kind = data.draw(st.sampled_from(["PNG", "JPEG", "GIF", "TIFF", "WEBP", "BMP", "TGA", "PPM"]))
        whole = bytearray(encoded(Image.fromarray(NOISE), kind))
        whole[data.draw(st.integers(0, len(whole) - 1))] ^= data.draw(st.integers(1, 255))
        path = tmp_path_factory.getbasetemp() / "flipped"
        path.write_bytes(whole)
        with contextlib.suppress(ImageError):
            assert load_image(path, 64).shape[1] == 3

    def test_cut_files_stay_errors_for_pillow_too(self):
        assert ImageFile.LOAD_TRUNCATED_IMAGES is False

    def test_a_first_frame_that_is_whole_is_enough(self, tmp_path):
        frames = [Image.new("RGB", (32, 32), color) for color in ("red", "blue")]
        frames[0].save(tmp_path / "a.gif", save_all=True, append_images=frames[1:])
        (tmp_path / "a.gif").write_bytes((tmp_path / "a.gif").read_bytes()[:-20])
        assert pixel(load_image(tmp_path / "a.gif")) == [255, 0, 0]

    def test_no_permission(self, tmp_path, monkeypatch):
        def refuse(*_):
            raise PermissionError(13, "Permission denied")

        (tmp_path / "a.png").write_bytes(encoded(Image.fromarray(NOISE), "PNG"))
        monkeypatch.setattr(Image, "open", refuse)
        with pytest.raises(ImageError, match=r"a\.png may not be read; change its permissions") as caught:
            load_image(tmp_path / "a.png")
        assert isinstance(caught.value.__cause__, PermissionError)

    @pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no pipes on this system")
    def test_a_pipe_does_not_hang(self, tmp_path):
        os.mkfifo(tmp_path / "pipe.png")
        with pytest.raises(ImageError, match="device or a pipe"):
            load_image(tmp_path / "pipe.png")


class TestBadSources:
    @pytest.mark.parametrize("source", [None, 5, 0.5, ["a.png"], {}, object(), io.BytesIO(b"x"), Path])
    def test_things_that_are_no_source(self, source):
        with pytest.raises(InputError, match=r"cannot be made of .* give a path, an http\(s\) address"):
            load_image(source)

    @pytest.mark.parametrize(
        ("array", "words"),
        [
            (np.full((20, 20, 3), 255.0), r"floats from 255 to 255, .* divide by 255"),
            (np.full((20, 20, 3), -0.5), r"floats from -0.5 to -0.5"),
            (np.full((20, 20, 3), np.nan), "not finite"),
            (np.full((20, 20, 3), np.inf), "not finite"),
            (np.zeros((20, 20, 3), np.int64), "holds int64; give uint8"),
            (np.zeros((20, 20, 3), complex), "holds complex128"),
            (np.array([["a"] * 20] * 20), "holds <U1"),
            (np.array([[None] * 20] * 20), "holds object"),
            (np.zeros((20, 20, 2), np.uint8), r"shape \(20, 20, 2\)"),
            (np.zeros((20, 20, 5), np.uint8), r"shape \(20, 20, 5\)"),
            (np.zeros((3, 20, 30), np.uint8), r"channels come first: give array.transpose\(1, 2, 0\)"),
            (np.zeros(20, np.uint8), r"shape \(20,\)"),
            (np.zeros((1, 20, 20, 3), np.uint8), r"shape \(1, 20, 20, 3\)"),
            (np.zeros((), np.uint8), r"shape \(\)"),
            (np.zeros((0, 20, 3), np.uint8), "is empty"),
            (torch.zeros(20, 30), r"shape \(20, 30\)"),
            (torch.zeros(1, 20, 30), r"shape \(1, 20, 30\)"),
            (torch.zeros(20, 30, 3), r"shape \(20, 30, 3\)"),
            (torch.zeros(0, 3, 20, 30), "is empty"),
            (torch.full((3, 20, 30), 255.0), "divide by 255"),
            (torch.full((3, 20, 30), torch.nan), "not finite"),
            (torch.zeros(3, 20, 30, dtype=torch.int32), "holds int32"),
            (Image.new("RGB", (0, 0)), "is empty"),
        ],
        ids=lambda value: value if isinstance(value, str) else type(value).__name__,
    )
    def test_values_that_are_no_picture(self, array, words):
        with pytest.raises(ImageError, match=words):
            load_image(array)

    @pytest.mark.parametrize("when", ["before reading", "after reading", "by with", "the file alone", "no file at all"])
    def test_a_closed_pil_picture_is_not_called_damaged(self, when, tmp_path):
        (tmp_path / "a.png").write_bytes(encoded(Image.fromarray(NOISE), "PNG"))
        with open(tmp_path / "a.png", "rb") as file:
            picture = Image.fromarray(NOISE) if when == "no file at all" else Image.open(file)
            if when == "by with":
                picture = Image.open(tmp_path / "a.png")
                with picture:
                    pass
            elif when != "the file alone":
                if when == "after reading":
                    picture.load()
                picture.close()
        with pytest.raises(ImageError, match=r"the PIL picture is closed; call its load\(\) before .* give the path"):
            load_image(picture)

    def test_a_pil_picture_that_was_read_before_its_file_was_closed(self, tmp_path):
        (tmp_path / "a.png").write_bytes(encoded(Image.fromarray(NOISE), "PNG"))
        with Image.open(tmp_path / "a.png") as picture:
            picture.load()
        assert (levels(load_image(picture)) == NOISE).all()

    def test_a_pil_picture_with_too_many_pixels(self, tmp_path, monkeypatch):
        monkeypatch.setattr(images, "MAX_PIXELS", 100)
        with pytest.raises(ImageError, match="the PIL picture has more than"):
            load_image(Image.fromarray(NOISE))


# Names and paths


class TestFinding:
    def test_kinds(self):
        assert set(bundled_images("photo")) == {
            "astronaut",
            "chelsea",
            "coffee",
            "hubble_deep_field",
            "retina",
            "rocket",
        }
        assert bundled_images() == [*bundled_images("content"), *bundled_images("style"), *bundled_images("photo")]
        with pytest.raises(InputError, match="kind is 'photos'; choose one of: content, style, photo"):
            bundled_images("photos")

    def test_bundled_names_are_unique(self):
        assert len(set(bundled_images())) == len(bundled_images())

    @pytest.mark.parametrize("name", bundled_images())
    def test_every_bundled_picture_loads_from_any_folder(self, name, tmp_path, monkeypatch):
        monkeypatch.chdir(tmp_path)
        assert max(load_image(name, size=64).shape[-2:]) == 64

    @pytest.fixture
    def home(self, tmp_path, monkeypatch):
        """A clone with one picture in it; the current folder is its folder of notebooks."""
        for folder in ("img/style", "notebooks"):
            (tmp_path / folder).mkdir(parents=True)
        Image.new("RGB", (20, 20), "red").save(tmp_path / "img/style/mosaic.jpg", quality=100)
        monkeypatch.setattr(sources, "_HOME", tmp_path)
        monkeypatch.chdir(tmp_path / "notebooks")
        return tmp_path

    @pytest.mark.parametrize("source", ["mosaic", "mosaic.jpg", "img/style/mosaic.jpg", "../img/style/mosaic.jpg"])
    def test_a_bundled_picture_by_name_and_by_path_from_the_notebooks(self, home, source):
        assert load_image(source).shape == (1, 3, 20, 20)
        assert "mosaic" in bundled_images("style")

    def test_a_file_of_that_name_wins(self, home):
        Image.new("RGB", (30, 30)).save("mosaic", "PNG")
        assert load_image("mosaic").shape == (1, 3, 30, 30)

    def test_a_wrong_name_names_the_nearest_and_how_to_give_a_path(self, home):
        with pytest.raises(ImageError, match=r"'mosiac'; the nearest is mosaic\. .* give its path, for example"):
            load_image("mosiac")

    def test_a_name_like_no_other_names_them_all(self, home):
        with pytest.raises(ImageError, match="the nearest are mosaic, astronaut, chelsea"):
            load_image("xyzzy")

    def test_tilde(self, home, monkeypatch):
        monkeypatch.setenv("HOME", str(home))
        monkeypatch.setenv("USERPROFILE", str(home))
        assert load_image("~/img/style/mosaic.jpg").shape == (1, 3, 20, 20)

    def test_a_folder(self, home):
        with pytest.raises(ImageError, match=r"is a folder; give one picture in it, for example .*mosaic\.jpg"):
            load_image(home / "img" / "style")
        with pytest.raises(ImageError, match=r"is a folder; give one picture in it$"):
            load_image(home / "notebooks")

    @pytest.mark.parametrize(
        ("source", "words"),
        [
            ("../img/style/mosaik.jpg", r"no file 'mosaik.jpg' in the folder .*style; the nearest .* are mosaic.jpg"),
            ("../img/style/zebra.png", r"no file 'zebra.png' in the folder .*style; check its name"),
            ("../img/stile/mosaic.jpg", r"the folder .*stile does not exist"),
            ("../img/style/mosaic.jpg/a.jpg", r"the folder .*mosaic.jpg does not exist"),
            ("", "the path is empty"),
            ("  ", "the path is empty"),
            ("a\0b.png", "no file"),
            ("x" * 5000 + ".png", "no file"),
            ("ftp://example.org/a.png", "address of the kind 'ftp'; give an http"),
            ("s3://bucket/a.png", "address of the kind 's3'"),
            ("data:image/png;base64,iVBORw0KGgo=", "address of the kind 'data'"),
            ("file:///nowhere/a.png", "folder .*nowhere does not exist"),
        ],
    )
    def test_paths_that_lead_nowhere(self, home, source, words):
        with pytest.raises(ImageError, match=words):
            load_image(source)

    def test_a_folder_that_may_not_be_entered(self, home, monkeypatch):
        monkeypatch.setattr(os, "access", lambda *_: False)
        with pytest.raises(ImageError, match=r"the folder .*style may not be read; change its permissions"):
            load_image("../img/style/other.jpg")


# The network


PNG = encoded(Image.fromarray(NOISE), "PNG")


def endless(write):
    while True:
        write(bytes(65_536))


def drip(write):
    for byte in PNG[:40]:
        write(bytes([byte]))
        time.sleep(0.05)


def kept_files():
    return [path for path in sources.cache_folder().rglob("*") if path.is_file()]


class TestDownload:
    def test_an_address_is_loaded_once_and_then_comes_from_the_cache(self, http_server):
        server = http_server({"/a.png": (200, {"Content-Type": "image/png"}, PNG)})
        first, second = load_image(server.url("/a.png")), load_image(server.url("/a.png"))
        assert torch.equal(first, second)
        assert (levels(first) == NOISE).all()
        assert [path for path, _ in server.requests] == ["/a.png"]

    def test_the_user_agent_names_the_project_and_its_address(self, http_server):
        """Wikimedia refuses programs that give no address."""
        server = http_server({"/a.png": (200, {}, PNG)})
        download(server.url("/a.png"))
        agent = server.requests[0][1]["User-Agent"]
        about = tomllib.loads((Path(__file__).parents[1] / "pyproject.toml").read_text())
        repository = about["project"]["urls"]["Repository"]
        assert agent == f"nstlib/{__version__} ({repository}; neural style transfer tutorials)"

    def test_addresses_that_differ_in_their_query_are_kept_apart(self, http_server):
        server = http_server({"/?id=1": (200, {}, PNG), "/?id=2": (200, {}, PNG)})
        assert download(server.url("/?id=1")) != download(server.url("/?id=2"))

    def test_redirects_are_followed(self, http_server):
        server = http_server({"/a": (302, {"Location": "/b.png"}, b""), "/b.png": (200, {}, PNG)})
        assert load_image(server.url("/a")).shape == (1, 3, 24, 40)

    def test_a_body_without_a_length(self, http_server):
        server = http_server({"/a.png": (200, {}, lambda write: write(PNG))})
        assert load_image(server.url("/a.png")).shape == (1, 3, 24, 40)

    @pytest.mark.parametrize(
        ("page", "words"),
        [
            ((404, {}, b""), r"nothing at this address; check it \(HTTP status 404\)"),
            ((403, {}, b""), r"does not give it to programs; download it in your browser .*403"),
            ((401, {}, b""), r"password.*401"),
            ((410, {}, b""), r"any more.*410"),
            ((429, {}, b""), r"wait a few minutes .*429"),
            ((500, {}, b""), r"the server is in trouble; try again later .*500"),
            ((503, {}, PNG), r"the server is in trouble; try again later .*503"),
            ((418, {}, PNG), r"check the address .*418"),
            ((204, {}, b""), r"no picture came.*204"),
            (
                (200, {"Content-Type": "text/html"}, b"<!doctype html><title>Cat</title>"),
                "web page .* copy its address",
            ),
            ((200, {"Content-Type": "image/png"}, b"<html>hotlinks forbidden"), "web page"),
            ((200, {"Content-Type": "image/svg+xml"}, SVG), "SVG"),
            ((200, {}, b""), "it is empty"),
            ((200, {}, PNG[:-300]), "cut off or damaged"),
            ((200, {"Content-Length": str(len(PNG) + 99)}, PNG), "the download broke off; try again"),
            ((200, {"Content-Length": "60000000"}, PNG), "larger than 50 MB; take a smaller"),
            ((200, {}, endless), "larger than 50 MB; take a smaller"),
            ((302, {"Location": "/page"}, b""), "leads in circles"),
            ((302, {"Location": "file:///etc/hostname"}, b""), "not well formed"),
            ((200, {"Content-Length": "many"}, b"?" * 99), "it is text"),
        ],
        ids=lambda value: value if isinstance(value, str) else "",
    )
    def test_bad_answers_are_told_apart_and_never_kept(self, page, words, http_server):
        server = http_server({"/page": page})
        with pytest.raises(ImageError, match=words) as caught:
            load_image(server.url("/page"))
        assert str(caught.value).startswith(server.url("/page"))
        assert not kept_files()

    def test_a_smaller_limit(self, http_server):
        server = http_server({"/a.png": (200, {}, PNG)})
        with pytest.raises(ImageError, match=r"larger than 0\.001 MB"):
            download(server.url("/a.png"), max_bytes=1000)

    def test_after_a_failure_the_next_try_may_succeed(self, http_server):
        server = http_server({"/a.png": (500, {}, b"")})
        with pytest.raises(ImageError):
            load_image(server.url("/a.png"))
        server.pages["/a.png"] = (200, {}, PNG)
        assert load_image(server.url("/a.png")).shape == (1, 3, 24, 40)

    @pytest.mark.parametrize("body", [drip, lambda write: time.sleep(2)], ids=["drips", "silent"])
    def test_a_slow_server_meets_the_deadline(self, body, http_server):
        server = http_server({"/a.png": (200, {}, body)})
        started = time.monotonic()
        with pytest.raises(ImageError, match="the server took too long"):
            download(server.url("/a.png"), seconds=0.3)
        assert time.monotonic() - started < 1.5
        assert not kept_files()

    def test_a_server_that_is_not_there(self, http_server):
        server = http_server({})
        server.close()
        with pytest.raises(ImageError, match="the server does not answer; check the address and your network"):
            load_image(server.url("/a.png"))

    def test_a_name_that_cannot_be_found(self, monkeypatch, http_server):
        def fail(*_, **__):
            raise socket.gaierror(-2, "Name or service not known")

        monkeypatch.setattr(socket, "getaddrinfo", fail)
        with pytest.raises(ImageError, match="the server's name cannot be found; check its spelling") as caught:
            load_image("http://no-such-server.invalid/a.png")
        assert caught.value.__cause__ is not None

    def test_a_server_without_a_certificate(self, http_server):
        address = http_server({}).url("/a.png").replace("http:", "https:")
        with pytest.raises(ImageError, match="certificate cannot be trusted"):
            load_image(address)

    @pytest.mark.parametrize("address", ["http://", "https://[", "http://a b/c.png", "http://:80/a.png"])
    def test_addresses_that_are_none(self, address, http_server):
        with pytest.raises(ImageError, match="could not be downloaded"):
            load_image(address)

    @pytest.mark.parametrize("place", ["a file", "below a file", "protected", "nul", "a long name"])
    def test_without_a_cache_an_address_loads_all_the_same_and_this_is_said_once(
        self, place, http_server, tmp_path, monkeypatch
    ):
        (tmp_path / "file").write_text("")
        places = {"below a file": "file/a/b", "protected": "protected", "a long name": "x" * 300}
        cache = tmp_path / places.get(place, "file")
        if place == "protected":
            cache.mkdir()
            is_there = Path.open
            refuse = fail_with(PermissionError(13, "Permission denied"))
            monkeypatch.setattr(
                Path, "open", lambda at, *args: (refuse if cache in at.parents else is_there)(at, *args)
            )
        monkeypatch.setattr(sources, "cache_folder", lambda: Path("a\0b") if place == "nul" else cache)
        monkeypatch.setattr(images, "cache_folder", sources.cache_folder)
        server = http_server({"/a.png": (200, {}, PNG), "/b.png": (200, {}, PNG)})
        with pytest.warns(RunWarning, match=r"not kept .* cannot be written; .* NST_CACHE names another"):
            load_image(server.url("/a.png"))
        for page in ("/a.png", "/b.png", "/a.png"):  # a second warning would be an error here
            assert (levels(load_image(server.url(page))) == NOISE).all()
        assert download(server.url("/a.png")).is_file()
        assert len(server.requests) == 2

    def test_where_nothing_can_be_kept_at_all_an_address_loads_from_memory(self, http_server, monkeypatch):
        monkeypatch.setattr(images, "write_whole", fail_with(ImageError("no place")))
        server = http_server({"/a.png": (200, {}, PNG)})
        with pytest.warns(RunWarning, match="downloads are not kept"):
            assert (levels(load_image(server.url("/a.png"))) == NOISE).all()
        with pytest.raises(
            ImageError, match=r"/a\.png cannot be kept: neither .* nor a temporary folder can be written"
        ):
            download(server.url("/a.png"))

    def test_where_the_cache_is(self, monkeypatch):
        monkeypatch.setenv("NST_CACHE", "~/elsewhere")
        assert sources.cache_folder() == Path("~/elsewhere").expanduser()
        monkeypatch.delenv("NST_CACHE")
        assert "nstlib" in str(sources.cache_folder())


# What goes out


class TestToPil:
    def test_values_are_clamped_and_rounded_not_cut_off(self):
        values = torch.tensor([-1.0, 0, 0.4 / 255, 0.6 / 255, 99.4 / 255, 99.6 / 255, 1, 2]).expand(3, 2, 8)
        assert np.asarray(to_pil(values))[0, :, 0].tolist() == [0, 0, 0, 1, 99, 100, 255, 255]

    def test_shapes_and_types(self):
        image = torch.rand(1, 3, 16, 20)
        expected = np.asarray(to_pil(image))
        assert expected.shape == (16, 20, 3)
        for other in (image[0], image.double(), image.contiguous(memory_format=torch.channels_last)):
            assert (np.asarray(to_pil(other.requires_grad_())) == expected).all()

    @pytest.mark.parametrize(
        ("image", "words"),
        [
            (torch.rand(4, 3, 16, 16), r"batch of 4 pictures; choose one, for example image\[0\]"),
            (torch.rand(1, 16, 16), r"shape \(3, H, W\) or \(1, 3, H, W\), not \(1, 16, 16\)"),
            (torch.rand(16, 16, 3), "shape"),
            (torch.rand(16, 16), "shape"),
            (torch.rand(3), "shape"),
            (torch.tensor(0.5), "shape"),
            (torch.rand(0, 3, 16, 16), "shape"),
            (torch.rand(3, 0, 16), "shape"),
            (torch.zeros(3, 16, 16, dtype=torch.uint8), "tensor of floats .* not torch.uint8"),
            (np.zeros((3, 16, 16)), "tensor of floats .* not ndarray"),
            (None, "not NoneType"),
        ],
        ids=lambda value: value if isinstance(value, str) else "",
    )
    def test_wrong_pictures(self, image, words):
        with pytest.raises(InputError, match=words):
            to_pil(image)

    def test_not_a_number_is_not_black(self):
        with pytest.raises(ImageError, match="NaN"):
            to_pil(torch.full((3, 16, 16), torch.nan))


class TestSaveImage:
    @given(seed=st.integers(0, 2**32 - 1), height=st.integers(16, 40), width=st.integers(16, 40))
    def test_png_gives_back_what_was_saved_to_half_a_level(self, seed, height, width, tmp_path_factory):
        image = torch.rand(1, 3, height, width, generator=torch.Generator().manual_seed(seed))
        path = save_image(image, tmp_path_factory.getbasetemp() / "round.png")
        back = load_image(path)
        assert (back - image).abs().max() <= 0.5 / 255 + 1e-6
        assert torch.equal(load_image(save_image(back, path)), back)

    @pytest.mark.parametrize(
        ("suffix", "kind"),
        {
            ".png": "PNG",
            ".jpg": "JPEG",
            ".JPEG": "JPEG",
            ".webp": "WEBP",
            ".tif": "TIFF",
            ".tiff": "TIFF",
            ".bmp": "BMP",
        }.items(),
    )
    def test_the_suffix_says_the_format(self, suffix, kind, tmp_path):
        smooth = load_image(Image.linear_gradient("L"), 64)
        path = save_image(smooth, tmp_path / f"a{suffix}")
        with Image.open(path) as picture:
            assert picture.format == kind
        assert (load_image(path) - smooth).abs().max() < 0.04

    def test_quality(self, tmp_path):
        sizes = [save_image(load_image(NOISE), tmp_path / "a.jpg", q).stat().st_size for q in (10, 92, 100)]
        assert sizes == sorted(sizes)
        for quality in (0, 101, 92.5, True, None):
            with pytest.raises(InputError, match=r"quality is .*; expected a whole number, from 1 to 100"):
                save_image(load_image(NOISE), tmp_path / "a.jpg", quality)

    def test_jpeg_keeps_the_resolution_of_color(self, tmp_path):
        path = save_image(load_image(NOISE), tmp_path / "a.jpg")
        with Image.open(path) as picture:
            assert [layer[1:3] for layer in picture.layer] == [(1, 1)] * 3

    def test_a_pil_picture_can_be_saved_and_transparency_becomes_white(self, tmp_path):
        path = save_image(Image.new("RGBA", (20, 20), (0, 0, 0, 0)), tmp_path / "a.jpg")
        assert pixel(load_image(path)) == [255, 255, 255]

    def test_folders_are_made_and_the_full_path_given(self, tmp_path, monkeypatch):
        monkeypatch.chdir(tmp_path)
        path = save_image(load_image(NOISE), "new/folder/a.png")
        assert path == tmp_path / "new" / "folder" / "a.png"
        assert path.is_file()

    def test_an_interrupted_write_leaves_the_old_file_and_no_rest(self, tmp_path, monkeypatch):
        path = save_image(load_image(NOISE), tmp_path / "a.png")
        before = path.read_bytes()
        for interruption, raised in ((KeyboardInterrupt(), KeyboardInterrupt), (OSError(28, "No space"), ImageError)):

            def half(self, file, error=interruption, **_):
                file.write(b"half a pict")
                raise error

            with monkeypatch.context() as patch:
                patch.setattr(Image.Image, "save", half)
                with pytest.raises(raised):
                    save_image(torch.zeros(3, 16, 16), path)
            assert path.read_bytes() == before
            assert os.listdir(tmp_path) == ["a.png"]

    @pytest.mark.skipif(os.name == "nt", reason="no such permissions on Windows")
    def test_the_file_has_the_usual_permissions(self, tmp_path):
        (tmp_path / "usual").write_text("")
        path = save_image(load_image(NOISE), tmp_path / "a.png")
        assert stat.S_IMODE(path.stat().st_mode) == stat.S_IMODE((tmp_path / "usual").stat().st_mode)

    def test_nothing_is_left_behind_by_a_picture_that_cannot_be_saved(self, tmp_path):
        with pytest.raises(InputError):
            save_image(torch.rand(2, 3, 16, 16), tmp_path / "folder" / "a.png")
        assert os.listdir(tmp_path) == []

    def test_a_picture_too_large_for_its_format(self, tmp_path):
        with pytest.raises(ImageError, match=r"a WEBP picture has 16383 pixels a side .* 17000 x 1; save it as \.png"):
            save_image(torch.zeros(3, 1, 17_000), tmp_path / "a.webp")
        assert os.listdir(tmp_path) == []


class TestCheckOutput:
    BAD = (
        ("a.gif", r"its ending '\.gif' says no known format; possible are \.png, \.jpg"),
        ("a", r"its ending '' says no known format"),
        ("a.svg", r"possible are \.png"),
        ("folder.png", r"it is a folder; give the name of a file in it, for example .*result\.png"),
        ("file/a.png", r"file is a file, not a folder"),
        ("file/b/a.png", r"file is a file, not a folder"),
    )

    @pytest.fixture
    def folder(self, tmp_path):
        (tmp_path / "folder.png").mkdir()
        (tmp_path / "file").write_text("")
        return tmp_path

    @pytest.mark.parametrize(("name", "words"), BAD)
    def test_it_raises_before_what_saving_would_raise_after(self, name, words, folder):
        for attempt in (check_output, lambda path: save_image(load_image(NOISE), path)):
            with pytest.raises(ImageError, match=words) as caught:
                attempt(folder / name)
            assert "cannot be written" in str(caught.value)

    def test_a_good_path_passes_and_nothing_is_made(self, tmp_path):
        assert check_output(tmp_path / "new" / "a.png") == tmp_path / "new" / "a.png"
        assert os.listdir(tmp_path) == []
        assert check_output("~/a.png") == Path("~/a.png").expanduser()
        assert check_output(tmp_path / "a.gif", [".gif"]).name == "a.gif"

    def test_protected_places(self, tmp_path, monkeypatch):
        (tmp_path / "a.png").write_text("")
        monkeypatch.setattr(os, "access", lambda *_: False)
        with pytest.raises(ImageError, match="the file is protected; choose another name"):
            check_output(tmp_path / "a.png")
        with pytest.raises(ImageError, match=r"the folder .* is protected; choose another folder"):
            check_output(tmp_path / "new" / "b.png")


class TestSaveGif:
    def test_frames_times_and_endlessness(self, tmp_path):
        frames = [torch.full((1, 3, 20, 30), k / 4) for k in range(5)]
        path = save_gif(iter(frames), tmp_path / "new" / "a.gif", seconds_a_frame=0.2)
        with Image.open(path) as movie:
            assert movie.n_frames == 5
            assert movie.size == (30, 20)
            assert movie.info["loop"] == 0
            durations = []
            for k in range(5):
                movie.seek(k)
                durations.append(movie.info["duration"])
                assert np.abs(np.asarray(movie.convert("RGB"), int) - 255 * k / 4).max() <= 8
        assert durations == [200, 200, 200, 200, 2000]

    def test_tensors_and_pil_pictures_mix_and_one_frame_is_enough(self, tmp_path):
        save_gif([torch.rand(3, 20, 20), Image.new("L", (20, 20))], tmp_path / "a.gif")
        save_gif([Image.fromarray(NOISE)], tmp_path / "b.gif")
        assert load_image(tmp_path / "b.gif").shape == (1, 3, 24, 40)

    def test_all_frames_share_256_colors_so_that_nothing_flickers(self, tmp_path):
        frames = RNG.integers(0, 256, (4, 40, 40, 3), np.uint8) // [[[[1]]], [[[2]]], [[[3]]], [[[4]]]]
        path = save_gif([load_image(frame.astype(np.uint8)) for frame in frames], tmp_path / "a.gif")
        colors = set()
        with Image.open(path) as movie:
            for k in range(movie.n_frames):
                movie.seek(k)
                colors |= {color for _, color in movie.convert("RGB").getcolors()}
        assert 100 < len(colors) <= 256

    @pytest.mark.parametrize(
        ("frames", "words"),
        [
            ([], "frames of one size, not none at all"),
            ([torch.rand(3, 20, 20), torch.rand(3, 20, 30)], "not 20 x 20, 30 x 20"),
            ([torch.rand(2, 3, 20, 20)], "batch of 2"),
        ],
        ids=["none", "sizes", "batch"],
    )
    def test_wrong_frames(self, frames, words, tmp_path):
        with pytest.raises(InputError, match=words):
            save_gif(frames, tmp_path / "a.gif")
        assert os.listdir(tmp_path) == []

    def test_wrong_path_and_time(self, tmp_path):
        with pytest.raises(ImageError, match=r"possible are \.gif"):
            save_gif([torch.rand(3, 20, 20)], tmp_path / "a.png")
        for seconds in (0, -1, float("nan"), 1e9):
            with pytest.raises(InputError, match="seconds_a_frame is"):
                save_gif([torch.rand(3, 20, 20)], tmp_path / "a.gif", seconds)
