"""Pictures at the edges: files that only Pillow refuses, deep gray, large pictures, little memory, places that fail."""

import io
import os
import shutil
import struct
import subprocess
import sys
import warnings
import zlib
from collections import namedtuple
from pathlib import Path

import numpy as np
import pytest
import tifffile
import torch
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image, ImageCms, ImageFile

from nstlib.errors import ImageError, InputError, OutOfMemory, RunWarning
from nstlib.images import check_output, load_image, safe_stem, save_gif, save_image, save_image_somewhere
from nstlib.pictures import pixels, saving, sources

RNG = np.random.default_rng(0)
NOISE = RNG.integers(0, 256, (48, 80, 3), np.uint8)
SOFT = Image.fromarray(NOISE).resize((160, 96), Image.Resampling.BICUBIC)
LARGER = Image.fromarray(NOISE).resize((643, 385), Image.Resampling.BICUBIC)
SRGB = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()


@pytest.fixture(autouse=True)
def every_warning_is_an_error(monkeypatch, tmp_path_factory):
    monkeypatch.setenv("NST_CACHE", str(tmp_path_factory.mktemp("cache")))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        yield


def encoded(picture, kind, **options):
    buffer = io.BytesIO()
    picture.save(buffer, kind, **options)
    return buffer.getvalue()


def levels(image):
    return image[0].permute(1, 2, 0).double().numpy() * 255


def same_picture(one, other):
    return torch.equal(load_image(one), load_image(other))


# PNG with additions that Pillow does not take


PLAIN = encoded(Image.fromarray(NOISE), "PNG")


def chunk(kind, data, checksum=None):
    checksum = zlib.crc32(kind + data) if checksum is None else checksum
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", checksum)


def with_chunk(added, before=b"IDAT", data=PLAIN):
    at = data.index(before) - 4
    return data[:at] + added + data[at:]


def text(kind=b"zTXt", megabytes=5, method=b"\0"):
    packed = zlib.compress(b"a" * (megabytes * 2**20), 9)
    middle = {b"zTXt": b"\0" + method, b"iTXt": b"\0\1" + method + b"\0\0"}[kind]
    return chunk(kind, b"Comment" + middle + packed)


ADDITIONS = {
    "a large zTXt": text(),
    "a large iTXt": text(b"iTXt"),
    "many large texts": chunk(b"tEXt", b"a\0" + b"b" * 900_000) * 80,
    "text packed in an unknown way": text(megabytes=1, method=b"\7"),
    "text with a wrong checksum": chunk(b"tEXt", b"Title\0Sunset", checksum=1),
    "an unknown addition with a wrong checksum": chunk(b"prVt", b"12345", checksum=1),
    "a profile packed in an unknown way": chunk(b"iCCP", b"name\0\7" + zlib.compress(SRGB)),
    "a profile that is cut": chunk(b"iCCP", b"name\0\0" + zlib.compress(SRGB)[:50]),
    "a profile without a name": chunk(b"iCCP", b""),
    "a profile with a wrong checksum": chunk(b"iCCP", b"name\0\0" + zlib.compress(SRGB), checksum=1),
    "a short gamma": chunk(b"gAMA", b"\0"),
    "a short size in meters": chunk(b"pHYs", b"\0"),
    "short primaries": chunk(b"cHRM", b"\0"),
    "an empty rendering intent": chunk(b"sRGB", b""),
    "a short animation": chunk(b"acTL", b"\0"),
}


