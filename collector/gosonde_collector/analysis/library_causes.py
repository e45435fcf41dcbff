"""Causes that lie with one library: its own functions on a stack say what was not closed, stopped or read."""

from collections.abc import Sequence
from typing import Final

from gosonde_collector.analysis.cause_names import (
    EXEC_PIPE,
    FSNOTIFY,
    GRPC_CONN,
    HTTP2_CONN,
    PIPE_READ,
    PIPE_WRITE,
    SIGNAL_NOTIFY,
    SINGLEFLIGHT,
    SQL_DB,
    SQL_POOL,
    SQL_ROWS,
    SQL_TX,
    WATCH_LOOP,
    WEBSOCKET,
)

GRPC: Final = "google.golang.org/grpc"
#: Beginnings of functions, and the cause that one of them on the stack shows; the first that fits is it.
BY_FUNCTION: Final = (
    ("io.(*pipe).write", PIPE_WRITE),
    ("io.(*pipe).read", PIPE_READ),
    ("os/exec.(*Cmd).awaitGoroutines", EXEC_PIPE),
    ("os/exec.(*Cmd).Wait", EXEC_PIPE),
    ("os/exec.(*Cmd).writerDescriptor", EXEC_PIPE),
    ("os/exec.(*Cmd).stdout", EXEC_PIPE),
    ("os/exec.(*Cmd).stdin", EXEC_PIPE),
    ("os/signal.NotifyContext", SIGNAL_NOTIFY),
    ("database/sql.(*Rows).awaitDone", SQL_ROWS),
    ("database/sql.(*Tx).awaitDone", SQL_TX),
    ("database/sql.(*DB).connectionOpener", SQL_DB),
    ("database/sql.(*DB).connectionCleaner", SQL_DB),
    ("database/sql.(*DB).conn", SQL_POOL),
    (f"{GRPC}/internal/transport.(*http2Client).", GRPC_CONN),
    (f"{GRPC}/internal/transport.newHTTP2Client", GRPC_CONN),
    (f"{GRPC}/internal/transport.NewHTTP2Client", GRPC_CONN),
    (f"{GRPC}.(*addrConn).", GRPC_CONN),
    (f"{GRPC}.(*ccBalancerWrapper).", GRPC_CONN),
    (f"{GRPC}.(*ccResolverWrapper).", GRPC_CONN),
    (f"{GRPC}/internal/resolver/", GRPC_CONN),
    (f"{GRPC}/internal/grpcsync.(*CallbackSerializer).", GRPC_CONN),
    ("net/http.(*http2clientConnReadLoop).", HTTP2_CONN),
    ("net/http.(*http2ClientConn).readLoop", HTTP2_CONN),
    ("net/http/internal/http2.(*clientConnReadLoop).", HTTP2_CONN),
    ("net/http/internal/http2.(*ClientConn).readLoop", HTTP2_CONN),
    ("golang.org/x/net/http2.(*clientConnReadLoop).", HTTP2_CONN),
    ("golang.org/x/net/http2.(*ClientConn).readLoop", HTTP2_CONN),
    ("github.com/gorilla/websocket.(*Conn).", WEBSOCKET),
    ("github.com/coder/websocket.(*Conn).", WEBSOCKET),
    ("nhooyr.io/websocket.(*Conn).", WEBSOCKET),
    ("golang.org/x/net/websocket.(*Conn).", WEBSOCKET),
    ("golang.org/x/net/websocket.Codec.", WEBSOCKET),
    ("github.com/fsnotify/fsnotify.(*", FSNOTIFY),
    ("k8s.io/apimachinery/pkg/watch.(*", WATCH_LOOP),
    ("k8s.io/apimachinery/pkg/util/wait.", WATCH_LOOP),
    ("k8s.io/client-go/tools/cache.(*Reflector).", WATCH_LOOP),
    ("go.etcd.io/etcd/client/v3.(*watchGrpcStream).", WATCH_LOOP),
    ("golang.org/x/sync/singleflight.(*Group).Do", SINGLEFLIGHT),
    ("internal/singleflight.(*Group).Do", SINGLEFLIGHT),
)
#: What a gRPC client's writer runs, as a server's does: the `go` statement says which it is.
GRPC_WRITER: Final = f"{GRPC}/internal/transport.(*loopyWriter)."


def of_library(created_in: str, functions: Sequence[str]) -> str:
    """The cause that a stack shows, made by a `go` statement in the function `created_in`; empty when it shows none."""
    if any(name.startswith(GRPC_WRITER) for name in functions):
        return GRPC_CONN if "HTTP2Client" in created_in else ""
    for prefix, cause in BY_FUNCTION:
        if any(name.startswith(prefix) for name in functions):
            return cause
    return ""
