"""Train the bundled backbone "mini": a small VGG that sees pictures as the real network does.

First the teacher is compressed into it by least squares (compressing.py). Each channel of mini is then one of the
teacher's, and training brings the features of all layers, and their Gram matrices, nearer to the teacher's. Half of the
steps train on photographs, paintings and drawn pictures (training_batches.py), the others on pictures that are being
painted with the network itself (easel.py).

Student and teacher pool alike: on painted pictures by average, as transfers do; on others at times by maximum.

Example:
    python tools/distill.py --teacher vgg16 --photographs folder --checkpoint mini.pt
"""

import argparse
import copy
import hashlib
import json
import math
import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch
from compressing import Kept, compress
from easel import Easel, Network
from safetensors import safe_open
from safetensors.torch import load_file, save_file
from teachers import Vgg, load_network, narrower
from torch import Tensor, nn
from tqdm import tqdm
from training_batches import Pictures

from nstlib.backbones import read_weights
from nstlib.base.devices import keep_freed_memory
from nstlib.base.interrupts import noted
from nstlib.errors import NstError, RunError, WeightsUnavailable, brief
from nstlib.losses import gram
from nstlib.networks.vgg import MINI_PLAN, LowRankConv2d, Width
from nstlib.objective import GATYS_CONTENT, GATYS_STYLE

MAXIMUM_SHARE = 0.4  # of the steps that do not train on painted pictures pool by maximum
PASSING = 0.35  # what layers count that transfers do not look at by default, but deeper ones are made of
LAST = 0.1  # what layers count that are not even that
COMPRESSING_CROP, COMPRESSING_BATCH = 224, 4
PAINTED_EACH, VISITS_BETWEEN = 5, 4  # of the painted ones, so many are stages of one transfer


@dataclass(frozen=True)
class Recipe:
    """What decides the result, beside teacher, pictures and machine. A checkpoint remembers it."""

    steps: int
    seed: int
    batch: int
    crop: int
    drawn: int
    rate: float
    gram_weight: float
    compressing_batches: int
    painted_batches: int
    precision: str


# ---------------------------------------------------------------- how wrong it is


def layer_errors(features: Tensor, target: Tensor, loudness: Tensor) -> Tensor:
    """Relative errors of features and of their Gram matrices, a tensor of two, each the mean over pictures.

    All channels of the features count alike, as each may matter to a deeper layer. In the Gram matrices, as in a
    transfer's, each counts by its loudness.
    They are not squared: a few pictures and layers are far worse than the rest, and squares would listen to nobody
    else.
    """
    features, target = features.float(), target.float()
    error = (features - target).square().flatten(1).sum(1)
    own, aim = (gram(values * loudness[:, None, None]) for values in (features, target))
    gram_error = (own - aim).square().sum((1, 2))
    return torch.stack(
        [
            _relative(error, target.square().flatten(1).sum(1)).mean(),
            _relative(gram_error, aim.square().sum((1, 2))).mean(),
        ]
    )


def _relative(error: Tensor, norm: Tensor) -> Tensor:
    # A nearly empty picture has a small norm; without a floor it would drown the others.
    return (error / (norm + 0.1 * norm.mean()) + 1e-6).sqrt()


def errors(
    student: Vgg, kept: Mapping[str, Kept], taught: Mapping[str, Tensor], normalized: Tensor, pooling: str
) -> dict[str, Tensor]:
    """`layer_errors` of each layer."""
    features = student(normalized, kept, pooling)
    return {
        layer: layer_errors(features[layer], keeps.of(taught[layer]), keeps.loudness) for layer, keeps in kept.items()
    }


def loud(student: Vgg, kept: Mapping[str, Kept]) -> Network:
    """The student with channels as loud as the teacher's, so that its transfers weigh them alike."""

    def network(normalized: Tensor, layers: Iterable[str], pooling: str) -> dict[str, Tensor]:
        features = student(normalized, layers, pooling)
        return {layer: values * kept[layer].loudness[:, None, None] for layer, values in features.items()}

    return network


@torch.no_grad()
def rescale(convolutions: Mapping[str, nn.Module], factors: Mapping[str, Tensor]) -> None:
    """Multiply each layer's channels by its factors (C,). The next layer undoes it, so that all else stays as it is."""
    before = torch.ones(3)
    for name, module in convolutions.items():
        factor = factors[name.replace("conv", "relu")]
        parts = list(module) if isinstance(module, LowRankConv2d) else [module]
        parts[0].weight.div_(before[None, :, None, None])
        parts[-1].weight.mul_(factor[:, None, None, None])
        parts[-1].bias.mul_(factor)
        before = factor


