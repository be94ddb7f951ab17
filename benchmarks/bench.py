"""All measurements of speed and memory in one go; the tables go to benchmarks/RESULTS.md, with machine and versions.

make bench                                  about three quarters of an hour on two CPU cores
python benchmarks/bench.py --only steps     one part: steps, loss, sweeps, tiles, style
"""

import argparse
import datetime
import itertools
import platform
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import big_picture
import style_losses
import sweep_cost
import time_to_loss
import torch
import torchvision
from step_cost import seconds, vgg19_of_random_weights
from torch.utils.flop_counter import FlopCounterMode

import nstlib as nst
from nstlib.base.devices import fast_precision
from nstlib.style_losses.names import STYLE_LOSSES

RESULTS = Path(__file__).with_name("RESULTS.md")
PRECISIONS = ("float32", "auto")


def main() -> None:
    """Measure what is asked for; print it, and write it down where everything was measured."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", choices=PARTS, nargs="+", help="parts to measure; RESULTS.md is left as it is then")
    parser.add_argument("--device", help="cpu, cuda, mps (the best there is)")
    args = parser.parse_args()
    device = torch.device(args.device or nst.default_device())
    lines = []
    for line in report(device, args.only or list(PARTS)):
        print(line, flush=True)
        lines.append(line)
    if not args.only:
        RESULTS.write_text("\n".join(lines) + "\n")
        print(f"written to {RESULTS}")


def report(device: torch.device, parts: list[str]) -> Iterator[str]:
    """The lines of RESULTS.md."""
    yield from ("# Measured", "", f"{datetime.date.today()}, {machine(device)}.")
    yield f"torch {torch.__version__}, torchvision {torchvision.__version__}, Python {platform.python_version()}."
    yield "`make bench` measures it again. VGG-19 has random weights here: same cost of a step, other losses."
    for part in parts:
        title, lines = PARTS[part]
        yield from ("", f"## {title}", "")
        yield from lines(device)


def machine(device: torch.device) -> str:
    """What computes."""
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    name = platform.processor() or platform.machine()
    info = Path("/proc/cpuinfo")
    if info.exists():
        names = [line.split(":")[1].strip() for line in info.read_text().splitlines() if line.startswith("model name")]
        name = names[0] if names else name
    return f"{name}, {torch.get_num_threads()} threads, fast precision {fast_precision(device)}"


def steps_table(device: torch.device) -> Iterator[str]:
    """Seconds a step, peak memory and share of the convolution peak by backbone, size, precision and batch."""
    peaks = {name: convolution_peak(device, name) for name in PRECISIONS}
    described = ", ".join(f"{peak / 1e12:.2f} TFLOP/s in {dtype_of(device, name)}" for name, peak in peaks.items())
    yield from (
        f"The fastest convolution found on this device: {described}.",
        "A step is one evaluation, forward and backward, with L-BFGS.",
        "",
    )
    lines = list(_step_rows(device, peaks))
    yield "| backbone | pixels | precision | batch | seconds a step | GB at most | of the peak |"
    yield "| --- " * 7 + "|"
    yield from lines


def _step_rows(device: torch.device, peaks: dict[str, float]) -> Iterator[str]:
    sizes = (256, 512) if device.type == "cpu" else (512, 1024)
    for backbone in big_picture.BACKBONES:
        for size, precision, batch in [
            *((size, precision, 1) for size in sizes for precision in PRECISIONS),
            (sizes[0], "float32", 4),
        ]:
            each, memory, flops = big_picture.alone(one_step, backbone, size, precision, batch, str(device))
            yield (
                f"| {backbone} | {size} | {dtype_of(device, precision)} | {batch} | {each:.4f} | {memory / 1e9:.2f} "
                f"| {flops / each / peaks[precision]:.0%} |"
            )


def one_step(backbone: str, size: int, precision: str, batch: int, device: str) -> tuple[float, int, int]:
    """Seconds, peak bytes of the process and floating point operations of a step of L-BFGS."""
    extract = nst.FeatureExtractor(big_picture.BACKBONES[backbone], precision=precision, device=device)
    content, style = nst.load_image("village", size), nst.load_image("swirls", size)
    objective = nst.Objective(extract, content, style, beta=[20.0] * batch if batch > 1 else 20.0, tv=10)
    run = nst.Run(objective)
    for _ in run.steps(3, progress=False):
        pass
    each = min(seconds(run, 5) for _ in range(3))
    peak = big_picture.peak_bytes(extract.device)
    image = run.image.requires_grad_()
    with FlopCounterMode(display=False) as counter:  # of an evaluation: a replayed step has no operations to count
        objective(image).total.sum().backward()
    return each, peak, counter.get_total_flops()


def convolution_peak(device: torch.device, precision: str) -> float:
    """Floating point operations a second of the fastest 3 x 3 convolution of some, forward, channels innermost."""
    dtype = getattr(torch, dtype_of(device, precision))
    fastest = 0.0
    for channels, side in itertools.product((64, 128, 256, 512), (32, 64, 128, 256)):
        if channels * side > 2**15:
            continue
        layer = torch.nn.Conv2d(channels, channels, 3, padding=1, bias=False, device=device, dtype=dtype)
        layer = layer.to(memory_format=torch.channels_last)
        picture = torch.rand(1 if device.type == "cpu" else 8, channels, side, side, device=device, dtype=dtype)
        picture = picture.contiguous(memory_format=torch.channels_last)
        flops = 2 * 9 * channels**2 * side**2 * len(picture)
        fastest = max(fastest, flops / _seconds_of(lambda layer=layer, picture=picture: layer(picture)))
    return fastest


@torch.no_grad()
def _seconds_of(act: Callable[[], torch.Tensor], times: int = 5, rounds: int = 5) -> float:
    best = float("inf")
    for _ in range(rounds):
        act().flatten()[0].item()  # waits for the device
        began = time.perf_counter()
        for _ in range(times):
            last = act()
        last.flatten()[0].item()
        best = min(best, (time.perf_counter() - began) / times)
    return best


def dtype_of(device: torch.device, precision: str) -> str:
    """What "auto" comes to."""
    return fast_precision(device) if precision == "auto" else precision


def loss_tables(device: torch.device) -> Iterator[str]:
    """Time to the loss of the textbook's loop."""
    yield "Until the float32 loss of the whole picture is the one that a plain Adam loop reaches after 500 steps."
    for name in ("mini", "vgg19"):
        backbone = vgg19_of_random_weights() if name == "vgg19" else nst.load_backbone(name, "avg")
        yield from ("", f"{name}, 512 pixels, village in swirls:", "")
        yield time_to_loss.table(time_to_loss.compare(backbone, 512, ["village", "swirls"], 500, str(device)))


