"""Makes nstlib/weights/squeezenet.safetensors from a state dict of SqueezeNet 1.1's trunk in Caffe's form.

nstlib/weights/README.md tells where that comes from. Its first convolution pads nothing, so that the responses stay
what they were.

    python tools/squeezenet_weights.py squeezenet1_1_imagenet_trunk.pth
"""

import argparse
from pathlib import Path

import torch
from caffe_input import for_normalized_pictures
from safetensors.torch import save_file

from nstlib.backbones import SQUEEZENET_WEIGHTS


def main() -> None:
    """Convert."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("trunk", type=Path, help="names of torchvision's squeezenet1_1().features; BGR * 255 - mean")
    parser.add_argument("-o", "--output", type=Path, default=SQUEEZENET_WEIGHTS)
    given = parser.parse_args()
    state = torch.load(given.trunk, map_location="cpu", weights_only=True)
    state = {f"features.{key.removeprefix('features.')}": value.float() for key, value in state.items()}
    weight, more = for_normalized_pictures(state["features.0.weight"])
    state |= {"features.0.weight": weight, "features.0.bias": state["features.0.bias"] + more}
    save_file({key: value.half().contiguous() for key, value in state.items()}, given.output)
    print(f"{given.output}: {given.output.stat().st_size / 1e6:.2f} MB")


if __name__ == "__main__":
    main()
