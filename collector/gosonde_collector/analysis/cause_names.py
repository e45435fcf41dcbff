"""What a cause can be. docs/diagnosis.md says what each means."""

from typing import Final

UNKNOWN: Final = "unknown"
HTTP_BODY, HTTP_IDLE = "http-body", "http-idle"
NIL_CHANNEL, CHANNEL_SEND, CHANNEL_RECEIVE = "nil-channel", "channel-send", "channel-receive"
SELECT, CONTEXT, TIMER, SLEEP_LOOP = "select", "context", "timer", "sleep-loop"
LOCK, WAITGROUP, COND = "lock", "waitgroup", "cond"
IO, SYSCALL, UNBOUNDED, QUEUE = "io", "syscall", "unbounded-go", "queue"
PIPE_WRITE, PIPE_READ, EXEC_PIPE = "pipe-write", "pipe-read", "exec-pipe"
SIGNAL_NOTIFY, SIGNAL_CHANNEL = "signal-notify", "signal-channel"
SQL_ROWS, SQL_TX, SQL_DB, SQL_POOL = "sql-rows", "sql-tx", "sql-db", "sql-pool"
GRPC_CONN, HTTP2_CONN, WEBSOCKET = "grpc-conn", "http2-conn", "websocket"
FSNOTIFY, WATCH_LOOP, SINGLEFLIGHT = "fsnotify", "watch-loop", "singleflight"
#: Of findings of timers alone.
PENDING_TIMERS: Final = "pending-timers"
