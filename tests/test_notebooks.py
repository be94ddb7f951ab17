"""The notebooks: they run, they are complete, and their exercises can be solved."""

import ast
import base64
import os
import re
import subprocess
import sys
from itertools import pairwise
from pathlib import Path

import nbclient
import nbformat
import pytest
import torch

import nstlib as nst
from nstlib import backbones

ROOT = Path(__file__).resolve().parents[1]
sys.path.append(str(ROOT / "tools"))
import links  # noqa: E402
from exercises import RIGHT, answer, answered, exercises, functions, plain  # noqa: E402

PATHS = sorted((ROOT / "notebooks").glob("*.ipynb"))
NOTEBOOKS = {path.stem: nbformat.read(path, as_version=4) for path in PATHS}
SECTIONS = ["Summary", "Exercises", "References"]

MY_BACKBONE = """def my_backbone(pooling, keep_scale, weights):
    torch.manual_seed(0)
    conv, relu = torch.nn.Conv2d, torch.nn.ReLU
    shallow = conv(3, 16, 3, padding=1), relu()
    net = torch.nn.Sequential(*shallow, torch.nn.AvgPool2d(2), conv(16, 32, 3, padding=1), relu())
    return nst.Backbone('m', net, {'shallow': '1', 'deep': '4'}, {'shallow': 1, 'deep': 2})
"""
# Two usual mistakes for each exercise; a checker must find them.
MISTAKES = {
    "psnr": [
        "def psnr(image, content):  # one for the batch\n"
        "    return -10 * torch.log10((image - content).square().mean())",
        "def psnr(image, content):  # the natural logarithm\n"
        "    return -10 * (image - content).square().flatten(1).mean(1).log()",
        "def psnr(image, content):  # pixels up to 255\n"
        "    return 10 * torch.log10(255**2 / (image - content).square().flatten(1).mean(1))",
        "def psnr(image, content):  # the sign\n"
        "    return 10 * torch.log10((image - content).square().flatten(1).mean(1))",
        "def psnr(image, content):  # the root, without the factor 2 that goes with it\n"
        "    return -10 * torch.log10((image - content).square().flatten(1).mean(1).sqrt())",
    ],
    "receptive_field": [
        "def receptive_field(layers):  # every layer adds as if there were no pooling\n"
        "    return 1 + sum(2 for layer in layers if layer.startswith('conv'))",
        "def receptive_field(layers):  # pooling itself looks at two\n"
        "    sees, apart = 1, 1\n"
        "    for layer in layers:\n"
        "        sees += 2 * apart if layer.startswith('conv') else 0\n"
        "        apart *= 2 if layer.startswith('pool') else 1\n"
        "    return sees",
        "def receptive_field(layers):  # ReLU adds nothing\n"
        "    sees, apart = 1, 1\n"
        "    for layer in layers:\n"
        "        sees += apart if layer.startswith('pool') else 2 * apart\n"
        "        apart *= 2 if layer.startswith('pool') else 1\n"
        "    return sees",
    ],
    "smoothness": [
        "def smoothness(image):\n"
        "    return (image[..., 1:, :] - image[..., :-1, :]).square().flatten(1).mean(1)  # only down",
        "def smoothness(image):\n"
        "    down, across = image[..., 1:, :] - image[..., :-1, :], image[..., 1:] - image[..., :-1]\n"
        "    return down.square().flatten(1).sum(1) + across.square().flatten(1).sum(1)  # sums",
        "def smoothness(image):\n"
        "    down, across = image[..., 1:, :] - image[..., :-1, :], image[..., 1:] - image[..., :-1]\n"
        "    return (down.square().mean() + across.square().mean()).repeat(len(image))  # one mean for the batch",
        "def smoothness(image):\n"
        "    down, across = image[..., 1:, :] - image[..., :-1, :], image[..., 1:] - image[..., :-1]\n"
        "    return down.abs().flatten(1).mean(1) + across.abs().flatten(1).mean(1)  # no squares",
    ],
    "blend": [
        "def blend(first, second, share):\n    return nst.gram(share * first + (1 - share) * second)  # features",
        "def blend(first, second, share):\n    return share * nst.gram(second) + (1 - share) * nst.gram(first)",
        "def blend(first, second, share):\n    return (nst.gram(first) + nst.gram(second)) / 2  # always half",
    ],
    "keep_colors": [
        "def keep_colors(image, content):  # a plain mean is not the brightness\n"
        "    return content - content.mean(1, keepdim=True) + image.mean(1, keepdim=True)",
        "def keep_colors(image, content):  # the other way round\n"
        "    light = torch.tensor([0.299, 0.587, 0.114]).view(1, 3, 1, 1)\n"
        "    return image - (image * light).sum(1, keepdim=True) + (content * light).sum(1, keepdim=True)",
        "def keep_colors(image, content):  # gray\n"
        "    light = torch.tensor([0.299, 0.587, 0.114]).view(1, 3, 1, 1)\n"
        "    return (image * light).sum(1, keepdim=True).expand_as(image)",
    ],
    "same_balance": [
        "def same_balance(beta, size, new_size):\n    return beta * new_size[0] / size[0]  # by the side",
        "def same_balance(beta, size, new_size):  # the wrong way round\n"
        "    return beta * (size[0] * size[1]) / (new_size[0] * new_size[1])",
        "def same_balance(beta, size, new_size):\n    return beta * (new_size[0] / size[0]) ** 2  # one side only",
    ],
    "beaten": [
        "def beaten(content, style):  # one error is enough\n"
        "    return [a for a in content if any(content[b] < content[a] or style[b] < style[a] for b in content)]",
        "def beaten(content, style):  # by itself\n"
        "    return [a for a in content if any(content[b] <= content[a] and style[b] <= style[a] for b in content)]",
        "def beaten(content, style):  # twins beat each other\n"
        "    return [a for a in content\n"
        "            if any(a != b and content[b] <= content[a] and style[b] <= style[a] for b in content)]",
        "def beaten(content, style):  # by all others\n"
        "    return [a for a in content if all(content[b] < content[a] and style[b] < style[a] for b in content)]",
        "def beaten(content, style):  # by the sum of both\n"
        "    return [a for a in content if content[a] + style[a] > min(content[b] + style[b] for b in content)]",
    ],
    "even_weights": [
        "def even_weights(errors):  # the larger the error, the larger the weight\n"
        "    return {layer: error / sum(errors.values()) for layer, error in errors.items()}",
        "def even_weights(errors):\n    return {layer: 1 / error for layer, error in errors.items()}  # no sum of 1",
        "def even_weights(errors):  # the smaller, but not in proportion\n"
        "    rest = {layer: sum(errors.values()) - error for layer, error in errors.items()}\n"
        "    return {layer: weight / sum(rest.values()) for layer, weight in rest.items()}",
    ],
    "needed": [
        "def needed(losses, target):\n"
        "    return next((number for number, loss in enumerate(losses) if loss <= target), None)  # counts from 0",
        "def needed(losses, target):  # below, not at most\n"
        "    return next((number for number, loss in enumerate(losses, 1) if loss < target), None)",
        "def needed(losses, target):  # 1 where the target is never reached\n"
        "    return int((torch.as_tensor(losses) <= target).int().argmax()) + 1",
    ],
    "pull": [
        "def pull(bend, lr, steps):\n    return 1 / (steps * lr)  # only true in flat directions",
        "def pull(bend, lr, steps):\n    return (1 - lr * bend) ** steps  # the share that is left, not the pull",
        "def pull(bend, lr, steps):  # upside down\n"
        "    rest = (1 - lr * bend) ** steps\n    return bend * (1 - rest) / rest",
    ],
    "covariance": [
        "def covariance(F):\n    return nst.gram(F - F.mean())  # one mean for all channels",
        "def covariance(F):\n    return nst.gram(F - F.mean(1, keepdim=True))  # the mean over channels",
        "def covariance(F):\n    return torch.stack([f.flatten(1).cov() for f in F])  # divides by M - 1",
        "def covariance(F):\n    return torch.stack([f.flatten(1).corrcoef() for f in F])  # correlations",
        "def covariance(F):\n    return nst.gram(F[:1] - F[:1].mean((2, 3), keepdim=True))  # only the first picture",
    ],
    "disguise": [
        "def disguise(F):\n    return F",
        "def disguise(F):\n    return F.flip(1)  # the channels in another order",
        "def disguise(F):\n    return F.flatten(2).roll(5, 2).view_as(F)  # a shuffle",
        "def disguise(F):\n    return 2 * F",
    ],
    "nearest": [
        "def nearest(G, library):\n    return min(library, key=lambda name: (G - library[name]).norm().item())",
        "def nearest(G, library):\n"
        "    return max(library, key=lambda name: nst.style_loss(G, library[name], 'relative').item())  # the farthest",
        "def nearest(G, library):\n"
        "    def error(A):  # only the diagonal\n"
        "        g, a = G.diagonal(dim1=1, dim2=2), A.diagonal(dim1=1, dim2=2)\n"
        "        return ((g - a).square().sum() / a.square().sum()).item()\n"
        "    return min(library, key=lambda name: error(library[name]))",
    ],
    "ramp": [
        "def ramp(step, steps, first, last):  # straight\n    return first + (last - first) * (step - 1) / (steps - 1)",
        "def ramp(step, steps, first, last):  # one step too early\n"
        "    return first * (last / first) ** (step / steps)",
        "def ramp(step, steps, first, last):  # the other way round\n"
        "    return last * (first / last) ** ((step - 1) / (steps - 1))",
    ],
    "has_converged": [
        "def has_converged(losses, patience, least):  # a difference, not a share\n"
        "    return len(losses) > patience and min(losses[:-patience]) - min(losses) < least",
        "def has_converged(losses, patience, least):  # nothing to compare with\n"
        "    return min(losses) > (1 - least) * min(losses[:-patience])",
        "def has_converged(losses, patience, least):  # the ends, not the best\n"
        "    return len(losses) > patience and losses[-1] > (1 - least) * losses[-patience - 1]",
    ],
    "match_brightness": [
        "def match_brightness(style, content):  # the mean alone\n    return style - style.mean() + content.mean()",
        "def match_brightness(style, content):  # the wrong way round\n"
        "    return (style - style.mean()) * style.std() / content.std() + content.mean()",
        "def match_brightness(style, content):  # the mean is scaled too\n"
        "    return style * content.std() / style.std() + content.mean() - style.mean()",
        "def match_brightness(style, content):  # variances\n"
        "    return (style - style.mean()) * content.var() / style.var() + content.mean()",
        "def match_brightness(style, content):  # upside down\n"
        "    return (style.mean() - style) * content.std() / style.std() + content.mean()",
    ],
    "guide": [
        "def guide(mask, stride):\n    return torch.nn.functional.max_pool2d(mask[None], stride)[0]  # any of it",
        "def guide(mask, stride):  # a sum\n"
        "    return stride**2 * torch.nn.functional.avg_pool2d(mask[None], stride)[0]",
        "def guide(mask, stride):  # smoothed, not brought to the positions\n"
        "    return torch.nn.functional.avg_pool2d(mask[None], stride, 1)[0]",
        "def guide(mask, stride):  # hard\n"
        "    return torch.nn.functional.avg_pool2d((mask[None] > 0).float(), stride)[0]",
    ],
    "inside": [
        "def inside(mask, reach):  # all that sees any of it\n"
        "    return torch.nn.functional.max_pool2d(mask[None], 2 * reach + 1, 1, reach)[0]",
        "def inside(mask, reach):  # a mean\n"
        "    return torch.nn.functional.avg_pool2d(mask[None], 2 * reach + 1, 1, reach)[0]",
        "def inside(mask, reach):  # half as far\n"
        "    return 1 - torch.nn.functional.max_pool2d(1 - mask[None], reach + 1, 1, reach // 2)[0]",
        "def inside(mask, reach):  # nothing outside of the picture is inside\n"
        "    padded = torch.nn.functional.pad(1 - mask[None], [reach] * 4, value=1.0)\n"
        "    return 1 - torch.nn.functional.max_pool2d(padded, 2 * reach + 1, 1)[0]",
        "def inside(mask, reach):  # straight directions alone\n"
        "    pool, outside = torch.nn.functional.max_pool2d, 1 - mask[None]\n"
        "    down = pool(outside, (2 * reach + 1, 1), 1, (reach, 0))\n"
        "    across = pool(outside, (1, 2 * reach + 1), 1, (0, reach))\n"
        "    return 1 - torch.maximum(down, across)[0]",
    ],
    "moments_loss": [
        "def moments_loss(F, A):  # variances\n"
        "    spread = (F.var((2, 3)) - A.var((2, 3))).square().mean()\n"
        "    return (F.mean((2, 3)) - A.mean((2, 3))).square().mean() + spread",
        "def moments_loss(F, A):  # deviations alone\n    return (F.std((2, 3)) - A.std((2, 3))).square().mean()",
        "def moments_loss(F, A):  # a sum over the channels\n"
        "    means = (F.mean((2, 3)) - A.mean((2, 3))).square().sum()\n"
        "    return means + (F.std((2, 3)) - A.std((2, 3))).square().sum()",
        "def moments_loss(F, A):  # of all channels together\n"
        "    return (F.mean() - A.mean()).square() + (F.std() - A.std()).square()",
    ],
    "chain": [
        "def chain(features):  # every layer with itself\n    return [nst.gram(F)[0] for F in features]",
        "def chain(features):  # the other way round\n"
        "    pool, pairs = torch.nn.functional.avg_pool2d, zip(features, features[1:])\n"
        "    return [D[0].flatten(1) @ pool(F, 2)[0].flatten(1).T / D[0, 0].numel() for F, D in pairs]",
        "def chain(features):  # a sum\n"
        "    pool, pairs = torch.nn.functional.avg_pool2d, zip(features, features[1:])\n"
        "    return [4 * pool(F, 2)[0].flatten(1) @ D[0].flatten(1).T for F, D in pairs]",
        "def chain(features):  # divided by the shallow positions, of which there are four times as many\n"
        "    pool, pairs = torch.nn.functional.avg_pool2d, zip(features, features[1:])\n"
        "    return [pool(F, 2)[0].flatten(1) @ D[0].flatten(1).T / F[0, 0].numel() for F, D in pairs]",
        "def chain(features):  # the largest of four\n"
        "    pool, pairs = torch.nn.functional.max_pool2d, zip(features, features[1:])\n"
        "    return [pool(F, 2)[0].flatten(1) @ D[0].flatten(1).T / D[0, 0].numel() for F, D in pairs]",
        "def chain(features):  # one of four\n"
        "    pairs = zip(features, features[1:])\n"
        "    return [F[0, :, ::2, ::2].flatten(1) @ D[0].flatten(1).T / D[0, 0].numel() for F, D in pairs]",
    ],
    "my_backbone": [
        MY_BACKBONE.replace("    torch.manual_seed(0)\n", ""),  # other weights each time
        MY_BACKBONE.replace("'deep': 2", "'deep': 1"),  # the pooling does not count in the stride
        MY_BACKBONE.replace("'4'", "'3'"),  # the convolution in place of its ReLU
        MY_BACKBONE.replace("'4'", "'5'"),  # a position that is not there
        MY_BACKBONE.replace("AvgPool2d(2)", "AvgPool2d(4)"),  # too small a map
    ],
    "entropy": [
        "def entropy(features):  # of the softmax\n"
        "    p = features.flatten().softmax(0)\n"
        "    return -(p * p.log()).sum() / torch.tensor(float(p.numel())).log()",
        "def entropy(features):  # 0 times the logarithm of 0\n"
        "    p = features.flatten() / features.sum()\n"
        "    return -(p * p.log()).sum() / torch.tensor(float(p.numel())).log()",
        "def entropy(features):  # zeros do not count for N\n"
        "    p = features.flatten() / features.sum()\n"
        "    p = p[p > 0]\n"
        "    return -(p * p.log()).sum() / torch.tensor(float(p.numel())).log()",
        "def entropy(features):  # two bases\n"
        "    p = features.flatten() / features.sum()\n"
        "    return torch.special.entr(p).sum() / torch.tensor(float(p.numel())).log2()",
        "def entropy(features):  # the sign\n"
        "    p = features.flatten() / features.sum()\n"
        "    return -torch.special.entr(p).sum() / torch.tensor(float(p.numel())).log()",
        "def entropy(features):  # not divided\n    return torch.special.entr(features / features.sum()).sum()",
    ],
    "pixels_seen": [
        "def pixels_seen(extract, layer):  # pixels, not columns\n"
        "    picture = torch.rand(1, 3, 128, 128, requires_grad=True)\n"
        "    extract(picture, layer)[layer][..., 8, 8].sum().backward()\n"
        "    return int((picture.grad.abs().sum((0, 1)) > 0).sum())",
        "def pixels_seen(extract, layer):  # at the corner\n"
        "    picture = torch.rand(1, 3, 128, 128, requires_grad=True)\n"
        "    extract(picture, layer)[layer][..., 0, 0].sum().backward()\n"
        "    return int((picture.grad.abs().sum((0, 1, 2)) > 0).sum())",
        "def pixels_seen(extract, layer):  # nothing returned\n    extract(torch.rand(1, 3, 64, 64), layer)",
    ],
    "repaired": [
        "def repaired(errors):  # the weights grow\n"
        "    D = len(errors)\n"
        "    return sum(2 ** (d - 1) / (2**D - 1) * error for d, error in enumerate(errors, 1))",
        "def repaired(errors):  # the difference is there still\n"
        "    D = len(errors)\n"
        "    return sum(2 ** (D - d) / (2**D - 1) * (errors[d - 1] - errors[d]) for d in range(1, D))",
        "def repaired(errors):  # the sum of the weights is not 1\n"
        "    return sum(2 ** (len(errors) - d) * error for d, error in enumerate(errors, 1))",
        "def repaired(errors):  # all alike\n    return sum(errors) / len(errors)",
        "def repaired(errors):  # without the deepest\n"
        "    D = len(errors)\n"
        "    return sum(2 ** (D - d) / (2**D - 2) * errors[d - 1] for d in range(1, D))",
    ],
    "mean_gram": [
        "def mean_gram(parts):  # the mean of the means\n"
        "    return sum(nst.gram(part)[0] for part in parts) / len(parts)",
        "def mean_gram(parts):  # the sum\n    return sum(part[0].flatten(1) @ part[0].flatten(1).T for part in parts)",
        "def mean_gram(parts):  # divided by the positions of one tile\n"
        "    total = sum(part[0].flatten(1) @ part[0].flatten(1).T for part in parts)\n"
        "    return total / parts[0][0, 0].numel()",
    ],
    "largest_tile": [
        "def largest_tile(limit, per_pixel, halo, stride):  # a halo on one side\n"
        "    return max((int((limit / per_pixel) ** 0.5) - halo) // stride * stride, 0)",
        "def largest_tile(limit, per_pixel, halo, stride):  # any side\n"
        "    return max(int((limit / per_pixel) ** 0.5) - 2 * halo, 0)",
        "def largest_tile(limit, per_pixel, halo, stride):  # no halo\n"
        "    return int((limit / per_pixel) ** 0.5) // stride * stride",
        "def largest_tile(limit, per_pixel, halo, stride):  # below 0 where none fits\n"
        "    return (int((limit / per_pixel) ** 0.5) - 2 * halo) // stride * stride",
    ],
    "conditional_norm": [
        "def conditional_norm(x, gamma, beta):  # the batch's mean and variance\n"
        "    mean, variance = x.mean((0, 2, 3), keepdim=True), x.var((0, 2, 3), keepdim=True, correction=0)\n"
        "    return gamma[:, None, None] * (x - mean) / (variance + 1e-5).sqrt() + beta[:, None, None]",
        "def conditional_norm(x, gamma, beta):  # over the channels too\n"
        "    mean, variance = x.mean((1, 2, 3), keepdim=True), x.var((1, 2, 3), keepdim=True, correction=0)\n"
        "    return gamma[:, None, None] * (x - mean) / (variance + 1e-5).sqrt() + beta[:, None, None]",
        "def conditional_norm(x, gamma, beta):  # over n - 1\n"
        "    mean, variance = x.mean((2, 3), keepdim=True), x.var((2, 3), keepdim=True)\n"
        "    return gamma[:, None, None] * (x - mean) / (variance + 1e-5).sqrt() + beta[:, None, None]",
        "def conditional_norm(x, gamma, beta):  # by the variance\n"
        "    mean, variance = x.mean((2, 3), keepdim=True), x.var((2, 3), keepdim=True, correction=0)\n"
        "    return gamma[:, None, None] * (x - mean) / (variance + 1e-5) + beta[:, None, None]",
        "def conditional_norm(x, gamma, beta):  # nothing added to the variance\n"
        "    mean, variance = x.mean((2, 3), keepdim=True), x.var((2, 3), keepdim=True, correction=0)\n"
        "    return gamma[:, None, None] * (x - mean) / variance.sqrt() + beta[:, None, None]",
        "def conditional_norm(x, gamma, beta):  # beta is scaled too\n"
        "    mean, variance = x.mean((2, 3), keepdim=True), x.var((2, 3), keepdim=True, correction=0)\n"
        "    return gamma[:, None, None] * ((x - mean) / (variance + 1e-5).sqrt() + beta[:, None, None])",
    ],
    "break_even": [
        "def break_even(training, slow, fast):  # a pass costs nothing\n    return -(-training // slow)",
        "def break_even(training, slow, fast):  # rounded down\n"
        "    return training // (slow - fast) if fast < slow else None",
        "def break_even(training, slow, fast):  # always one more\n"
        "    return training // (slow - fast) + 1 if fast < slow else None",
        "def break_even(training, slow, fast):  # no whole number\n"
        "    return training / (slow - fast) if fast < slow else None",
        "def break_even(training, slow, fast):  # it never asks whether the network is faster\n"
        "    return -(-training // (slow - fast)) if fast != slow else None",
    ],
    "reflected": [
        "def reflected(x, reach):\n    return torch.nn.functional.pad(x, [reach] * 4, mode='replicate')",
        "def reflected(x, reach):  # the border comes twice\n"
        "    x = torch.cat([x[..., :reach].flip(3), x, x[..., -reach:].flip(3)], 3)\n"
        "    return torch.cat([x[..., :reach, :].flip(2), x, x[..., -reach:, :].flip(2)], 2)",
        "def reflected(x, reach):  # not mirrored\n"
        "    x = torch.cat([x[..., 1 : reach + 1], x, x[..., -reach - 1 : -1]], 3)\n"
        "    return torch.cat([x[..., 1 : reach + 1, :], x, x[..., -reach - 1 : -1, :]], 2)",
        "def reflected(x, reach):  # what is on the other side\n"
        "    return torch.nn.functional.pad(x, [reach] * 4, mode='circular')",
        "def reflected(x, reach):  # columns alone\n"
        "    return torch.cat([x[..., 1 : reach + 1].flip(3), x, x[..., -reach - 1 : -1].flip(3)], 3)",
        "def reflected(x, reach):  # zeros in the corners\n"
        "    y = torch.nn.functional.pad(x, [reach] * 4)\n"
        "    y[..., reach:-reach, :reach] = x[..., 1 : reach + 1].flip(3)\n"
        "    y[..., reach:-reach, -reach:] = x[..., -reach - 1 : -1].flip(3)\n"
        "    y[..., :reach, reach:-reach] = x[..., 1 : reach + 1, :].flip(2)\n"
        "    y[..., -reach:, reach:-reach] = x[..., -reach - 1 : -1, :].flip(2)\n"
        "    return y",
    ],
    "mixed_row": [
        "def mixed_row(rows, content, shares):  # without the content\n"
        "    return sum((share * rows[style] for style, share in shares.items()), 0 * content)",
        "def mixed_row(rows, content, shares):  # brought to the sum 1\n"
        "    total = sum(shares.values())\n"
        "    return sum((share / total * rows[style] for style, share in shares.items()), 0 * content)",
        "def mixed_row(rows, content, shares):  # all of the content\n"
        "    return sum((share * rows[style] for style, share in shares.items()), content)",
        "def mixed_row(rows, content, shares):  # equal shares\n"
        "    return sum(rows[style] for style in shares) / len(shares)",
    ],
    "strength_for": [
        "def strength_for(error, wanted):  # as if it grew in proportion\n    return min(wanted / error(1.0), 1.0)",
        "def strength_for(error, wanted):  # the wrong half\n"
        "    low, high = 0.0, 1.0\n"
        "    for _ in range(10):\n"
        "        middle = (low + high) / 2\n"
        "        low, high = (middle, high) if error(middle) > wanted else (low, middle)\n"
        "    return (low + high) / 2",
        "def strength_for(error, wanted):  # one after the other\n"
        "    return max(k / 200 for k in range(201) if error(k / 200) <= wanted)",
        "def strength_for(error, wanted):  # too few\n"
        "    low, high = 0.0, 1.0\n"
        "    for _ in range(3):\n"
        "        middle = (low + high) / 2\n"
        "        low, high = (low, middle) if error(middle) > wanted else (middle, high)\n"
        "    return (low + high) / 2",
    ],
    "reduced": [
        "def reduced(rows, count):  # not around the mean\n"
        "    left, sizes, right = torch.linalg.svd(rows, full_matrices=False)\n"
        "    return left[:, :count] * sizes[:count] @ right[:count]",
        "def reduced(rows, count):  # the mean is lost\n"
        "    left, sizes, right = torch.linalg.svd(rows - rows.mean(0), full_matrices=False)\n"
        "    return left[:, :count] * sizes[:count] @ right[:count]",
        "def reduced(rows, count):  # the smallest\n"
        "    mean = rows.mean(0)\n"
        "    left, sizes, right = torch.linalg.svd(rows - mean, full_matrices=False)\n"
        "    kept = slice(len(rows) - 1 - count, len(rows) - 1)\n"
        "    return mean + left[:, kept] * sizes[kept] @ right[kept]",
        "def reduced(rows, count):  # without the sizes\n"
        "    mean = rows.mean(0)\n"
        "    left, sizes, right = torch.linalg.svd(rows - mean, full_matrices=False)\n"
        "    return mean + left[:, :count] @ right[:count]",
    ],
    "part_swapped": [
        "def part_swapped(x, mean, deviation, strength):  # all of it\n"
        "    return deviation * (x - x.mean((2, 3), keepdim=True)) / x.std((2, 3), keepdim=True) + mean",
        "def part_swapped(x, mean, deviation, strength):  # the other way round\n"
        "    whole = deviation * (x - x.mean((2, 3), keepdim=True)) / x.std((2, 3), keepdim=True) + mean\n"
        "    return whole + strength * (x - whole)",
        "def part_swapped(x, mean, deviation, strength):  # the means alone\n"
        "    return x + strength * (mean - x.mean((2, 3), keepdim=True))",
        "def part_swapped(x, mean, deviation, strength):  # without the rest of the photograph\n"
        "    whole = deviation * (x - x.mean((2, 3), keepdim=True)) / x.std((2, 3), keepdim=True) + mean\n"
        "    return strength * whole",
    ],
    "nearest_painting": [
        "def nearest_painting(row, rows):  # large numbers drown the small ones\n"
        "    return (rows - row).square().sum(1).argmin()",
        "def nearest_painting(row, rows):  # the farthest\n"
        "    return (rows.log() - row.log()).square().sum(1).argmax()",
        "def nearest_painting(row, rows):  # the signs cancel\n"
        "    return (rows.log() - row.log()).sum(1).abs().argmin()",
    ],
    "twin_of": [
        "def twin_of(x):  # all channels together\n    return x.roll(3, dims=3)",
        "def twin_of(x):  # other means\n    return x.flip(1)",
        "def twin_of(x):  # larger\n    return 2 * x",
    ],
}