# ---------------------------------------------------------------- training


class Optimizer:
    """Muon (Jordan et al. 2024) for the weights, each a matrix (C_out, k k C_in), and Adam for the biases.

    Muon moves all directions of a matrix at the same pace, and not mostly the few that are loud. At the same rate it
    came further in the same steps than Adam.
    """

    def __init__(self, convolutions: Iterable[nn.Module], rate: float):
        self._convolutions = [m for each in convolutions for m in each.modules() if isinstance(m, nn.Conv2d)]
        self._matrices = [nn.Parameter(_as_matrix(module.weight.detach())) for module in self._convolutions]
        biases = [module.bias for module in self._convolutions if module.bias is not None]
        self._parts = [
            torch.optim.Muon(self._matrices, lr=rate, weight_decay=0.0, adjust_lr_fn="match_rms_adamw"),
            torch.optim.Adam(biases, lr=rate, betas=(0.9, 0.99)),
        ]

    def set_rate(self, rate: float) -> None:
        """Change both parts' learning rate."""
        for group in (group for part in self._parts for group in part.param_groups):
            group["lr"] = rate

    def step(self) -> None:
        """Change weights and biases by their gradients."""
        for matrix, module in zip(self._matrices, self._convolutions, strict=True):
            matrix.grad = _as_matrix(module.weight.grad)
        for part in self._parts:
            part.step()

    def state_dict(self) -> list[dict[str, Any]]:
        """What `load_state_dict` takes."""
        return [part.state_dict() for part in self._parts]

    def load_state_dict(self, states: list[dict[str, Any]]) -> None:
        """Go on from a state."""
        for part, state in zip(self._parts, states, strict=True):
            part.load_state_dict(state)


def _as_matrix(weight: Tensor) -> Tensor:
    """(C_out, k k C_in) of a weight with channels innermost; they share their memory."""
    return weight.permute(0, 2, 3, 1).flatten(1)


