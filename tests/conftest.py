"""Fixtures that several files of tests share."""

import contextlib
import signal
import threading
from collections.abc import Callable, Iterator, Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
import torch
from hypothesis import settings
from torch import nn

import nstlib as nst
from nstlib.networks import vgg

# The same examples in every run, and no time limit: a busy machine must not fail a test.
settings.register_profile("steady", deadline=None, derandomize=True)
settings.load_profile("steady")

if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:  # as in a job in the background of a shell
    signal.signal(signal.SIGINT, signal.default_int_handler)

torch.set_num_threads(1)  # for such small pictures a second thread costs more than it gives


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Under --dist loadgroup a file's tests share what they build; of the notebooks each goes where there is room."""
    for item in items:
        if item.path.stem != "test_notebooks":
            item.add_marker(pytest.mark.xdist_group(item.path.stem))


TINY_WIDTHS = (4, 4, "M", 6, 6, "M", 8, 8, 8, 8, "M", 8, 8, 8, 8, "M", 8, 8, 8, 8, "M")


@nst.register("tiny")
def _tiny(pooling: str, keep_scale: bool, weights: object) -> nst.Backbone:
    """A backbone with VGG-19's layers and a few random channels, for tests of everything but pictures."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        net = vgg.mini_net(TINY_WIDTHS)
    return vgg.vgg_backbone("tiny", vgg.named_vgg(net, pooling, keep_scale))


@nst.register("keen")
def _keen(pooling: str, keep_scale: bool, weights: object) -> nst.Backbone:
    """The tiny backbone with responses that differ from place to place: no loss is a difference of equals."""
    backbone = nst.load_backbone("tiny", pooling)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        for module in backbone.net:
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight)
                nn.init.zeros_(module.bias)
    return backbone


@pytest.fixture
def extract() -> nst.FeatureExtractor:
    return nst.FeatureExtractor("tiny", device="cpu")


@pytest.fixture
def content() -> torch.Tensor:
    return nst.load_image("chelsea", 48)


@pytest.fixture
def style() -> torch.Tensor:
    return nst.load_image("coffee", 40)


@pytest.fixture
def run_cli(capsys: pytest.CaptureFixture[str]) -> Callable[..., tuple[int, str, str]]:
    """The command line as a function that gives exit status, standard output and standard error."""
    from nstlib.cli import main as cli

    def run(*arguments: object) -> tuple[int, str, str]:
        try:
            status = cli([str(argument) for argument in arguments])
        except SystemExit as exit:
            status = exit.code
        captured = capsys.readouterr()
        return status, captured.out, captured.err

    return run


Body = bytes | Callable[[Callable[[bytes], object]], None]
Page = tuple[int, dict[str, str], Body]


class Server:
    """A web server on localhost.

    `pages` maps a path to (status, headers, body). A body of bytes is sent with its length; a callable gets the
    function that writes, and may be slow or endless. `requests` records (path, headers) in the order of arrival.
    """

    def __init__(self, pages: Mapping[str, Page]):
        self.pages = dict(pages)
        self.requests: list[tuple[str, dict[str, str]]] = []
        server = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                server.requests.append((self.path, dict(self.headers)))
                status, headers, body = server.pages.get(self.path, (404, {}, b"nothing here"))
                self.send_response(status)
                if isinstance(body, bytes):
                    headers = {"Content-Length": str(len(body)), **headers}
                for name, value in headers.items():
                    self.send_header(name, value)
                self.end_headers()
                with contextlib.suppress(OSError):  # the client may have gone
                    if self.command == "HEAD":
                        return
                    self.wfile.write(body) if isinstance(body, bytes) else body(self.wfile.write)

            do_HEAD = do_GET

            def log_message(self, *_: object) -> None: ...

        self._http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._http.daemon_threads, self._http.block_on_close = True, False
        threading.Thread(target=self._http.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()

    def url(self, path: str = "/") -> str:
        return f"http://127.0.0.1:{self._http.server_port}{path}"

    def close(self) -> None:
        self._http.shutdown()
        self._http.server_close()


@pytest.fixture
def http_server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[Mapping[str, Page]], Server]]:
    """A function that starts a `Server` for the given pages; all are closed after the test."""
    for name in ("NO_PROXY", "no_proxy"):
        monkeypatch.setenv(name, "*")
    servers: list[Server] = []

    def serve(pages: Mapping[str, Page]) -> Server:
        servers.append(Server(pages))
        return servers[-1]

    yield serve
    for server in servers:
        server.close()