def code(notebook):
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


def prose(notebook):
    return "\n\n".join(cell.source for cell in notebook.cells if cell.cell_type == "markdown")


EXERCISES = {(stem, name): parts for stem, notebook in NOTEBOOKS.items() for name, parts in exercises(notebook).items()}


def only_functions(source):
    tree = ast.parse(plain(source))
    tree.body = [node for node in tree.body if isinstance(node, ast.FunctionDef)]
    return ast.unparse(tree)


@pytest.fixture(autouse=True)
def same_backbones(monkeypatch):
    """Networks that a checker registers are gone afterwards."""
    monkeypatch.setattr(backbones, "_KNOWN", dict(backbones._KNOWN))


def verdict(name, checker, answer):
    names = {"torch": torch, "nst": nst}
    exec(checker, names)
    exec(only_functions(answer), names)
    return names[f"check_{name}"](names[name])


def test_there_are_notebooks():
    assert PATHS


def rehearsal(notebook):
    """The notebook, with the cells of each exercise once more behind them: solved, and found right by its checker."""
    cells = list(notebook.cells)
    for name, exercise in reversed(exercises(notebook).items()):
        end = next(place for place in range(exercise.at, len(cells)) if cells[place].cell_type == "markdown")
        solved = [nbformat.from_dict({**cell, "id": f"{cell.id}-solved"}) for cell in cells[exercise.at : end]]
        solved[0].source = answer(name, exercise)
        check = nbformat.v4.new_code_cell(f"said = check_{name}({name})\nassert said == {RIGHT!r}, said")
        cells[end:end] = [*solved, check]
    return nbformat.from_dict({**notebook, "cells": cells})