class TestPngWithAdditions:
    @pytest.mark.parametrize("before", [b"IDAT", b"IEND"])
    @pytest.mark.parametrize("addition", ADDITIONS)
    def test_an_addition_that_is_large_or_broken_changes_no_pixel(self, addition, before):
        assert same_picture(with_chunk(ADDITIONS[addition], before), PLAIN)

    def test_at_least_the_large_ones_are_refused_by_pillow_alone(self):
        for addition in ("a large zTXt", "a large iTXt", "text packed in an unknown way"):
            with pytest.raises((ValueError, OSError)), Image.open(io.BytesIO(with_chunk(ADDITIONS[addition]))) as it:
                it.load()

    def test_a_file_cut_within_a_text_after_its_pixels(self):
        whole = with_chunk(chunk(b"tEXt", b"Title\0" + b"a" * 500), b"IEND")
        assert same_picture(whole[:-100], PLAIN)

    def test_with_additions_or_without_a_cut_picture_is_refused(self):
        for addition in (b"", ADDITIONS["a large zTXt"]):
            whole = with_chunk(addition)
            with pytest.raises(ImageError, match="damaged"):
                load_image(whole[: -len(PLAIN) // 2])

    def test_a_profile_too_large_for_pillow_is_used(self):
        large = linear(SRGB, b"RGB ") + bytes(2**21)
        large = struct.pack(">I", len(large)) + large[4:]
        picture = with_chunk(chunk(b"iCCP", b"name\0\0" + zlib.compress(large)))
        expected = encoded(Image.fromarray(NOISE), "PNG", icc_profile=linear(SRGB, b"RGB "))
        assert same_picture(picture, expected)
        assert not same_picture(picture, PLAIN)

    def test_what_belongs_to_the_look_stays(self):
        exif = Image.Exif()
        exif[0x0112] = 6
        picture = Image.new("P", (40, 20), 1)
        picture.putpalette([255, 0, 0, 0, 100, 0])
        data = encoded(picture, "PNG", transparency=bytes([255, 51]), exif=exif)
        assert same_picture(with_chunk(text(), data=data), data)
        assert load_image(with_chunk(text(), data=data)).shape == (1, 3, 40, 20)


# JPEG that lacks its end mark


JPEGS = {
    "baseline": {},
    "progressive": {"progressive": True},
    "full color": {"subsampling": 0, "quality": 95},
    "with restart marks": {"restart_marker_rows": 1},
}


class TestJpegWithoutItsEnd:
    @pytest.mark.parametrize("mode", ["RGB", "L", "CMYK"])
    @pytest.mark.parametrize("kind", JPEGS)
    def test_without_its_end_mark_or_half_of_it_every_pixel_is_there(self, kind, mode):
        data = encoded(SOFT.convert(mode), "JPEG", **JPEGS[kind])
        assert same_picture(data[:-2], data)
        assert same_picture(data[:-1], data)

    def test_from_a_path_at_a_size(self, tmp_path):
        data = encoded(SOFT, "JPEG")
        (tmp_path / "a.jpg").write_bytes(data[:-2])
        assert torch.equal(load_image(tmp_path / "a.jpg", 64), load_image(data, 64))

    @pytest.mark.parametrize("kind", JPEGS)
    def test_cut_by_more_it_is_refused(self, kind):
        data = encoded(SOFT, "JPEG", **JPEGS[kind])
        for cut in (4, 5, 6, 8, 12, 20, 50, 200, len(data) // 2):
            with pytest.raises(ImageError, match="cut off or damaged"):
                load_image(data[:-cut])

    def test_a_progressive_picture_cut_between_two_scans_is_refused(self):
        data = encoded(SOFT, "JPEG", progressive=True)
        scans = [k for k in range(len(data)) if data[k : k + 2] == b"\xff\xda"]
        assert len(scans) > 5
        for start in scans[1:]:
            tables = data.rindex(b"\xff\xc4", 0, start)
            for cut in {start, tables if tables > scans[0] else start}:
                with pytest.raises(ImageError, match="cut off or damaged"):
                    load_image(data[:cut])

    @pytest.mark.parametrize("rest", [RNG.bytes(5000), b"\xff" * 5000], ids=["noise", "ones"])
    def test_a_broken_download_that_was_filled_up_is_refused(self, rest):
        data = encoded(SOFT, "JPEG")
        with pytest.raises(ImageError, match="damaged"):
            load_image(data[: len(data) // 2] + rest.replace(b"\xff\xd9", b""))


def segment(marker, body):
    return b"\xff" + bytes([marker]) + struct.pack(">H", len(body) + 2) + body


class TestJpegWithAdditions:
    ADDITIONS = (
        segment(0xE0, b"JFIF\0\1"),
        segment(0xE2, b"ICC_PROFILE\0"),
        segment(0xED, b"Photoshop 3.0\x008BIM\4\4"),
        segment(0xEE, b"Adobe\0"),
    )

    @pytest.mark.parametrize("addition", ADDITIONS, ids=["JFIF", "ICC", "Photoshop", "Adobe"])
    def test_one_that_is_cut_short_changes_no_pixel(self, addition):
        exif = Image.Exif()
        exif[0x0112] = 6
        data = encoded(SOFT, "JPEG", exif=exif, icc_profile=linear(SRGB, b"RGB "))
        with pytest.raises(OSError, match="cannot identify"):
            Image.open(io.BytesIO(data[:2] + addition + data[2:]))
        assert same_picture(data[:2] + addition + data[2:], data)

    @pytest.mark.parametrize("addition", ADDITIONS, ids=["JFIF", "ICC", "Photoshop", "Adobe"])
    def test_a_cut_picture_is_refused_all_the_same(self, addition):
        data = encoded(SOFT, "JPEG")
        with pytest.raises(ImageError, match="damaged"):
            load_image(data[:2] + addition + data[2 : len(data) // 2])


# 16 bits and more


def linear(profile, space=b"GRAY"):
    """A profile in which twice the value is twice the light: with a gamma of 1 for every curve of sRGB's."""
    curve = profile.index(b"para")
    changed = profile[:curve] + struct.pack(">4sIHHi", b"para", 0, 0, 0, 65536) + profile[curve + 16 :]
    if space == b"GRAY":
        changed = changed.replace(b"RGB XYZ ", b"GRAYXYZ ", 1).replace(b"rTRC", b"kTRC", 1)
    return changed


def srgb_of_light(light):
    return np.where(light <= 0.0031308, 12.92 * light, 1.055 * light ** (1 / 2.4) - 0.055)


def tiff(values, byteorder="<", **options):
    buffer = io.BytesIO()
    tifffile.imwrite(buffer, values.astype(values.dtype.newbyteorder(byteorder)), byteorder=byteorder, **options)
    return buffer.getvalue()


class TestDeepPictures:
    RAMP = np.linspace(0, 1, 40 * 20).reshape(20, 40)

    @pytest.mark.parametrize(
        ("kind", "dtype", "white", "tolerance"),
        [
            ("PNG", np.uint16, 65535, 0.02),
            ("TIFF", np.uint16, 65535, 0.02),
            ("TIFF", np.int32, 65535, 0.02),
            ("TIFF", np.float32, 1, 0.02),
            ("PNG", np.uint8, 255, 0.51),
            ("TIFF", np.uint8, 255, 0.51),
        ],
    )
    def test_gray_of_any_depth_follows_its_profile(self, kind, dtype, white, tolerance):
        values = (self.RAMP * white).round(0 if white > 1 else 9).astype(dtype)
        data = encoded(Image.fromarray(values), kind, icc_profile=linear(SRGB))
        assert np.abs(levels(load_image(data))[..., 1] - 255 * srgb_of_light(values / white)).max() < tolerance

    def test_sixteen_bit_gray_with_transparency_follows_its_profile(self):
        rows = (b"\0" + np.array([65535 // 4, 65535], ">u2").tobytes() * 40) * 20
        header = chunk(b"IHDR", struct.pack(">IIBBBBB", 40, 20, 16, 4, 0, 0, 0))
        profile = chunk(b"iCCP", b"gray\0\0" + zlib.compress(linear(SRGB)))
        data = PLAIN[:8] + header + profile + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")
        assert np.abs(levels(load_image(data)) - 255 * srgb_of_light(np.array(0.25))).max() < 1

    @pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
    @pytest.mark.parametrize("compression", [None, "zlib"])
    @pytest.mark.parametrize("planar", ["contig", "separate"])
    @pytest.mark.parametrize("byteorder", ["<", ">"])
    def test_a_color_tiff_has_its_values_or_is_refused_by_name(self, dtype, compression, planar, byteorder):
        values = NOISE.astype(dtype) * (257 if dtype == np.uint16 else 1)
        stored = values if planar == "contig" else values.transpose(2, 0, 1)
        data = tiff(stored, byteorder, photometric="rgb", planarconfig=planar, compression=compression)
        if (dtype, compression, planar) == (np.uint16, None, "separate"):
            with pytest.raises(ImageError, match=r"planar TIFF .* Pillow reads wrongly; save it with .* or as PNG"):
                load_image(data)
        else:
            assert np.abs(levels(load_image(data)) - NOISE).max() <= 0.01

    @pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32])
    def test_a_tiff_whose_zero_is_white_is_no_negative(self, dtype):
        white = {np.uint8: 255, np.uint16: 65535, np.float32: 1}[dtype]
        values = (self.RAMP * white).astype(dtype)
        dark, light = (load_image(tiff(values, photometric=kind)) for kind in ("minisblack", "miniswhite"))
        assert (light - (1 - dark)).abs().max() < 1e-6

    def test_not_a_number_anywhere_is_refused(self):
        values = self.RAMP.astype(np.float32)
        values[7, 7] = np.nan
        with pytest.raises(ImageError, match="gray values outside"):
            load_image(Image.fromarray(values))


# Large pictures and little memory


MODES = ("1", "L", "LA", "P", "RGB", "RGBA", "CMYK", "LAB", "I;16", "I", "F")


def in_mode(mode):
    if mode in ("I;16", "I", "F"):
        gray = np.asarray(LARGER.convert("L")).astype(np.float32)
        return Image.fromarray({"I;16": np.uint16(gray * 257), "I": np.int32(gray * 257)}.get(mode, gray / 255))
    picture = LARGER.copy()
    if mode in ("LA", "RGBA"):
        picture.putalpha(LARGER.getchannel(0))
    if mode == "LAB":
        return ImageCms.profileToProfile(
            picture, ImageCms.createProfile("sRGB"), ImageCms.createProfile("LAB"), outputMode="LAB"
        )
    picture = picture.convert(mode)
    if mode == "P":
        picture.info["transparency"] = 3
    return picture


class TestLargePictures:
    @pytest.fixture
    def strips(self, monkeypatch):
        """A hundred pixels are a large picture, and a strip."""

        def shrink():
            monkeypatch.setattr(pixels, "LARGE", 100)
            monkeypatch.setattr(pixels, "STRIP_PIXELS", 100)

        return shrink

    @pytest.mark.parametrize("mode", MODES)
    def test_strips_change_nothing(self, mode, strips):
        expected = load_image(in_mode(mode))
        strips()
        assert torch.equal(load_image(in_mode(mode)), expected)

    @pytest.mark.parametrize("orientation", [1, 3, 6])
    @pytest.mark.parametrize("mode", MODES)
    def test_reduced_first_the_picture_looks_the_same(self, mode, orientation, strips):
        picture = in_mode(mode)
        picture.getexif()[0x0112] = orientation
        expected = load_image(picture, 32)
        strips()
        reduced = load_image(picture, 32)
        assert reduced.shape == expected.shape
        assert (reduced - expected).abs().max() < 0.06
        assert (reduced - expected).abs().mean() < 0.008

    @pytest.mark.parametrize("progressive", [False, True])
    @pytest.mark.parametrize("size", [(161, 97), (160, 96), (1001, 333)])
    def test_the_draft_of_a_jpeg_is_neither_cropped_nor_shifted(self, size, progressive, strips):
        y, x = np.indices(size[::-1])
        ramps = np.stack([255 * x / size[0], 255 * y / size[1], 0 * x + 99], -1).astype(np.uint8)
        exif = Image.Exif()
        exif[0x0112] = 8
        data = encoded(Image.fromarray(ramps), "JPEG", quality=98, subsampling=0, progressive=progressive, exif=exif)
        expected = load_image(data, 50)
        strips()
        assert load_image(data, 50).shape == expected.shape
        assert (load_image(data, 50) - expected).abs().max() < 0.012

    def test_a_given_jpeg_stays_as_large_as_it_is(self, strips):
        strips()
        picture = Image.open(io.BytesIO(encoded(SOFT, "JPEG")))
        load_image(picture, 32)
        assert picture.size == picture.copy().size == SOFT.size

    @pytest.mark.skipif(sys.platform == "win32", reason="the peak is measured by resource")
    @pytest.mark.parametrize("kind", ["png", "jpg"])
    def test_a_large_picture_takes_little_more_memory_than_its_own(self, kind, tmp_path):
        side = 6000
        with Image.new("RGBA" if kind == "png" else "RGB", (side, side), "red") as picture:
            picture.save(tmp_path / f"a.{kind}")
        program = (
            "import resource, sys, nstlib\n"
            "peak = lambda: resource.getrusage(resource.RUSAGE_SELF).ru_maxrss\n"
            "nstlib.load_image(sys.argv[1], 64); before = peak()\n"
            "nstlib.load_image(sys.argv[2], 64); print(peak() - before)\n"
        )
        small = save_image(torch.rand(3, 64, 64), tmp_path / f"small.{kind}")
        command = [sys.executable, "-c", program, str(small), str(tmp_path / f"a.{kind}")]
        grown = int(subprocess.run(command, capture_output=True, text=True, check=True).stdout)
        grown *= 1 if sys.platform == "darwin" else 1024
        own = {"png": 4 * side**2, "jpg": 4 * side**2 / 64}[kind]
        assert grown < own + 150e6, f"{grown / 1e6:.0f} MB"


class TestLittleMemory:
    WORDS = r"does not fit into the memory; close other programs, give a smaller size"

    @pytest.mark.parametrize(
        ("place", "error"),
        [
            ((ImageFile.ImageFile, "load"), MemoryError()),
            ((ImageFile.ImageFile, "load"), OSError("out of memory error when reading image file")),
            ((Image, "open"), MemoryError()),
            ((Image.Image, "resize"), MemoryError()),
            ((Image.Image, "convert"), MemoryError()),
            ((Image.Image, "transpose"), MemoryError()),
            ((Image.Image, "getexif"), MemoryError()),
            ((np, "empty"), np._core._exceptions._ArrayMemoryError((9,), np.dtype("f4"))),
            ((torch, "from_numpy"), torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 9 GiB")),
            ((torch, "from_numpy"), RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to")),
        ],
        ids=lambda value: str(getattr(value, "__name__", value))[:40],
    )
    def test_wherever_memory_ends_it_is_not_called_damaged(self, place, error, tmp_path, monkeypatch):
        exif = Image.Exif()
        exif[0x0112] = 6
        SOFT.convert("RGBA").save(tmp_path / "a.png", exif=exif)

        def fail(*_, **__):
            raise error

        monkeypatch.setattr(*place, fail)
        with pytest.raises(OutOfMemory, match=r"a\.png " + self.WORDS):
            load_image(tmp_path / "a.png", 64)

    def test_other_errors_of_a_device_stay_as_they_are(self, monkeypatch):
        with pytest.raises(InputError, match="device 'nowhere' cannot be used"):
            load_image(NOISE, device="nowhere")

    def test_while_saving(self, tmp_path, monkeypatch):
        def fail(*_, **__):
            raise MemoryError

        monkeypatch.setattr(Image.Image, "save", fail)
        with pytest.raises(OutOfMemory, match="the memory is full"):
            save_image(torch.rand(3, 16, 16), tmp_path / "a.png")
        assert os.listdir(tmp_path) == []


# What surrounds the call


class TestSurroundings:
    @pytest.mark.parametrize("make", [np.int64, np.int32, np.uint8, torch.tensor], ids=lambda make: make.__name__)
    def test_whole_numbers_of_every_kind_are_sizes_and_qualities(self, make, tmp_path):
        assert load_image(NOISE, make(60)).shape == (1, 3, 36, 60)
        assert save_image(load_image(NOISE), tmp_path / "a.jpg", make(60)).is_file()

    @pytest.mark.parametrize("value", [True, np.True_, np.float64(60), np.int64(-1), "60"])
    def test_what_is_no_whole_number_is_refused(self, value, tmp_path):
        with pytest.raises(InputError, match="size is"):
            load_image(NOISE, value)
        with pytest.raises(InputError, match="quality is"):
            save_image(load_image(NOISE), tmp_path / "a.jpg", value)

    @pytest.mark.parametrize(
        "source",
        [PLAIN, NOISE, NOISE / 255, torch.rand(3, 20, 30), Image.fromarray(NOISE)],
        ids=lambda it: type(it).__name__,
    )
    def test_a_picture_is_float32_on_the_cpu_whatever_torch_is_set_to(self, source):
        expected = load_image(source, 64)
        torch.set_default_dtype(torch.float64)
        torch.set_default_device("meta")
        try:
            with torch.inference_mode():
                image = load_image(source, 64)
        finally:
            torch.set_default_dtype(torch.float32)
            torch.set_default_device(None)
        assert image.dtype == torch.float32
        assert image.device.type == "cpu"
        assert torch.equal(image, expected)
        image.requires_grad_().square().sum().backward()  # an inference tensor could not


# Names and places


@pytest.fixture
def deleted_folder(tmp_path, monkeypatch):
    """The working folder, which does not exist any more."""
    if sys.platform == "win32":
        pytest.skip("Windows does not delete a working folder")
    (tmp_path / "gone").mkdir()
    monkeypatch.chdir(tmp_path / "gone")
    (tmp_path / "gone").rmdir()
    yield
    os.chdir(tmp_path)


class TestNames:
    def test_a_folder_does_not_hide_a_bundled_picture_and_a_file_does(self, tmp_path, monkeypatch):
        monkeypatch.chdir(tmp_path)
        Path("mosaic").mkdir()
        Path("swirls.jpg").mkdir()
        assert sources.find("mosaic").name == "mosaic.jpg"
        assert sources.find("swirls.jpg").is_file()
        with pytest.raises(ImageError, match="is a folder"):
            load_image("./mosaic")
        Path("mosaic").rmdir()
        Image.new("RGB", (30, 30)).save("mosaic", "PNG")
        assert load_image("mosaic").shape == (1, 3, 30, 30)

    @pytest.mark.parametrize(
        "source",
        [
            "x" * 5000,
            "img/" + "x" * 300 + ".jpg",
            "img/style/" + "x" * 5000,
            "a\0b",
            "img/a\0b.jpg",
            "a\0b/c.jpg",
            "file://[/a.png",
            "file:///" + "x" * 300,
            "\ud800.png",
            "~nobody-of-that-name/a.png",
        ],
        ids=lambda source: ascii(source[:20]),
    )
    def test_a_name_that_no_file_can_have_is_not_found(self, source):
        with pytest.raises(ImageError) as caught:
            load_image(source)
        assert len(str(caught.value)) < 1000

    def test_in_a_deleted_folder(self, deleted_folder, tmp_path):
        assert load_image("mosaic", 32).shape[-1] == 32
        with pytest.raises(ImageError, match=r"a/b\.png cannot be found: the working folder does not exist any more"):
            load_image("a/b.png")
        for attempt in (check_output, lambda path: save_image(torch.rand(3, 16, 16), path)):
            with pytest.raises(ImageError, match=r"the working folder does not exist any more; .* give the full path"):
                attempt("a.png")
        assert check_output(tmp_path / "a.png") == tmp_path / "a.png"

    @pytest.mark.parametrize("address", ["http://localhost:9/" + "x" * 3000, "http://\ud800/a.png", "http://a\0b/"])
    def test_an_address_that_is_long_or_none(self, address):
        with pytest.raises(ImageError, match="could not be downloaded"):
            load_image(address)

    @pytest.mark.parametrize("folder", ["~nobody-of-that-name/x", "a\0b", "x" * 300])
    def test_an_odd_folder_for_downloads_is_no_error_of_its_own(self, folder, monkeypatch):
        monkeypatch.setattr(sources.os.environ, "get", lambda *_: folder)
        with pytest.raises(ImageError, match="could not be downloaded"):
            load_image("http://localhost:9/a.png")


class TestSafeStem:
    @pytest.mark.parametrize(
        ("name", "stem"),
        [
            ("village_swirls", "village_swirls"),
            ("a b ü 結果", "a b ü 結果"),
            ('a?b:c&d|e<f>g"h*i/j\\k', "a_b_c_d_e_f_g_h_i_j_k"),
            ("a\0\n\tb\x7f", "a_b_"),
            ("name. . ", "name"),
            ("CON", "CON_"),
            ("nul", "nul_"),
            ("com1.photo", "com1.photo_"),
            ("LPT¹", "LPT¹_"),
            ("console", "console"),
            ("", "picture"),
            ("...", "picture"),
            ("x" * 300, "x" * 100),
        ],
    )
    def test_names(self, name, stem):
        assert safe_stem(name) == stem

    @given(name=st.text(max_size=400))
    def test_every_system_takes_it(self, name):
        stem = safe_stem(name)
        assert 0 < len(stem) <= 101
        assert len(stem.encode()) <= 201
        assert not set(stem) & set('?:&|<>"*/\\\0\n')
        assert stem[-1] not in ". "
        assert stem.partition(".")[0].rstrip().upper() not in saving.NO_NAMES


class TestCheckedFirst:
    @pytest.mark.parametrize(
        ("name", "words"),
        [
            ("x" * 300 + ".png", r"is 304 bytes long; choose one of 255"),
            ("結" * 100 + ".png", r"is 304 bytes long"),
            ("new/" + "x" * 300 + "/a.png", r"is 300 bytes long"),
            ("a\0b.png", "NUL character"),
            ("new/a\0b/a.png", "NUL character"),
            ("\ud800.png", "characters that this system cannot write"),
            ("/".join(["x" * 200] * 30) + "/a.png", "choose another name"),
        ],
        ids=lambda value: ascii(value[:20]),
    )
    def test_a_name_that_no_file_can_have(self, name, words, tmp_path):
        for attempt in (check_output, lambda path: save_image(torch.rand(3, 16, 16), path)):
            with pytest.raises(ImageError, match=words) as caught:
                attempt(str(tmp_path / name))
            assert len(str(caught.value)) < 800
        assert os.listdir(tmp_path) == []

    @pytest.mark.parametrize(
        ("name", "longest", "kind"), [("a.webp", 16_383, "WEBP"), ("a.jpg", 65_500, "JPEG"), ("a.jpeg", 65_500, "JPEG")]
    )
    def test_the_limits_are_the_real_ones(self, name, longest, kind, tmp_path):
        save_image(Image.new("RGB", (longest, 1)), tmp_path / name)
        for size in ((longest + 1, 1), (1, longest + 1)):
            with pytest.raises(ImageError, match=rf"a {kind} picture has {longest} pixels a side .* save it as \.png"):
                check_output(tmp_path / name, size=size)
        with pytest.raises((OSError, ValueError)):
            Image.new("RGB", (longest + 1, 1)).save(tmp_path / name)

    def test_an_animation_has_a_limit_too(self, tmp_path):
        with pytest.raises(ImageError, match="a GIF picture has 65535 pixels"):
            save_gif([Image.new("RGB", (65_536, 1))], tmp_path / "a.gif")
        save_gif([Image.new("RGB", (65_535, 1))], tmp_path / "a.gif")

    def test_png_has_none(self, tmp_path):
        assert check_output(tmp_path / "a.png", size=(100_000, 10))

    def test_a_full_disk(self, tmp_path, monkeypatch):
        usage = namedtuple("usage", "total used free")
        monkeypatch.setattr(shutil, "disk_usage", lambda _: usage(10**9, 10**9 - 10**6, 10**6))
        with pytest.raises(
            ImageError, match=r"the disk is full: .* 1 MB are free, and the picture may take 3; make room"
        ):
            check_output(tmp_path / "new" / "a.png", size=(1000, 1000))
        assert check_output(tmp_path / "a.png", size=(500, 500))
        monkeypatch.setattr(shutil, "disk_usage", lambda _: usage(0, 0, 0))  # what some network drives say
        assert check_output(tmp_path / "a.png", size=(1000, 1000))

    @pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no pipes on this system")
    def test_a_pipe_is_no_file(self, tmp_path):
        os.mkfifo(tmp_path / "a.png")
        with pytest.raises(ImageError, match="a device or a pipe"):
            check_output(tmp_path / "a.png")


class TestSavedSomewhere:
    IMAGE = load_image(NOISE)

    @pytest.fixture(autouse=True)
    def places(self, tmp_path, monkeypatch):
        """Folders of the test's own: the working folder, the home folder, the temporary one."""
        for folder in ("work", "home", "temporary"):
            (tmp_path / folder).mkdir()
        monkeypatch.setenv("HOME", str(tmp_path / "home"))
        monkeypatch.setenv("USERPROFILE", str(tmp_path / "home"))
        monkeypatch.setattr(saving.tempfile, "gettempdir", lambda: str(tmp_path / "temporary"))
        monkeypatch.chdir(tmp_path / "work")
        return tmp_path

    def saved(self, path, words, image=IMAGE):
        with pytest.warns(RunWarning, match=words):
            saved = save_image_somewhere(image, path)
        return saved

    def test_where_it_was_wanted_and_nothing_is_said(self, places):
        assert save_image_somewhere(self.IMAGE, "a.png") == places / "work" / "a.png"

    def test_as_png_beside_where_the_format_is_the_problem(self, places):
        wide = Image.new("RGB", (17_000, 1))
        saved = self.saved(places / "a.webp", r"16383 pixels .*\. The picture is in .*a\.png", wide)
        assert saved == places / "a.png"
        assert self.saved(places / "a.gif", "known format") == places / "a_2.png"

    @pytest.mark.parametrize("path", ["file/a.jpg", "new/" + "x" * 300 + ".jpg", "nul\0.jpg"])
    def test_in_the_working_folder_where_there_is_none(self, path, places):
        (places / "file").write_text("")
        saved = self.saved(places / path, "The picture is in")
        assert saved.parent == places / "work"
        assert saved.suffix == ".jpg"
        assert load_image(saved).shape == self.IMAGE.shape

    def test_nothing_is_overwritten_there(self, places):
        (places / "file").write_text("")
        Path("a.png").write_text("mine")
        assert self.saved(places / "file" / "a.png", "The picture is in") == places / "work" / "a_2.png"
        assert Path("a.png").read_text() == "mine"

    def test_a_disk_that_fills_up_while_it_is_written(self, places, monkeypatch):
        def no_space(path, save, _write=saving.write_whole):
            if "home" not in path.parts:
                raise ImageError(f"{path} cannot be written (No space left on device)")
            return _write(path, save)

        monkeypatch.setattr(saving, "write_whole", no_space)
        assert self.saved("a.jpg", "No space left .* The picture is in") == places / "home" / "a.jpg"

    @pytest.mark.skipif(sys.platform == "win32", reason="Windows does not delete a working folder")
    def test_from_a_deleted_folder(self, places):
        (places / "work").rmdir()
        assert self.saved("a.png", "working folder does not exist") == places / "home" / "a.png"
        os.chdir(places)

    def test_the_first_reason_is_told_where_no_place_takes_it(self, places, monkeypatch):
        def refuse(*_):
            raise ImageError("refused")

        monkeypatch.setattr(saving, "write_whole", refuse)
        with pytest.raises(ImageError, match="refused"):
            save_image_somewhere(self.IMAGE, "a.png")

    def test_what_is_no_picture_is_not_carried_around(self, places):
        with pytest.raises(ImageError, match="NaN"):
            save_image_somewhere(torch.full((3, 16, 16), torch.nan), "a.png")
        with pytest.raises(InputError, match="batch"):
            save_image_somewhere(torch.rand(2, 3, 16, 16), "a.png")
        assert os.listdir(places / "work") == os.listdir(places / "home") == []

    def test_an_interrupted_write_leaves_nothing_behind(self, places, monkeypatch):
        def half(self, file, **_):
            file.write(b"half a pict")
            raise KeyboardInterrupt

        monkeypatch.setattr(Image.Image, "save", half)
        with pytest.raises(KeyboardInterrupt):
            save_image_somewhere(self.IMAGE, "a.png")
        assert os.listdir(places / "work") == []


def test_a_pil_picture_of_a_file_is_mended_as_the_file_is(tmp_path):
    noise = Image.fromarray(np.random.default_rng(0).integers(0, 255, (48, 64, 3), np.uint8))
    whole = io.BytesIO()
    noise.save(whole, "JPEG")
    file = tmp_path / "without_end_mark.jpg"
    file.write_bytes(whole.getvalue()[:-2])
    with Image.open(file) as opened:
        assert torch.equal(load_image(opened), load_image(whole.getvalue()))
    with (
        Image.open(io.BytesIO(whole.getvalue()[:-2])) as opened,
        pytest.raises(ImageError, match="or give its path or its bytes"),
    ):
        load_image(opened)
