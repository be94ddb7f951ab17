"""How fast the live studio follows a hand, what its display costs, and whether its memory grows.

    python benchmarks/live.py                  a slider's way to step and frame; steps a second with and without display
    python benchmarks/live.py --minutes 30     then half an hour of running and slider moves, with the memory it takes

The studio runs in a kernel of its own, as in JupyterLab. This process plays the page: it sends what a moved slider
sends, and receives every frame. What a browser needs to draw a frame comes on top.
"""

import argparse
import ast
import queue
import random
import statistics
import threading
import time
from typing import Any

from jupyter_client import BlockingKernelClient, KernelManager

PREPARE = """
import time
import psutil
import torch
from nstlib import live
from nstlib.live import drivers, engine
engine.PATIENCE, drivers.SILENCE = 10**9, 1e9  # it neither converges nor pauses while it is measured
studio = live.studio({content!r}, {style!r}, **{options!r}, folder=None)
taken_up, shows, adopt = [], [], studio.engine._adopt
def note(run, settings, changed):
    taken_up.append(time.time())
    return adopt(run, settings, changed)
studio.engine._adopt = note
display_, nothing = studio.driver.show, lambda: None
def show():
    shows.append(time.time())
    display_()
def memory():
    return psutil.Process().memory_info().rss / 2**20, torch.cuda.memory_reserved() / 2**20 * torch.cuda.is_available()
def steps_a_second(displayed, seconds):
    studio.driver.show = show if displayed else nothing
    time.sleep(0.3)  # until the slice under way has ended
    taken, began = studio.engine.run.taken, time.perf_counter()
    time.sleep(seconds)
    return (studio.engine.run.taken - taken) / (time.perf_counter() - began)
studio
"""


class Page:
    """A page without a browser: talks to the kernel of a studio as a browser would, and receives what it shows."""

    def __init__(self, content: str, style: str, options: dict[str, Any]):
        self.manager = KernelManager(kernel_name="python3")
        self.manager.start_kernel()
        self.client: BlockingKernelClient = self.manager.blocking_client()
        self.client.start_channels()
        self.client.wait_for_ready(timeout=60)
        self.run(PREPARE.format(content=content, style=style, options=options))
        self.beta = self.ask("studio.controls['beta'].comm.comm_id")
        self.picture = self.ask("studio._picture.comm.comm_id")
        self.frames: list[float] = []
        self.open = True
        self._listener = threading.Thread(target=self._listen, daemon=True)
        self._listener.start()

    def run(self, code: str) -> None:
        """Run code in the kernel."""
        self.ask("None", code)

    def ask(self, expression: str, code: str = "") -> Any:
        """The value of an expression in the kernel, after some code there."""
        reply = self.client.execute(code, silent=False, user_expressions={"it": expression}, reply=True, timeout=600)
        if reply["content"]["status"] != "ok":
            raise SystemExit("\n".join(reply["content"]["traceback"]))
        return ast.literal_eval(reply["content"]["user_expressions"]["it"]["data"]["text/plain"])

    def move(self, beta: float) -> float:
        """Move the slider of beta; gives the time when it was sent."""
        content = {"comm_id": self.beta, "data": {"method": "update", "state": {"value": beta}, "buffer_paths": []}}
        self.client.shell_channel.send(self.client.session.msg("comm_msg", content))
        return time.time()

    def close(self) -> None:
        """End the kernel."""
        self.open = False
        self._listener.join()
        self.client.stop_channels()
        self.manager.shutdown_kernel(now=True)

    def _listen(self) -> None:
        while self.open:
            try:
                message = self.client.get_iopub_msg(timeout=0.2)
            except queue.Empty:
                continue
            data = message["content"].get("data", {})
            if message["content"].get("comm_id") == self.picture and "value" in str(data.get("buffer_paths")):
                self.frames.append(time.time())


def first_after(times: list[float], moment: float) -> float:
    """The first of some times that is not before a moment."""
    return next(time for time in times if time >= moment)