def test_a_rehearsal_has_every_cell_of_the_notebook_and_of_the_answer_copy():
    for notebook in NOTEBOOKS.values():
        sources = [cell.source for cell in rehearsal(notebook).cells]
        for copy in (notebook, answered(notebook)):
            rest = iter(sources)
            assert all(cell.source in rest for cell in copy.cells)  # in this order
        assert len(sources) > len(notebook.cells)


@pytest.mark.slow
@pytest.mark.parametrize("path", PATHS, ids=lambda path: path.stem)
def test_it_runs_with_stubs_and_with_solutions_and_its_checked_outputs_are_as_committed(path, tmp_path):
    """From the repository's root; tools/execute_notebooks.py, which wrote the outputs, runs it in its own folder."""
    nbformat.write(rehearsal(NOTEBOOKS[path.stem]), tmp_path / path.name)
    command = [sys.executable, "-m", "pytest", "--nbval-lax", "-p", "nbval_house", "-p", "no:cacheprovider"]
    environment = os.environ | {"PYTHONPATH": str(ROOT / "tests"), "PYTEST_ADDOPTS": "", "NBVAL_FOLDER": str(ROOT)}
    done = subprocess.run(
        [*command, "-q", "--no-header", "--override-ini", "addopts=", path.name],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-8000:] + done.stderr[-2000:]
    assert re.search(r"\d+ passed", done.stdout)


