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
        "`defer response.Body.Close()` after every request that brings no error, on every path: a body that is neither "
        "read to its end nor closed keeps its connection and its goroutines.{callers}"
    ),
    causes.HTTP_IDLE: (
        "Make one http.Client (one Transport) for the program instead of one a request, or set IdleConnTimeout, or "
        "call CloseIdleConnections when a client is done with: connections stay idle and are not used again.{callers}"
    ),
    causes.NIL_CHANNEL: (
        "Make the channel before {start} starts, or do not start it: the channel is nil, and a send or receive on it "
        "never goes on."
    ),
    causes.CHANNEL_SEND: (
        "Give the channel room for the one value (make(chan T, 1)), or send in a select with the end of the caller's "
        "context: {start} sends what nobody receives, as when the caller has given up."
    ),
    causes.CHANNEL_RECEIVE: (
        "Close the channel on every path of the sender, failures too, or receive in a select with the end of a "
        "context: {start} waits for what nobody sends."
    ),
    causes.SELECT: (
        "Add a case for the end to the select, such as <-ctx.Done(), and see that the caller cancels it: none of its "
        "cases becomes ready any more."
    ),
    causes.CONTEXT: (
        "`defer cancel()` where the context is made, on every path, or give it a deadline: the context that {start} "
        "waits for is never cancelled."
    ),
    causes.TIMER: (
        "Stop the timer or ticker (`defer ticker.Stop()`, timer.Stop()) and give {start} a second case that ends it, "
        "such as <-ctx.Done(): it outlives what it was made for."
    ),
    causes.SLEEP_LOOP: (
        "Put a select over a timer and <-ctx.Done() in place of time.Sleep, and cancel the context when its request is "
        "over: more goroutines come to sleep in {start} than end. Those that only sleep long end by themselves."
    ),
    causes.LOCK: (
        "`defer mutex.Unlock()` right behind each Lock, look for early returns and panics between the two, and for two "
        "locks that are taken in different orders: a lock that {start} waits for is not released."
    ),
    causes.WAITGROUP: (
        "`defer wg.Done()` first in each worker, and Add before the go statement, as often as there are workers: the "
        "WaitGroup that {start} waits for never comes to zero."
    ),
    causes.COND: (
        "Broadcast when the state changes for the last time, and let the loop around Wait look for the end too: "
        "{start} waits for a signal that nobody gives."
    ),
    causes.IO: (
        "Set a deadline (SetDeadline, a server's ReadTimeout and IdleTimeout, a client's Timeout), or close the "
        "connection when its user is gone: {start} reads or writes without one, and the other side says nothing."
    ),
    causes.SYSCALL: (
        "Use a call that ends (a deadline, a non-blocking descriptor), or bound how many run at once: {start} is stuck "
        "in a system call, each time with a thread of its own."
    ),
    causes.UNBOUNDED: (
        "Bound the goroutines (a pool of workers, a semaphore that is taken {place}) and refuse or delay what is too "
        "much: they do end, but more are started than can finish."
    ),
    causes.QUEUE: (
        "Close the queue when the producer is done, on every path (`defer close(queue)`): {start} waits for more work "
        "from a queue that nobody closes."
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
    causes.PENDING_TIMERS: (
        "Stop what is made for one request when the request is over, on every path: `defer timer.Stop()` behind "
        "time.AfterFunc and time.NewTimer, `defer ticker.Stop()`, `defer cancel()` where a context is made. More and "
        "more timers that will call {start} are pending."
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