def sweep_table(device: torch.device) -> Iterator[str]:
    """A sweep against its pictures one after the other."""
    pictures, steps, rounds = (4, 10, 3) if device.type == "cpu" else (16, 50, 3)
    extract = nst.FeatureExtractor("mini", device=device)
    yield from (f"{pictures} pictures with mini, as one batch against one after the other.", "")
    yield from ("| pixels | seconds a step of a picture alone | in a sweep | share |", "| --- " * 4 + "|")
    for size in (128, 256):
        medians = sweep_cost.compare(extract, size, pictures, steps, rounds, [])
        single, sweep = medians["single"], medians["sweep"]
        yield f"| {size} | {single:.4f} | {sweep:.4f} | {sweep / single:.2f} |"


def tile_table(device: torch.device) -> Iterator[str]:
    """Large pictures in tiles against whole ones."""
    yield from ('The peak is that of the whole process. `tile="auto"` chose the tiles.', "")
    yield from ("| backbone | pixels | tile | seconds a step | seconds a megapixel | GB at most |", "| --- " * 6 + "|")
    for backbone, name in big_picture.BACKBONES.items():
        for size, tile in ((1024, None), (4096, "auto")):
            options = {"backbone": name, "device": str(device), "tile": tile}
            cost = big_picture.alone(big_picture.measure, size, 1, options)
            yield (
                f"| {backbone} | {cost.width} x {cost.height} | {cost.tile or 'whole'} | {cost.seconds:.2f} "
                f"| {cost.seconds_a_megapixel:.2f} | {cost.bytes / 1e9:.2f} |"
            )


def style_tables(device: torch.device) -> Iterator[str]:
    """Style losses beside each other: seconds, memory, and each judged by all."""
    sizes = (256, 512) if device.type == "cpu" else (512, 1024)
    names, backbones = STYLE_LOSSES, list(big_picture.BACKBONES)
    yield from ('A step of Adam; of "gram" in seconds, of the others as multiples of it.', "")
    yield from style_losses.cost_table(backbones, sizes, names, 5, 1, str(device))
    yield from ("", 'The peak of the whole process; of "gram" in GB, of the others as multiples of it.', "")
    yield from style_losses.memory_table(backbones, sizes, names, str(device))
    yield from ("", style_losses.described("mini", 192, 100), "")
    yield from style_losses.picture_table(nst.FeatureExtractor("mini", device=device), 192, names, 100)


PARTS = {
    "steps": ("A step", steps_table),
    "loss": ("Time to a good picture", loss_tables),
    "sweeps": ("Sweeps", sweep_table),
    "tiles": ("Large pictures", tile_table),
    "style": ("Style losses", style_tables),
}


if __name__ == "__main__":
    main()