def set_up(folder, repository=""):
    """Run the set-up cell in a folder, without an installed package, as in a fresh clone; gives both cells' outputs."""
    hide = "import sys; sys.meta_path[:] = [f for f in sys.meta_path if 'editable' not in repr(f).lower()]; sys.path[:]"
    hide += f" = [p for p in sys.path if p != {str(ROOT)!r}]"
    source = links.setup_source(links.PLACEHOLDER).replace('REPO = ""', f"REPO = {repository!r}")
    sources = [hide, source, "import nstlib; print(nstlib.__file__)"]
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(source) for source in sources])
    client = nbclient.NotebookClient(notebook, kernel_name="python3", resources={"metadata": {"path": str(folder)}})
    client.execute()
    assert not notebook.cells[1].outputs  # it prints nothing
    return Path(notebook.cells[2].outputs[0].text.strip()).parent


@pytest.mark.parametrize("stem", NOTEBOOKS)
def test_its_set_up_cell_is_that_of_all_notebooks_and_comes_first(stem):
    assert code(NOTEBOOKS[stem])[0].source == links.setup_source(links.address())


@pytest.mark.parametrize("stem", NOTEBOOKS)
def test_nst_sizes_gives_any_machine_the_sizes_of_a_gpu(stem, monkeypatch):
    """Who has no GPU can then see whether the claims hold where most readers meet them: in Colab, with a GPU."""
    monkeypatch.setenv("NST_BACKBONE", "mini")
    monkeypatch.setattr(torch.backends.cudnn, "allow_tf32", True)  # 10 changes it; here it is put back
    for maker in ("FeatureExtractor", "load_image"):
        monkeypatch.setattr(nst, maker, lambda *_, **__: None)

    def settings(device, wanted):
        monkeypatch.setattr(nst, "default_device", lambda: torch.device(device))
        monkeypatch.setenv("NST_SIZES", wanted)
        names = {}
        for cell in code(NOTEBOOKS[stem])[:2]:
            exec(cell.source, names)
        return {name: value for name, value in names.items() if name.isupper() and name != "LARGE_SIZES"}

    small, large, of_a_gpu = settings("cpu", ""), settings("cpu", "large"), settings("cuda", "")
    assert large == of_a_gpu
    assert small["SIZE"] < large["SIZE"]