class Training:
    """Student, optimizer and progress: all that a checkpoint holds.

    Args:
        start: weights to start from, as `weights` wrote them; without it, the teacher is compressed into the student.

    Raises:
        WeightsUnavailable: a teacher that ends too early, or a start that belongs to another one.
    """

    def __init__(
        self,
        recipe: Recipe,
        teacher: Vgg,
        pictures: Pictures,
        plan: Sequence[Width | str] = MINI_PLAN,
        start: Path | None = None,
        groups: int = 3,
    ):
        torch.manual_seed(recipe.seed)
        for layer in (*GATYS_CONTENT, *GATYS_STYLE):
            if layer not in teacher.layers:
                raise WeightsUnavailable(f"the teacher ends before {layer}; give one that goes to {max(GATYS_STYLE)}")
        self.recipe, self.step, self.pictures = recipe, 0, pictures
        self.student, self.teacher = narrower(teacher, plan), teacher
        self.easel = Easel(pictures, groups, recipe.batch, recipe.crop)
        self.kept: dict[str, Kept] = {}
        if start is not None:
            self._start(start)
        self.average = copy.deepcopy(self.student)
        self.average.features.requires_grad_(False)
        self.optimizer = Optimizer(self.student.convolutions.values(), recipe.rate)

    def compress(self) -> dict[str, float]:
        """Start from the compressed teacher; gives each layer's relative squared error.

        It is compressed a second time with pictures besides that the first result has painted.
        """
        pooling = ("avg", "avg", "max")
        batches = [
            (pooling[index % 3], self.pictures.batch(index, COMPRESSING_BATCH, COMPRESSING_CROP, use=3))
            for index in range(self.recipe.compressing_batches)
        ]
        if not self.kept:
            self.kept, _ = compress(self.student, self.teacher, batches, seed=self.recipe.seed)
        batches += [("avg", pictures) for pictures in self._paint()]
        self.kept, found = compress(self.student, self.teacher, batches, seed=self.recipe.seed)
        self.average.features.load_state_dict(self.student.features.state_dict())
        return found

    def _paint(self) -> Iterator[Tensor]:
        """Pictures on the way of transfers with the student, normalized."""
        easel = Easel(self.pictures, self.recipe.painted_batches // PAINTED_EACH, COMPRESSING_BATCH, COMPRESSING_CROP)
        network = loud(self.student, self.kept)
        for visit in tqdm(range(len(easel.groups) * PAINTED_EACH * VISITS_BETWEEN), desc="painting", unit="visit"):
            pictures = easel.visit(network, visit)
            if visit // len(easel.groups) % VISITS_BETWEEN == VISITS_BETWEEN - 1:
                yield pictures

    def run(self) -> Iterator[dict[str, Tensor]]:
        """Train to the end of the recipe; gives each step's errors."""
        if not self.kept:
            self.compress()
        while self.step < self.recipe.steps:
            yield self.advance()

    def advance(self) -> dict[str, Tensor]:
        """One step.

        Raises:
            RunError: the loss is no number; the weights are as they were before the step.
        """
        step, recipe = self.step, self.recipe
        self.optimizer.set_rate(recipe.rate * _schedule(step / recipe.steps))
        normalized, pooling = self._batch(step)
        with torch.autocast("cpu", torch.bfloat16, enabled=recipe.precision == "bfloat16"):
            taught = self.teacher(normalized, self.kept, pooling)
            found = errors(self.student, self.kept, taught, normalized, pooling)
        loss = sum(_weight(layer) * (e[0] + recipe.gram_weight * e[1]) for layer, e in found.items())
        if not loss.isfinite():
            raise RunError(f"in step {step + 1} the loss is {loss.item()}; try a lower --rate, {recipe.rate:g} by now")
        self.student.features.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(self.student.features.parameters(), 5.0)
        self.optimizer.step()
        self._follow(min(0.995, (1 + step) / (10 + step)))
        self.step += 1
        return {layer: error.detach() for layer, error in found.items()}

    def _batch(self, step: int) -> tuple[Tensor, str]:
        """A step's pictures, and how they are pooled."""
        if step % 2:
            with torch.autocast("cpu", torch.bfloat16, enabled=self.recipe.precision == "bfloat16"):
                return self.easel.visit(loud(self.average, self.kept), step // 2), "avg"
        rng = np.random.default_rng((self.recipe.seed, step, 4))
        pooling = "max" if rng.random() < MAXIMUM_SHARE else "avg"
        return self.pictures.batch(step, self.recipe.batch, self.recipe.crop), pooling

    @torch.no_grad()
    def _follow(self, decay: float) -> None:
        """Move the averaged weights towards the present ones."""
        pairs = zip(self.average.features.parameters(), self.student.features.parameters(), strict=True)
        for average, now in pairs:
            average.lerp_(now, 1 - decay)

    def state(self) -> dict[str, Any]:
        """Everything that is needed to go on as if nothing had happened."""
        return {
            "recipe": asdict(self.recipe),
            "sources": self.sources,
            "step": self.step,
            "kept": {layer: (kept.channels, kept.scale) for layer, kept in self.kept.items()},
            "student": self.student.features.state_dict(),
            "average": self.average.features.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "easel": self.easel.groups,
        }

    @cached_property
    def sources(self) -> dict[str, str]:
        """Digests of what is learned from."""
        pictures = (picture for shelf in self.pictures.shelves.values() for picture in shelf)
        return {"teacher": digest(self.teacher.features.state_dict().values()), "pictures": digest(pictures)}

    def load_state(self, state: dict[str, Any]) -> None:
        """Go on from a state of the same recipe, teacher and pictures.

        Raises:
            RunError: it is one of others.
        """
        if state.get("recipe") != asdict(self.recipe):
            raise RunError(f"the checkpoint was made by another recipe: {state.get('recipe')}")
        for name, found in self.sources.items():
            if state.get("sources", {}).get(name) != found:
                raise RunError(f"the checkpoint was made with another choice of {name}")
        self.student.features.load_state_dict(state["student"])
        self.average.features.load_state_dict(state["average"])
        self.optimizer.load_state_dict(state["optimizer"])
        self.kept = {layer: Kept(*kept) for layer, kept in state["kept"].items()}
        self.step, self.easel.groups = state["step"], state["easel"]

    def weights(self) -> tuple[dict[str, Tensor], dict[str, str]]:
        """The averaged student in half precision, as `load_backbone` reads it, and notes on which channels it keeps."""
        vgg = Vgg(copy.deepcopy(self.average.features).float().cpu())
        rescale(vgg.convolutions, {layer: kept.loudness for layer, kept in self.kept.items()})
        tensors = {key: value.half().contiguous() for key, value in vgg.named["avg"].state_dict().items()}
        notes = {
            layer: json.dumps({"channels": kept.channels.tolist(), "scale": [float(f"{x:.4g}") for x in kept.scale]})
            for layer, kept in self.kept.items()
        }
        return tensors, notes

    def _start(self, path: Path) -> None:
        state = read_weights(path, load_file)
        with safe_open(path, "pt") as file:
            notes = file.metadata() or {}
        try:
            self.student.named["avg"].load_state_dict(state)
        except RuntimeError as error:
            raise WeightsUnavailable(f"{path} has other layers, or other widths, than what is trained here") from error
        for name in self.student.convolutions:
            layer, width = name.replace("conv", "relu"), self.student.width_of(name)
            kept = _noted(notes.get(layer, ""))
            if kept is None or len(kept.channels) != width or kept.channels.max() >= self.teacher.width_of(name):
                raise WeightsUnavailable(
                    f"{path} does not say which of this teacher's channels {layer} keeps; it has learned from another, "
                    "or was not made here"
                )
            self.kept[layer] = kept
        rescale(self.student.convolutions, {layer: 1 / kept.loudness for layer, kept in self.kept.items()})


def _noted(note: str) -> Kept | None:
    """What a file says of a layer; None where it says nothing of use."""
    try:
        found = json.loads(note)
        kept = Kept(torch.tensor(found["channels"]), torch.tensor(found["scale"]))
        alike = kept.channels.shape == kept.scale.shape and kept.channels.ndim == 1
        return kept if alike and kept.channels.dtype == torch.int64 and (kept.scale > 0).all() else None
    except (ValueError, KeyError, TypeError):
        return None


def digest(tensors: Iterable[Tensor]) -> str:
    """A fingerprint of the numbers."""
    found = hashlib.sha256()
    for tensor in tensors:
        found.update(f"{tensor.dtype}{tuple(tensor.shape)}".encode())
        found.update(tensor.contiguous().numpy())
    return found.hexdigest()


def _weight(layer: str) -> float:
    if layer in GATYS_STYLE or layer in GATYS_CONTENT:
        return 1.0
    return PASSING if layer < max(GATYS_STYLE) else LAST


def _schedule(progress: float) -> float:
    """Share of the learning rate: a short rise, then half a cosine down to zero."""
    return float(min(1.0, progress / 0.02 + 0.01) * 0.5 * (1 + np.cos(np.pi * progress)))


# ---------------------------------------------------------------- command line


def write(path: Path, save: Callable[[Path], Any]) -> None:
    """Write a file so that an interruption leaves the old one whole."""
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(path.name + ".partial")
    save(partial)
    partial.chmod(0o644)  # safetensors leaves its files to their owner alone
    os.replace(partial, path)


def whole(least: int, step: int = 1) -> Callable[[str], int]:
    """An option's value: a whole number that is large enough, and a multiple of the step."""

    def read(text: str) -> int:
        number = int(text) if text.isdecimal() else -1
        if number < least or number % step:
            multiple = f" that is a multiple of {step}" if step > 1 else ""
            raise argparse.ArgumentTypeError(f"{text!r} is no whole number from {least} on{multiple}")
        return number

    return read


def amount(text: str) -> float:
    """An option's value: a number that is not negative."""
    number = float(text)
    if not 0 <= number < math.inf:
        raise argparse.ArgumentTypeError(f"{text!r} is no number from 0 on")
    return number


def options() -> argparse.Namespace:
    """What the command line says."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add = parser.add_argument
    add("--teacher", required=True, help='"vgg16" or "vgg19" (downloads it), or a file of their weights')
    add("--photographs", type=Path, help="folder of photographs to learn from beside scikit-image's")
    add("--start", type=Path, help="weights of an earlier training to start from")
    add("--out", type=Path, default=Path("nstlib/weights/mini.safetensors"), help="the weights (default: %(default)s)")
    add("--steps", type=whole(0), default=6000, help="optimizer steps (default: %(default)s)")
    add("--batch", type=whole(1), default=6, help="pictures a step (default: %(default)s)")
    add("--crop", type=whole(32, 16), default=160, help="their side in pixels, a multiple of 16 (default: %(default)s)")
    add("--drawn", type=whole(1), default=600, help="how many pictures to draw (default: %(default)s)")
    add("--rate", type=amount, default=8e-5, help="highest; 3e-4 undoes what compressing found (default: %(default)s)")
    add("--gram-weight", type=amount, default=1.0, help="weight of the Gram matrices' errors (default: %(default)s)")
    begin = "of four pictures, to begin with (default: %(default)s)"
    add("--compressing-batches", type=whole(1), default=260, help=begin)
    add("--painted-batches", type=whole(0, PAINTED_EACH), default=80, help=f"painted ones, {begin}")
    add("--seed", type=whole(0), default=0, help="same seed, same machine: same weights (default: %(default)s)")
    add("--precision", choices=("float32", "bfloat16"), default="float32", help="bfloat16 is faster on some machines")
    add("--checkpoint", type=Path, help="file to save progress in, every --save-every steps, at the end and on Ctrl-C")
    add("--save-every", type=whole(1), default=100, help="(default: %(default)s)")
    add("--resume", action="store_true", help="go on from --checkpoint, exactly as if it had not stopped")
    args = parser.parse_args()
    if args.resume and not args.checkpoint:
        parser.error("--resume needs --checkpoint")
    return args


def train(args: argparse.Namespace) -> Training:
    """Train with a progress bar, saving checkpoints and weights. On Ctrl-C the step is finished first."""
    recipe = Recipe(**{field.name: getattr(args, field.name) for field in fields(Recipe)})
    pictures = Pictures(args.drawn, args.seed, args.photographs)
    training = Training(recipe, load_network(args.teacher), pictures, start=args.start)
    if args.resume and args.checkpoint.exists():
        training.load_state(read_checkpoint(args.checkpoint))
    elif args.resume:
        print(f"there is nothing at {args.checkpoint} yet: this begins anew")
    if not training.kept:
        training.compress()
        save(training, args)
    shown: dict[str, Tensor] = {}
    bar = tqdm(total=recipe.steps, initial=training.step, unit="step", mininterval=5)
    with bar, noted([]) as interruptions:
        for found in training.run():
            for layer, error in found.items():
                shown[layer] = shown.get(layer, error).lerp(error, 0.05)
            bar.set_postfix_str(report(shown), refresh=False)
            bar.update()
            if interruptions:
                break
            if args.checkpoint and training.step % args.save_every == 0:
                save(training, args)
    return training


def read_checkpoint(path: Path) -> dict[str, Any]:
    """What `Training.state` gave.

    Raises:
        RunError: it cannot be read.
    """
    try:
        state = torch.load(path, weights_only=True)
    except Exception as error:  # whatever torch meets in a file that is not its own
        raise RunError(f"{path} cannot be read as a checkpoint ({brief(error)})") from error
    if not isinstance(state, dict):
        raise RunError(f"{path} holds no checkpoint")
    return state


def save(training: Training, args: argparse.Namespace) -> None:
    """Write the checkpoint, if there is to be one, and the weights.

    Raises:
        RunError: weights that are not finite; what was written before stays.
    """
    tensors, notes = training.weights()
    if not all(tensor.isfinite().all() for tensor in tensors.values()):
        raise RunError("the weights are not finite any more; what was saved last stays as it is. Try a lower --rate")
    if args.checkpoint:
        write(args.checkpoint, lambda path: torch.save(training.state(), path))
    write(args.out, lambda path: save_file(tensors, path, notes))


def report(shown: Mapping[str, Tensor]) -> str:
    """Running errors in a line: features / Gram matrices, in percent."""
    return " ".join(f"{layer[4:]} {100 * e[0]:.0f}/{100 * e[1]:.0f}" for layer, e in shown.items())


def main() -> None:
    """Train as the command line says."""
    args = options()
    keep_freed_memory()
    try:
        training = train(args)
        save(training, args)
    except NstError as error:
        raise SystemExit(f"distill.py: {error}") from error
    except KeyboardInterrupt:
        raise SystemExit("stopped; what was saved last stays as it is") from None
    told = f"{args.out}, {args.out.stat().st_size / 1e6:.2f} MB, after {training.step} of {args.steps} steps"
    print(f"wrote {told}")


if __name__ == "__main__":
    main()
