"""What the name of a function says: its package, and whether that is Go's own."""

import re
from typing import Final

TYPE_ARGUMENTS: Final = re.compile(r"\[[^\[\]]*\]")
#: A method value (`f := v.Method; go f()`) starts in a function of the compiler that tracebacks leave out.
METHOD_VALUE: Final = "-fm"
#: First elements of the import paths of Go's own packages; none has a dot in it, and `main` is not among them.
STANDARD: Final = frozenset({
    "archive", "bufio", "bytes", "cmp", "compress", "container", "context", "crypto", "database", "debug",
    "embed", "encoding", "errors", "expvar", "flag", "fmt", "go", "hash", "html", "image", "index", "internal",
    "io", "iter", "log", "maps", "math", "mime", "net", "os", "path", "plugin", "reflect", "regexp", "runtime",
    "slices", "sort", "strconv", "strings", "structs", "sync", "syscall", "testing", "text", "time", "unicode",
    "unique", "unsafe", "vendor", "weak"
})  # fmt: skip
#: What the path of a dependency's file has: the module cache's version, or the folder of vendored code.
DEPENDENCY: Final = ("@v", "/vendor/")


def plain_name(function: str) -> str:
    """The name as every format can write it: type arguments shortened to `[...]`, method values without their mark."""
    shortened, before = TYPE_ARGUMENTS.sub("\0", function), function
    while shortened != before:
        shortened, before = TYPE_ARGUMENTS.sub("\0", shortened), shortened
    return shortened.replace("\0", "[...]").removesuffix(METHOD_VALUE)


def package_of(function: str) -> str:
    """The import path of a function's package: "net/http" of "net/http.(*conn).serve"."""
    plain = function.partition("[")[0]
    folder, slash, name = plain.rpartition("/")
    return folder + slash + name.partition(".")[0]


def is_standard(function: str) -> bool:
    """Whether the function is of Go's own library."""
    package = package_of(function)
    return package.partition("/")[0] in STANDARD or package.startswith("golang.org/x/")


def is_dependency(file: str) -> bool:
    """Whether a file is neither the program's own nor the standard library's, as far as its path shows."""
    return any(mark in file for mark in DEPENDENCY)