@pytest.mark.slow
@pytest.mark.parametrize("folder", [ROOT / "notebooks", ROOT, ROOT.parent], ids=["notebooks", "root", "outside"])
def test_the_set_up_cell_finds_the_project(folder):
    assert set_up(folder) == ROOT / "nstlib"


@pytest.mark.slow
def test_the_set_up_cell_clones_the_project_where_there_is_none(tmp_path):
    if not (ROOT / ".git").exists():
        pytest.skip("not a clone")
    assert set_up(tmp_path, f"file://{ROOT}") == tmp_path / "style-transfer" / "nstlib"


@pytest.mark.slow
@pytest.mark.parametrize("repository", ["", "file:///nowhere"], ids=["no address", "a wrong address"])
def test_the_set_up_cell_says_what_to_do_where_there_is_nothing(repository, tmp_path):
    with pytest.raises(nbclient.exceptions.CellExecutionError, match="into REPO"):
        set_up(tmp_path, repository)


@pytest.mark.parametrize("stem", NOTEBOOKS)
def test_its_outputs_come_from_one_run(stem):
    cells = code(NOTEBOOKS[stem])
    assert [cell.execution_count for cell in cells] == list(range(1, len(cells) + 1))
    for cell in cells:
        assert all(output.output_type in ("stream", "display_data", "execute_result") for output in cell.outputs)
        assert all(output.get("name") != "stderr" for output in cell.outputs)
        shows = isinstance(ast.parse(plain(cell.source)).body[-1], ast.Expr) or "print(" in cell.source
        if shows and "%%capture" not in cell.source and not functions(cell.source):
            assert cell.outputs, cell.source
        if "NBVAL_CHECK_OUTPUT" in cell.source:
            assert cell.outputs, cell.source