def delays(page: Page, moves: int, rng: random.Random) -> tuple[list[float], list[float]]:
    """Seconds from a move of the slider to the step that begins with it, and to its first frame on the page."""
    page.run("taken_up.clear(); shows.clear(); studio.driver.show = show")
    sent = []
    for number in range(moves):
        time.sleep(0.5 + 0.2 * rng.random())  # a hand does not keep time with the steps
        sent.append(page.move(10.0 + number % 7))
    time.sleep(2)
    taken_up, shows = page.ask("taken_up"), page.ask("shows")
    steps = [first_after(taken_up, moment) for moment in sent]
    frames = [first_after(page.frames, first_after(shows, step)) for step in steps]
    return (
        [step - moment for step, moment in zip(steps, sent, strict=True)],
        [frame - moment for frame, moment in zip(frames, sent, strict=True)],
    )


def with_and_without_display(page: Page, rounds: int, seconds: float) -> tuple[list[float], list[float], float]:
    """Steps a second of each round, with frames and without, by turns; and frames a second."""
    rates: dict[bool, list[float]] = {True: [], False: []}
    frames = 0
    for _ in range(rounds):
        for displayed in (True, False):
            before = len(page.frames)
            rates[displayed].append(page.ask(f"steps_a_second({displayed}, {seconds})"))
            frames += (len(page.frames) - before) * displayed
    page.run("studio.driver.show = show")
    return rates[True], rates[False], frames / rounds / (seconds + 0.3)


def watch_memory(page: Page, minutes: float, rng: random.Random) -> None:
    """Run, move the slider about once a second, and print how much memory the kernel holds."""
    page.run("studio.driver.show = display_")
    began = time.monotonic()
    history: list[tuple[float, float]] = []
    while (passed := time.monotonic() - began) < 60 * minutes:
        page.move(10 ** rng.uniform(-1, 3))
        time.sleep(0.5 + rng.random())
        if passed >= 30 * len(history):
            history.append(page.ask("memory()"))
            print(f"{passed / 60:5.1f} min: {history[-1][0]:.0f} MiB, GPU {history[-1][1]:.0f} MiB", flush=True)
    taken = page.ask("studio.engine.run.taken")
    growth = [last - first for first, last in zip(history[min(2, len(history) - 1)], history[-1], strict=True)]
    print(f"{taken} steps; from the first minute on, memory grew by {growth[0]:.0f} MiB, on the GPU by {growth[1]:.0f}")


def main() -> None:
    """Measure, and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--size", type=int, nargs="+", default=[128, 256], help="longer side in pixels (%(default)s)")
    parser.add_argument("--backbone", default="mini", help="(%(default)s)")
    parser.add_argument("--optimizer", choices=("lbfgs", "adam"), default="lbfgs")
    parser.add_argument("--device", help="cpu, cuda, mps (the best there is)")
    parser.add_argument("--moves", type=int, default=30, help="of the slider (%(default)s)")
    parser.add_argument("--rounds", type=int, default=5, help="with and without display, by turns (%(default)s)")
    parser.add_argument("--seconds", type=float, default=3, help="of a round (%(default)s)")
    parser.add_argument("--minutes", type=float, default=0, help="of watching the memory (%(default)s)")
    args = parser.parse_args()
    rng = random.Random(0)
    for size in args.size:
        options = {"size": size, "backbone": args.backbone, "optimizer": args.optimizer, "device": args.device}
        page = Page("village", "swirls", options)
        try:
            print(f"{size} px, {args.backbone}, {args.optimizer}, {page.ask('str(studio.engine.run.device)')}")
            page.run("studio.driver.start()")
            time.sleep(3)  # warms up
            shown, hidden, frames = with_and_without_display(page, args.rounds, args.seconds)
            cost = statistics.median(1 - one / other for one, other in zip(shown, hidden, strict=True))
            print(
                f"  {statistics.median(shown):.1f} steps a second with {frames:.1f} frames a second, "
                f"{statistics.median(hidden):.1f} without: the display costs {cost:.1%}"
            )
            for name, waits in zip(("step", "frame"), delays(page, args.moves, rng), strict=True):
                milliseconds = sorted(1000 * wait for wait in waits)
                median, most = statistics.median(milliseconds), milliseconds[-1]
                print(f"  from slider to {name}: {median:.0f} ms (median), {most:.0f} ms at most")
            if args.minutes:
                watch_memory(page, args.minutes, rng)
        finally:
            page.close()


if __name__ == "__main__":
    main()
