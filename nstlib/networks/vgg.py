"""VGG (Simonyan and Zisserman 2014, arXiv 1409.1556) under the paper's names of layers, and mini, its small pupil."""

from collections.abc import Iterable

from torch import nn

from .backbone import Backbone
from .pooling import pooling_of

# Wide where the judge looks (conv3_1), narrow where a picture is large: a step costs less than a third of VGG-19's.
MINI_WIDTHS = (32, 32, "M", 64, 80, "M", 176, 128, 128, 128, "M", 192, 160, 160, 160, "M", 192, 192, 192, 192, "M")

# Mean activation after max pooling over that after the other pooling, measured at pool1 and pool2 of VGG-19 on
# scikit-image's photographs (tools/pooling_scale.py prints them).
KEEP_SCALE = {"max": 1.0, "avg": 1.6, "l2": 1.4, "blur": 1.0}


def named_vgg(features: nn.Sequential, pooling: str = "avg", keep_scale: bool = False) -> nn.Sequential:
    """Give torchvision's VGG layers the paper's names (conv1_1, relu1_1, ..., pool5) and the pooling asked for.

    In-place ReLUs are replaced: they would overwrite the convolution's response that a caller has captured.
    """
    named = nn.Sequential()
    block, index = 1, 0
    for module in features:
        if isinstance(module, nn.Conv2d):
            index += 1
            named.add_module(f"conv{block}_{index}", module)
        elif isinstance(module, nn.ReLU):
            named.add_module(f"relu{block}_{index}", nn.ReLU(inplace=False))
        elif isinstance(module, nn.MaxPool2d):
            named.add_module(f"pool{block}", pooling_of(pooling, KEEP_SCALE[pooling] if keep_scale else 1.0))
            block, index = block + 1, 0
        else:
            raise TypeError(f"not a plain VGG: {module}")
    return named


def vgg_backbone(name: str, named: nn.Sequential) -> Backbone:
    """The backbone of a network that `named_vgg` gave."""
    nodes, strides, stride = {}, {}, 1
    for position, (layer, _) in enumerate(named.named_children()):
        stride *= 2 if layer.startswith("pool") else 1
        nodes[layer], strides[layer] = str(position), stride
    return Backbone(name, nn.Sequential(*named.children()), nodes, strides)


def mini_net(widths: Iterable[int | str] = MINI_WIDTHS) -> nn.Sequential:
    """The bundled backbone's network with random weights: VGG-19's topology and layer names, narrower.

    Its convolutions continue the picture past its border by its outermost pixels; zeros there would teach a dark frame.
    """
    net, channels = nn.Sequential(), 3
    for width in widths:
        if isinstance(width, int):
            net.extend((nn.Conv2d(channels, width, 3, padding=1, padding_mode="replicate"), nn.ReLU()))
            channels = width
        else:
            net.append(nn.MaxPool2d(2))
    return net
