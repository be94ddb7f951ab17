"""How an image is changed: L-BFGS or Adam, each with the last good picture that it keeps."""

from collections.abc import Mapping
from typing import Any, ClassVar

import torch
from torch import Tensor

from .lbfgs import LBFGS


class Descent:
    """An image, the optimizer that changes it, and what is kept of it. Nothing here waits for a GPU but `outcome`.

    Args:
        image: to begin with, (B, 3, H, W) in [0, 1].
        home: where the good picture is kept: away from a GPU that is small for it, it is a copy less there.
        row: the losses of the picture, (number of terms, B), where they are known.

    Attributes:
        image: what the optimizer changes; it takes a gradient.
        optimizer: the one of torch.
        good: the last picture whose losses are numbers; with L-BFGS, the best one.
        row: its losses.
    """

    optimizer: torch.optim.Optimizer
    steady: ClassVar[int] = 1  # steps for which what is random in a loss stays as it is

    def __init__(self, image: Tensor, home: torch.device, row: Tensor | None = None):
        self.image = image.clone().requires_grad_()
        self.good, self.row = image.to(home), row
        self._failures = torch.zeros(len(image), dtype=torch.float32, device=image.device)  # in a row
        self._broken = torch.zeros(len(image), dtype=torch.bool, device=image.device)  # NaN since the last look

    def change(self, losses: Tensor, row: Tensor) -> None:
        """Change the image, whose gradient is in place, after its losses (B,) and all their terms, a row."""
        raise NotImplementedError

    def forget(self) -> None:
        """Forget what was learned of a loss that is another from now on."""

    def set_rate(self, lr: float) -> None:
        """The learning rate of the next change."""
        self.optimizer.param_groups[0]["lr"] = lr

    def outcome(self) -> tuple[Tensor, Tensor]:
        """How many changes in a row gave no good picture, and what was NaN since the last call; (B,), on the CPU."""
        failures, broken = torch.stack([self._failures, self._broken.float()]).cpu()
        self._broken.zero_()
        return failures, broken.bool()

    def state_dict(self) -> dict[str, Any]:
        """What `load_state_dict` needs."""
        return {
            "param": self.image.detach(),
            "good": self.good,
            "row": self.row,
            "failures": self._failures,
            "broken": self._broken,
            "optimizer": self.optimizer.state_dict(),
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Take over what `state_dict` gave, but the image itself."""
        self.optimizer.load_state_dict(state["optimizer"])
        self.good = state["good"].to(self.good.device)
        self.row = None if state["row"] is None else state["row"].to(self.image.device)
        self._failures, self._broken = (state[name].to(self.image.device) for name in ("failures", "broken"))

    def _note(self, row: Tensor, good: Tensor) -> None:
        self._broken |= ~row.isfinite().all(0)
        if self.row is not None and self.row.shape == row.shape:  # another number of terms belongs to other layers
            row = torch.where(good, row, self.row)
        self.row = row
        self._failures = torch.where(good, 0, self._failures + 1)


class LBFGSDescent(Descent):
    """Trials that are accepted where they lower the loss, within [0, 1]."""

    optimizer: LBFGS
    steady = 20  # a search along a line, and what is learned of the curvature, are of one loss

    def __init__(self, image: Tensor, home: torch.device, row: Tensor | None, lr: float, memory: int):
        super().__init__(image, home, row)
        self.optimizer = LBFGS([self.image], lr=lr, memory=memory, bounds=(0, 1))
        self.good = self.optimizer.accepted_point()

    def change(self, losses: Tensor, row: Tensor) -> None:
        """Accept or reject the image, and go to the next trial."""
        self.optimizer.step(lambda: losses)
        self.good = self.optimizer.accepted_point()
        self._note(row, self.optimizer.rejections() == 0)

    def forget(self) -> None:
        """Forget curvature and losses."""
        self.optimizer.reset()


class AdamDescent(Descent):
    """Steps along a mean of gradients; the image is clamped to [0, 1] after each."""

    def __init__(self, image: Tensor, home: torch.device, row: Tensor | None, lr: float, betas: tuple[float, float]):
        super().__init__(image, home, row)
        self.optimizer = torch.optim.Adam([self.image], lr=lr, betas=betas, fused=True)

    @torch.no_grad()
    def change(self, losses: Tensor, row: Tensor) -> None:
        """Keep the image where its losses are numbers, then take a step."""
        good = row.isfinite().all(0)
        if self.good.device == self.image.device:  # in place: of large pictures every copy counts
            torch.where(good.view(-1, 1, 1, 1), self.image.detach(), self.good, out=self.good)
        else:
            for place in good.nonzero().flatten().tolist():  # waits for the device, a moment beside a step in tiles
                self.good[place].copy_(self.image.detach()[place])
        self._note(row, good)
        self.optimizer.step()
        self.image.clamp_(0, 1)
