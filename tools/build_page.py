"""Build the page that paints in a browser, without a server, into build/page.

python tools/build_page.py                    needs npm and the extra "onnx"
python tools/build_page.py --out elsewhere

The folder is complete: any host of files serves it, from any address. To look at it here:
python -m http.server --directory build/page

The networks come from the weights in the package, the thumbnails from img/style, and the runtime, onnxruntime-web, from
npm, in the version that page/package-lock.json pins. Its two parts are packed by gzip, since not every host packs such
files: 41 MB become 10, of which a visitor loads one part.
"""

import argparse
import gzip
import json
import re
import shutil
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

from PIL import Image, ImageOps

import nstlib as nst

ROOT = Path(__file__).resolve().parents[1]
SOURCE, OUT, NPM = ROOT / "page", ROOT / "build" / "page", ROOT / "build" / "npm"
SAMPLE = ROOT / "img" / "content" / "village.jpg"
THUMBNAIL = 176  # pixels a side: twice what most screens show, for those with fine pixels
DIST = Path("node_modules", "onnxruntime-web", "dist")
# Of each runtime: its script, its WebAssembly and what binds the two, as npm has them and as the page names them. They
# end in .js, since some hosts do not know that .mjs is a script.
RUNTIMES = {
    "ort-wasm": ("ort.wasm.min.mjs", "ort-wasm-simd-threaded"),
    "ort-webgpu": ("ort.webgpu.min.mjs", "ort-wasm-simd-threaded.asyncify"),
}
# Faults of the lock file or of this computer, for which npm's registry, and another try, can do nothing.
OURS = ("EUSAGE", "EINTEGRITY", "EJSONPARSE", "EBADENGINE", "EACCES", "EPERM", "EROFS", "ENOSPC", "ENOENT")
TRIES, PAUSE = 3, 10.0  # seconds before each other try
LICENSES = """\
onnxruntime-web {version}, https://github.com/microsoft/onnxruntime

{mit}

This project's own: the pictures of styles and the sample, under CC0 1.0; the weights of the networks, *.onnx and
rows.bin, under CC BY 4.0; and the page itself, under these terms:

{own}"""
MIT_HOLDER = "Copyright (c) Microsoft Corporation"


class Unreachable(SystemExit):
    """npm is not here, or its registry does not give the packages."""


def build(out: Path = OUT, npm: Path = NPM) -> Path:
    """Write the whole page into a folder, which is made anew; gives the folder.

    Args:
        out: where it goes.
        npm: where npm keeps what the page is built with, for the next time.
    """
    installed(npm)
    shutil.rmtree(out, ignore_errors=True)
    shutil.copytree(SOURCE, out, ignore=shutil.ignore_patterns("package*.json"))
    (out / "vendor").mkdir()
    network = nst.load_network(device="cpu")
    packed = [nst.save_onnx(network, out / "styles.onnx", half=True), *_for_any_style(network.styles, out)]
    packed += _vendored(npm / DIST, out / "vendor")
    _write_thumbnails(network.styles, out / "styles")
    shutil.copy(SAMPLE, out / "sample.jpg")
    sizes = {path.relative_to(out).as_posix(): path.stat().st_size for path in packed}
    about = {"styles": network.styles, "sizes": sizes}
    (out / "about.json").write_text(json.dumps(about, indent=1) + "\n", encoding="utf-8")
    (out / "vendor" / "LICENSES.txt").write_text(_licenses(npm), encoding="utf-8")
    return out


def _for_any_style(styles: tuple[str, ...], out: Path) -> list[Path]:
    """What looks at paintings, what paints in their style, and what both know of the bundled styles."""
    network = nst.load_any_style(device="cpu")
    network.keep_only(styles)
    rows = out / "rows.bin"
    rows.write_bytes(network.rows.detach().float().numpy().astype("<f4").tobytes())
    return [nst.save_onnx(network, out / "any.onnx", look=out / "look.onnx", half=True), out / "look.onnx", rows]


def installed(npm: Path = NPM) -> None:
    """Install what page/package-lock.json names, unless it is there; a registry that fails is asked again.

    Raises:
        Unreachable: there is no npm, or its registry does not give the packages.
        SystemExit: npm failed for another reason.
    """
    lock, mark = SOURCE / "package-lock.json", npm / "installed.json"
    if mark.is_file() and mark.read_bytes() == lock.read_bytes():
        return
    program = shutil.which("npm")
    if program is None:
        raise Unreachable("the page needs npm, which comes with Node.js: https://nodejs.org, or apt-get install npm")
    npm.mkdir(parents=True, exist_ok=True)
    for name in ("package.json", "package-lock.json"):
        shutil.copy(SOURCE / name, npm)
    for rest in reversed(range(TRIES)):
        told = _npm_ci(program, npm)
        if told.returncode == 0:
            shutil.copy(lock, mark)
            return
        message = f"npm ci failed in {npm}:\n{told.stderr.strip()}"
        if any(re.search(rf"\b{fault}\b", told.stderr) for fault in OURS):
            raise SystemExit(message)
        if rest:
            time.sleep(PAUSE)
    raise Unreachable(message)


def _npm_ci(program: str, folder: Path) -> subprocess.CompletedProcess[str]:
    command = [program, "ci", "--ignore-scripts", "--no-audit", "--no-fund"]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)


def _vendored(dist: Path, folder: Path) -> Iterator[Path]:
    """Copy the runtimes; gives the packed WebAssembly of each."""
    for name, (script, binary) in RUNTIMES.items():
        _copy_script(dist / script, folder / f"{name}.js")
        _copy_script(dist / f"{binary}.mjs", folder / f"{name}-glue.js")
        packed = folder / f"{name}.bin"
        packed.write_bytes(gzip.compress((dist / f"{binary}.wasm").read_bytes(), 9, mtime=0))
        yield packed


def _copy_script(source: Path, target: Path) -> None:
    """A script without the address of its source map, which is not copied."""
    lines = source.read_text(encoding="utf-8").splitlines()
    kept = [line for line in lines if not line.startswith("//# sourceMappingURL=")]
    target.write_text("\n".join(kept) + "\n", encoding="utf-8", newline="\n")


def _write_thumbnails(styles: tuple[str, ...], folder: Path) -> None:
    folder.mkdir()
    for style in styles:
        with Image.open(ROOT / "img" / "style" / f"{style}.jpg") as picture:
            square = ImageOps.fit(picture, (THUMBNAIL, THUMBNAIL), Image.Resampling.LANCZOS)
            square.save(folder / f"{style}.jpg", quality=82, optimize=True, progressive=True)


def _licenses(npm: Path) -> str:
    """The terms of all that the page brings along; the runtime's and the page's have the same text, of MIT."""
    own = (ROOT / "LICENSE").read_text(encoding="utf-8")
    holder = next(line for line in own.splitlines() if line.startswith("Copyright"))
    packages = json.loads((npm / "package-lock.json").read_text(encoding="utf-8"))["packages"]
    version = packages["node_modules/onnxruntime-web"]["version"]
    return LICENSES.format(version=version, mit=own.replace(holder, MIT_HOLDER).strip(), own=own)


def main() -> None:
    """Build it and say how large it is."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=OUT, help="folder that is made anew (%(default)s)")
    out = build(parser.parse_args().out)
    size = sum(path.stat().st_size for path in out.rglob("*") if path.is_file())
    print(f"{out}: {size / 1e6:.1f} MB. Look at it with: python -m http.server --directory {out}")


if __name__ == "__main__":
    main()