@pytest.mark.parametrize("stem", NOTEBOOKS)
def test_its_file_is_light_and_the_same_on_every_machine(stem):
    path, notebook = ROOT / "notebooks" / f"{stem}.ipynb", NOTEBOOKS[stem]
    text = path.read_text(encoding="utf-8")
    assert len(text) < 1_500_000
    assert set(notebook.metadata) == {"kernelspec", "language_info"}
    assert set(notebook.metadata.language_info) == {"name"}
    assert "application/vnd.jupyter.widget" not in text
    assert str(ROOT) not in text
    assert "/root/" not in text
    for cell in notebook.cells:
        assert set(cell.metadata) <= {"jupyter", "slideshow", "tags"}, cell.source


@pytest.mark.parametrize("stem", NOTEBOOKS)
def test_its_cells_are_short_and_its_pictures_described(stem):
    notebook = NOTEBOOKS[stem]
    for cell in code(notebook):
        assert len(cell.source.splitlines()) <= 25, cell.source
        for output in cell.outputs:
            for kind in {"image/png", "image/jpeg"} & set(output.get("data", {})):
                assert len(output.metadata[kind]["alt"]) > 15
                assert base64.b64decode(output.data[kind])
    pictures = re.findall(r"(?<!\[)!\[(.*?)\]\((.*?)\)", prose(notebook))  # not the badge, a picture that is a link
    assert pictures
    for alt, address in pictures:
        assert len(alt) > 15, address
        here = address.replace(links.raw_link("", links.address()), "../")
        assert (ROOT / "notebooks" / here).is_file(), address
    assert "<img" not in re.sub(r'<img[^>]* alt="[^"]{15,}"', "", prose(notebook))


