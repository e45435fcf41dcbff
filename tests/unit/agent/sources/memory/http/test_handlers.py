"""Which handler serves a request is said by the stack, whatever lies between."""

import pytest
from gosonde_agent.sources.memory.http.servers import handler

SERVES = ["net/http.HandlerFunc.ServeHTTP", "net/http.(*ServeMux).ServeHTTP", "net/http.serverHandler.ServeHTTP"]


@pytest.mark.parametrize(
    ("inner", "expected"),
    [
        (["runtime.gopark", "time.Sleep", "main.slow"], "main.slow"),
        (["runtime.gopark", "main.page", "net/http.HandlerFunc.ServeHTTP", "main.logged.func1"], "main.page"),
        (
            ["runtime.gopark", "github.com/gorilla/mux.(*Router).ServeHTTP"],
            "github.com/gorilla/mux.(*Router).ServeHTTP",
        ),
        (["runtime.selectgo", "net/http.(*timeoutHandler).ServeHTTP"], "net/http.(*timeoutHandler).ServeHTTP"),
        (["net/http.serveFile", "net/http.(*fileHandler).ServeHTTP"], "net/http.(*fileHandler).ServeHTTP"),
    ],
)
def test_it_is_what_the_innermost_handler_of_net_http_calls(inner: list[str], expected: str) -> None:
    assert handler([*inner, *SERVES, "net/http.(*conn).serve", "runtime.goexit"]) == expected


def test_a_connection_that_reads_a_request_has_none() -> None:
    assert handler(["internal/poll.(*FD).Read", "net/http.(*conn).readRequest", "net/http.(*conn).serve"]) == ""
