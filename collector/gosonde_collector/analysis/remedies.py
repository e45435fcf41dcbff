"""What to do about each cause, in words."""

from typing import Final

from gosonde_collector.analysis import cause_names as causes
from gosonde_collector.analysis.causes import Cause
from gosonde_collector.evidence.names import is_standard
from gosonde_collector.model.values import Site

#: `{start}` stands for the function of the program in which the goroutines wait, or that they run first where no
#: snapshot shows that; `{place}` for where to
#: hold back what makes them.
REMEDIES: Final = {
    causes.HTTP_BODY: (
        "A response's body is neither read to its end nor closed, so that its connection is never returned: "
        "`defer response.Body.Close()` after every request that brings no error, on every path.{callers}"
    ),
    causes.HTTP_IDLE: (
        "Connections stay idle and are not used again: make one http.Client (one Transport) for the program instead of "
        "one a request, or set IdleConnTimeout, or call CloseIdleConnections when a client is done with.{callers}"
    ),
    causes.NIL_CHANNEL: (
        "The channel is nil, because nothing ever made it: such a send or receive can never go on. Make it before "
        "{start} starts, or do not start it."
    ),
    causes.CHANNEL_SEND: (
        "Nobody receives any more what {start} sends, as when the caller has given up: give the channel room for the "
        "one value (make(chan T, 1)), or send in a select with the end of the caller's context."
    ),
    causes.CHANNEL_RECEIVE: (
        "Nobody sends any more what {start} waits for: close the channel on every path of the sender, failures too, or "
        "receive in a select with the end of a context."
    ),
    causes.SELECT: (
        "No case of the select becomes ready any more: add one for the end, such as <-ctx.Done(), and see that the "
        "caller cancels it."
    ),
    causes.CONTEXT: (
        "The context that {start} waits for is never cancelled: `defer cancel()` where it is made, on every path, or "
        "give it a deadline."
    ),
    causes.TIMER: (
        "A timer or ticker outlives what it was made for: stop it (`defer ticker.Stop()`, timer.Stop()) and give "
        "{start} a second case that ends it, such as <-ctx.Done()."
    ),
    causes.SLEEP_LOOP: (
        "Put a select over a timer and <-ctx.Done() in place of time.Sleep, and cancel the context when its request is "
        "over: more goroutines come to sleep in {start} than end. Those that only sleep long end by themselves."
    ),
    causes.LOCK: (
        "A lock that {start} waits for is not released: `defer mutex.Unlock()` right behind each Lock, look for early "
        "returns and panics between the two, and for two locks that are taken in different orders."
    ),
    causes.WAITGROUP: (
        "The WaitGroup that {start} waits for never comes to zero: `defer wg.Done()` first in each worker, and Add "
        "before the go statement, as often as there are workers."
    ),
    causes.COND: (
        "Nobody signals the condition any more: Broadcast when the state changes for the last time, and let the loop "
        "around Wait look for the end too."
    ),
    causes.IO: (
        "{start} reads or writes with no deadline, and the other side says nothing: set one (SetDeadline, a server's "
        "ReadTimeout and IdleTimeout, a client's Timeout), or close the connection when its user is gone."
    ),
    causes.SYSCALL: (
        "{start} is stuck in a system call, each time with a thread of its own: use a call that ends (a deadline, a "
        "non-blocking descriptor), or bound how many run at once."
    ),
    causes.UNBOUNDED: (
        "Goroutines do end, but more are started than can finish: bound them (a pool of workers, a semaphore that is "
        "taken {place}) and refuse or delay what is too much."
    ),
    causes.QUEUE: (
        "Workers wait for a queue that nobody closes: close it when the producer is done, on every path "
        "(`defer close(queue)`), so that {start} comes to its end."
    ),
    causes.PIPE_WRITE: (
        "Close the reader of the io.Pipe on every path (`defer reader.CloseWithError(err)`), also when it stops early: "
        "{start} writes to a pipe from which nobody reads any more."
    ),
    causes.PIPE_READ: (
        "Close the writer of the io.Pipe on every path (`defer writer.CloseWithError(err)`): {start} reads from a pipe "
        "into which nobody writes any more."
    ),
    causes.EXEC_PIPE: (
        "Set Cmd.WaitDelay (Go 1.20+), or use exec.CommandContext and end the command's whole process group: Wait in "
        "{start} waits until every process that has the command's output open, grandchildren too, has closed it."
    ),
    causes.SIGNAL_NOTIFY: (
        "Call the stop function that signal.NotifyContext returned (`defer stop()`), once for each call: {start} is "
        "kept until then."
    ),
    causes.SIGNAL_CHANNEL: (
        "Listen for signals in one place, with one signal.Notify in main. Where {start} must listen by itself, end it "
        "by a second case such as <-ctx.Done(), with `defer signal.Stop(...)`: Stop alone closes no channel."
    ),
    causes.SQL_ROWS: (
        "`defer rows.Close()` right behind each Query, and read rows.Err(): a result is open whose connection and "
        "goroutine database/sql keeps until it is closed or its context ends."
    ),
    causes.SQL_TX: (
        "`defer tx.Rollback()` right behind each Begin, and Commit on success: a transaction is open, which keeps its "
        "connection and a goroutine of database/sql."
    ),
    causes.SQL_DB: (
        "Open one sql.DB for the program and share it, or `defer db.Close()` where each is opened: every sql.Open "
        "starts a goroutine that only Close ends."
    ),
    causes.SQL_POOL: (
        "Give connections of the sql.DB back: close Rows, Row.Scan each QueryRow, end each transaction, and query with "
        "a context that has a deadline. {start} waits for a free connection."
    ),
    causes.GRPC_CONN: (
        "Make one grpc.ClientConn for each server and share it, or `defer conn.Close()` where each is made: every "
        "connection that is not closed keeps several goroutines of gRPC's."
    ),
    causes.HTTP2_CONN: (
        "Share one http.Client (one Transport) instead of making one a request, or call CloseIdleConnections when a "
        "client is done with: HTTP/2 connections stay open, each with a goroutine that reads."
    ),
    causes.WEBSOCKET: (
        "Set a read deadline and renew it at each pong (SetReadDeadline, SetPongHandler), close the connection when "
        "either pump ends, and let each pump end the other: {start} waits on a websocket whose peer says nothing."
    ),
    causes.FSNOTIFY: (
        "`defer watcher.Close()` where each fsnotify.Watcher is made, or share one: a watcher that is not closed keeps "
        "the goroutine that reads its events."
    ),
    causes.WATCH_LOOP: (
        "Stop the watch on every path (`defer watcher.Stop()`, or cancel the context or close the stop channel that it "
        "was given): {start} goes on as long as nobody does."
    ),
    causes.SINGLEFLIGHT: (
        "Give the function inside singleflight's Do a deadline, or use DoChan with a select over ctx.Done(): {start} "
        "waits for the one call in flight with the same key."
    ),
    causes.UNKNOWN: (
        "Look at what {start} waits for: give it a way to end (a context that is cancelled, a channel that is closed, "
        "a deadline) and see that the caller uses it. `gosonde goroutines` or a goroutine profile with debug=2 shows "
        "where they wait."
    ),
}


def remedy(cause: Cause, site: Site) -> str:
    """What to do about it."""
    callers = f" Requests are made in {', '.join(cause.callers)}." if cause.callers else ""
    start = cause.waits_in or site.start_function or "the function that they run"
    return REMEDIES[cause.name].format(start=start, place=_place(site), callers=callers)


def _place(site: Site) -> str:
    """Where something can be changed: not inside Go's own library."""
    if is_standard(site.function):
        return f"before each call of {site.function}"
    return f"before the go statement at {site.file}:{site.line}" if site.file else "before the go statement"