@pytest.mark.parametrize("stem", NOTEBOOKS)
def test_its_title_is_followed_by_the_badge_and_a_picture(stem):
    heading, badge, *rest = [line for line in NOTEBOOKS[stem].cells[0].source.splitlines() if line]
    assert heading.startswith(f"# {stem[:2]} ")
    assert badge == links.BADGE.format(link=links.colab_link(stem, links.address()))
    assert any(line.startswith("![") for line in rest)


@pytest.mark.parametrize("stem", NOTEBOOKS)
def test_its_headings_follow_the_template(stem):
    text = re.sub(r"```.*?```", "", prose(NOTEBOOKS[stem]), flags=re.DOTALL)
    headings = [(len(marks), title) for marks, title in re.findall(r"^(#+) (.+)$", text, re.MULTILINE)]
    assert headings[0][0] == 1
    assert headings[0][1].startswith(stem[:2])
    assert [level for level, _ in headings].count(1) == 1
    sections = [title for level, title in headings if level == 2]
    numbered, rest = sections[: -len(SECTIONS)], sections[-len(SECTIONS) :]
    assert rest == SECTIONS
    assert [int(title.split()[0]) for title in numbered] == list(range(1, len(numbered) + 1))
    assert all(after <= before + 1 for (before, _), (after, _) in pairwise(headings))
    for promise in ("**What you will learn**", "**What you need to know.**", "**How long it takes.**", "**Predict.**"):
        assert promise in text


