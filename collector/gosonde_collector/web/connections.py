"""Connections of the page that cannot be had for nothing: bounded in number, and closed when no request comes."""

import asyncio
from typing import Final

from uvicorn.protocols.http.h11_impl import H11Protocol

#: Connections at a time, and in how many seconds a request must be whole.
MOST_CONNECTIONS: Final = 256
WHOLE_S: Final = 15.0


class BoundedProtocol(H11Protocol):
    """Uvicorn's protocol; it alone never ends a connection over which a request comes slowly, or none at all."""

    #: Closes the connection unless a request is whole by then.
    overdue: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """See asyncio.Protocol."""
        super().connection_made(transport)
        if len(self.connections) > MOST_CONNECTIONS:
            transport.abort()
        else:
            self.overdue = self.loop.call_later(WHOLE_S, transport.abort)

    def data_received(self, data: bytes) -> None:
        """See asyncio.Protocol."""
        super().data_received(data)
        self.watch()

    def on_response_complete(self) -> None:
        """See H11Protocol."""
        super().on_response_complete()
        self.watch()

    def connection_lost(self, exc: Exception | None) -> None:
        """See asyncio.Protocol."""
        super().connection_lost(exc)
        self.forget()

    def watch(self) -> None:
        """Runs the clock while a request is awaited, and not while one is answered."""
        is_answering = self.cycle is not None and not self.cycle.response_complete and not self.cycle.more_body
        if is_answering:
            self.forget()
        elif self.overdue is None and not self.transport.is_closing():
            self.overdue = self.loop.call_later(WHOLE_S, self.transport.abort)

    def forget(self) -> None:
        """Stops the clock."""
        if self.overdue is not None:
            self.overdue.cancel()
            self.overdue = None
