"""The server: one process, an address that is loopback unless another is asked for."""

from __future__ import annotations

import ipaddress
import secrets
import socket
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import uvicorn

from streamfilter.errors import SinkError
from streamfilter.review.app import Review, make_app
from streamfilter.review.decisions import Decisions
from streamfilter.review.guard import Guard
from streamfilter.review.library import Library
from streamfilter.review.pictures import Pictures
from streamfilter.review.pieces import Pieces
from streamfilter.review.videos import Videos

DEFAULT_PORT = 8377
LAST_ANSWERS_S = 2
"""How long answers under way may take once the server is to end."""


@dataclass(frozen=True, slots=True)
class Address:
    """Where to listen. `port` None: the usual one, or any that is free."""

    host: str = "127.0.0.1"
    port: int | None = None

    @property
    def is_loopback(self) -> bool:
        """Whether only this machine can connect."""
        if self.host == "localhost":
            return True
        try:
            return ipaddress.ip_address(self.host).is_loopback
        except ValueError:
            return False


def serve(
    library: Library,
    *,
    folders: Sequence[Path],
    data: Path | None = None,
    address: Address,
    started: Callable[[str], None],
    should_stop: Callable[[], bool],
) -> None:
    """Serve a review until `should_stop`. `folders`: where videos may be shown from; `started` gets the page's URL.

    `data`: where the pictures of unknown logos go that are given a name; None: nowhere.

    An address that other machines can reach gets a random token, which is in that URL. Raises `SinkError` where the
    address cannot be had.
    """
    token = None if address.is_loopback else secrets.token_urlsafe(24)
    with _listening(address) as listener, Pieces() as pieces:
        port = listener.getsockname()[1]
        review = Review(library, Decisions(library), Videos(folders), Pictures(), pieces, data)
        names = {"localhost", address.host, *(() if token is None else (socket.gethostname(), socket.getfqdn()))}
        app = Guard(make_app(review), names=names, token=token, cookie=f"streamfilter-{port}")
        config = uvicorn.Config(
            app,
            lifespan="off",
            log_config=None,
            access_log=False,
            server_header=False,
            timeout_graceful_shutdown=LAST_ANSWERS_S,
        )
        server = _Server(config, should_stop=should_stop)
        started(page_url(address.host, port, token))
        server.run(sockets=[listener])


def page_url(host: str, port: int, token: str | None) -> str:
    """The address to open in a browser."""
    name = host
    if host in ("0.0.0.0", "::", ""):  # every interface: whoever connects needs a name
        name = socket.gethostname()
    elif ":" in host:
        name = f"[{host}]"
    return f"http://{name}:{port}/" + ("" if token is None else f"?token={token}")


class _Server(uvicorn.Server):
    """A server that leaves signals to whoever started it and asks, ten times a second, whether to end."""

    def __init__(self, config: uvicorn.Config, *, should_stop: Callable[[], bool]) -> None:
        super().__init__(config)
        self._should_stop = should_stop

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield

    async def on_tick(self, counter: int) -> bool:
        return await super().on_tick(counter) or self._should_stop()


@contextmanager
def _listening(address: Address) -> Iterator[socket.socket]:
    wanted = [DEFAULT_PORT, 0] if address.port is None else [address.port]
    family = socket.AF_INET6 if ":" in address.host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        for port in wanted:
            try:
                listener.bind((address.host, port))
                listener.listen()  # who opens the page before the server runs has to wait, and is not turned away
                break
            except OSError as error:
                if port == wanted[-1]:
                    raise SinkError(
                        f"cannot listen on {address.host} port {port}: {error.strerror}; give another --port or --host"
                    ) from None
        yield listener