@pytest.mark.parametrize("stem", NOTEBOOKS)
def test_no_cell_opens_a_file_relative_to_a_folder(stem):
    """So that it runs from wherever it is started."""
    for cell in code(NOTEBOOKS[stem])[1:]:
        for node in ast.walk(ast.parse(plain(cell.source))):
            if (
                isinstance(node, ast.Constant)
                and isinstance(node.value, str)
                and re.fullmatch(r"[./]*\w[\w ./-]*", node.value)
            ):
                for folder in (ROOT, ROOT / "notebooks"):
                    assert not (folder / node.value).exists(), cell.source


def is_checked(cell):
    return "NBVAL_CHECK_OUTPUT" in cell.source


@pytest.mark.parametrize("stem", NOTEBOOKS)
def test_its_claims_are_checked(stem):
    sources = "\n".join(cell.source for cell in code(NOTEBOOKS[stem]) if "def check_" not in cell.source)
    assert len(re.findall(r"^\s*assert ", sources, re.MULTILINE)) + sum(map(is_checked, code(NOTEBOOKS[stem]))) >= 5
    assert any(is_checked(cell) for cell in code(NOTEBOOKS[stem]))


def numbers(text):
    """The numbers from 10 on, as text; no layer names, and no ends of words."""
    found = re.findall(r"(?<![\w.])\d[\d,_]*(?:\.\d+)?(?!\w)", text)
    return {re.sub(r"[,_]", "", number) for number in found if float(re.sub(r"[,_]", "", number)) >= 10}


def test_numbers_are_found():
    assert numbers("At 8,000 : 1, 120_000 : 1, 37.5 % of 12, relu4_2, 3 x 3, VGG19, 1e16.") == {
        "8000",
        "120000",
        "37.5",
        "12",
    }


@pytest.mark.parametrize("stem", NOTEBOOKS)
def test_a_number_that_the_prose_cites_is_in_the_code_or_in_a_checked_output(stem):
    """Years, tables, formulas and references aside; times are only in the first cell."""
    cells = NOTEBOOKS[stem].cells
    known = numbers("\n".join(cell.source for cell in code(NOTEBOOKS[stem])))
    for cell in filter(is_checked, code(NOTEBOOKS[stem])):
        known |= numbers("\n".join(o.get("text") or o.data["text/plain"] for o in cell.outputs))
    for cell in cells[1:]:
        if cell.cell_type == "markdown" and not cell.source.startswith(("## References", "### Exercise")):
            aside = r"```.*?```|`[^`]*`|\$\$.*?\$\$|\$[^$]*\$|\]\([^)]*\)|^#.*?$|^\|.*?$|\b(19|20)\d\d\b|notebook \d\d"
            missing = numbers(re.sub(aside, "", cell.source, flags=re.DOTALL | re.MULTILINE)) - known
            assert not missing, f"assert these, or print them in a cell with NBVAL_CHECK_OUTPUT: {cell.source}"


@pytest.mark.parametrize("stem", NOTEBOOKS)
def test_its_links_within_the_repository_lead_somewhere(stem):
    for address in re.findall(r"(?<!!)\[[^\]]*\]\(((?!http)[^)#]+)\)", prose(NOTEBOOKS[stem])):
        assert (ROOT / "notebooks" / address).exists(), address


@pytest.mark.parametrize("stem", NOTEBOOKS)
def test_it_has_exercises_with_hints_and_folded_solutions(stem):
    text = prose(NOTEBOOKS[stem])
    count = len(exercises(NOTEBOOKS[stem]))
    assert count >= 2
    assert len(re.findall(r"^### Exercise \d", text, re.MULTILINE)) == count
    assert text.count("<details><summary>Hint</summary>") == count
    assert text.count("<details><summary>Solution</summary>") == count
    assert text.count("<details>") == text.count("</details>")


@pytest.mark.parametrize(("stem", "name"), EXERCISES)
def test_the_checker_of_an_exercise_takes_the_solution_and_nothing_else(stem, name):
    checker, stub, solution, _ = EXERCISES[stem, name]
    assert verdict(name, checker, solution) == RIGHT
    assert verdict(name, checker, answer(name, EXERCISES[stem, name])) == RIGHT
    assert verdict(name, checker, stub).startswith("Not yet")
    assert len(MISTAKES[name]) >= 2
    for mistake in MISTAKES[name]:
        assert verdict(name, checker, mistake).startswith("Not yet"), mistake
