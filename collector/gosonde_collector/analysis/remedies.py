"""What to do about each cause, in words."""

from typing import Final

from gosonde_collector.analysis import causes
from gosonde_collector.model.values import Site

#: `{start}` stands for the function that the goroutines run, `{place}` for the `go` statement.
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
        "{start} sleeps and goes on for ever: put a select over a timer and <-ctx.Done() in place of time.Sleep, and "
        "cancel the context when its request is over."
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
        "taken before the go statement at {place}) and refuse or delay what is too much."
    ),
    causes.QUEUE: (
        "Workers wait for a queue that nobody closes: close it when the producer is done, on every path "
        "(`defer close(queue)`), so that {start} comes to its end."
    ),
    causes.UNKNOWN: (
        "Look at what {start} waits for: give it a way to end (a context that is cancelled, a channel that is closed, "
        "a deadline) and see that the caller uses it. `gosonde goroutines` or a goroutine profile with debug=2 shows "
        "where they wait."
    ),
}


def remedy(cause: causes.Cause, site: Site) -> str:
    """What to do about it."""
    callers = f" Requests are made in {', '.join(cause.callers)}." if cause.callers else ""
    place = f"{site.file}:{site.line}" if site.file else "this site"
    start = site.start_function or "the function that they run"
    return REMEDIES[cause.name].format(start=start, place=place, callers=callers)
