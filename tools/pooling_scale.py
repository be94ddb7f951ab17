"""How much pooling changes the activations of a VGG: the mean after max pooling over that after another pooling.

`KEEP_SCALE` in nstlib/networks/vgg.py holds what it prints for VGG-19, rounded.
"""

import argparse

import numpy as np
import torch
import training_pictures
from teachers import Vgg, load_network
from torch import Tensor
from torch.nn import functional as F
from training_batches import normalize_picture


def pooling_scale(network: Vgg) -> dict[str, dict[str, float]]:
    """For each kind of pooling the ratio at pool1 and pool2, a mean over scikit-image's photographs."""
    ratios: dict[str, dict[str, list[float]]] = {"avg": {}, "l2": {}}
    for photograph in training_pictures.photographs():
        picture = torch.tensor(photograph).permute(2, 0, 1)[None] / 255
        for layer, responses in network(normalize_picture(picture), ["relu1_2", "relu2_2"], "max").items():
            for kind, pooled in poolings(responses).items():
                ratio = F.max_pool2d(responses, 2).mean() / pooled.mean()
                ratios[kind].setdefault(layer.replace("relu", "pool")[:-2], []).append(ratio.item())
    return {kind: {at: float(np.mean(values)) for at, values in by.items()} for kind, by in ratios.items()}


def poolings(responses: Tensor) -> dict[str, Tensor]:
    """Responses after each kind of pooling that is compared with the maximum."""
    return {"avg": F.avg_pool2d(responses, 2), "l2": F.avg_pool2d(responses.square(), 2).sqrt()}


def main() -> None:
    """Print the ratios."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("network", help='"vgg19" (downloads it), or a file that tools/teachers.py reads')
    for kind, ratios in pooling_scale(load_network(parser.parse_args().network)).items():
        print(f"max / {kind}: " + ", ".join(f"{at} {ratio:.3f}" for at, ratio in ratios.items()))


if __name__ == "__main__":
    main()
