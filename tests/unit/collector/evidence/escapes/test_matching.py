"""A place of the program is found in the compiler's output by its package, its file and its function, or not at all."""

import pytest
from gosonde_collector.evidence.escapes.identity import check_escapes
from gosonde_collector.evidence.escapes.matching import Missing, Source, Sources
from gosonde_collector.evidence.escapes.parse import parse_escapes
from gosonde_collector.evidence.model import Frame
from gosonde_collector.model.errors import ProfileError, Refusal
from gosonde_collector.model.values import Site

OUTPUT = b"""# shop.example
./main.go:10:6: cannot inline start: unhandled op GO
./main.go:12:5: can inline start.func1 with cost 8 as: func() { x++ }
./main.go:20:6: cannot inline (*job).run: unhandled op SELECT
./main.go:30:6: can inline box[go.shape.int] with cost 3 as: func(int) *int { return &v }
./main.go:11:2: moved to heap: x
# shop.example/cmd/tool
cmd/tool/main.go:10:6: cannot inline start: unhandled op GO
cmd/tool/main.go:11:2: moved to heap: y
# shop.example/orders
orders/main.go:10:6: cannot inline start: unhandled op GO
orders/main.go:11:2: moved to heap: z
"""
SOURCES = Sources(parse_escapes(OUTPUT))


@pytest.mark.parametrize(
    ("function", "file", "line", "package", "name"),
    [
        ("main.start", "/src/shop/main.go", 12, "shop.example", "start"),
        ("main.start", "/src/shop/cmd/tool/main.go", 12, "shop.example/cmd/tool", "start"),
        ("main.start", "shop.example/cmd/tool/main.go", 12, "shop.example/cmd/tool", "start"),
        ("shop.example/orders.start", "/anywhere/main.go", 10, "shop.example/orders", "start"),
        ("main.start.func1", "/src/shop/main.go", 13, "shop.example", "start"),
        ("main.main.start.func1", "/src/shop/main.go", 13, "shop.example", "start"),
        ("main.(*job).run.gowrap2", "/src/shop/main.go", 25, "shop.example", "(*job).run"),
        ("main.box[...]", "/src/shop/main.go", 31, "shop.example", "box[...]"),
    ],
)
def test_a_call_is_found_whatever_its_file_is_called(
    function: str, file: str, line: int, package: str, name: str
) -> None:
    found = SOURCES.find(Frame(function, file, line))
    assert isinstance(found, Source)
    assert (found.package, found.name) == (package, name)


@pytest.mark.parametrize(
    ("function", "file", "line", "why"),
    [
        ("main.start", "/src/shop/other.go", 12, Missing.FILE),
        ("shop.example/bills.start", "/src/shop/bills/main.go", 12, Missing.FILE),
        ("main.start", "/src/shop/main.go", 22, Missing.FUNCTION),
        ("main.start", "/src/shop/main.go", 9, Missing.FUNCTION),
        ("main.start", "main.go", 12, Missing.AMBIGUOUS),
        ("main.begin.func1", "/src/shop/main.go", 13, Missing.FUNCTION),
    ],
)
def test_a_call_that_is_not_there_or_fits_several_is_missing_with_the_reason(
    function: str, file: str, line: int, why: Missing
) -> None:
    assert SOURCES.find(Frame(function, file, line)) is why


def test_output_with_one_m_has_single_lines_of_files_whose_whole_path_fits() -> None:
    sources = Sources(parse_escapes(b"# shop.example\n./main.go:11:2: moved to heap: x\n"))
    found = sources.find(Frame("main.start.func1", "/src/shop/main.go", 11))
    assert isinstance(found, Source)
    assert (found.name, found.start, found.end) == ("start", 11, 12)
    assert sources.find(Frame("main.start", "/src/shop/more.go", 11)) is Missing.FILE


def site(function: str, file: str, line: int) -> Site:
    return Site("build", line, function, file, line, f"{function}.func1")


OWN = site("main.start", "/src/shop/main.go", 12)
LIBRARY = site("net/http.(*Server).Serve", "/usr/lib/go/src/net/http/server.go", 3_086)


def test_an_output_of_the_program_is_taken_whatever_libraries_it_lacks() -> None:
    check_escapes(parse_escapes(OUTPUT), [OWN, LIBRARY])
    check_escapes(parse_escapes(OUTPUT), [LIBRARY])
    check_escapes(parse_escapes(OUTPUT), [])


@pytest.mark.parametrize(
    ("sites", "words"),
    [
        (
            [site("main.other", "/src/shop/other.go", 12)],
            "main.other has a go statement at /src/shop/other.go:12, and no",
        ),
        (
            [OWN, site("main.late", "/src/shop/main.go", 13), site("main.later", "/src/shop/main.go", 14)],
            "main.late has a go statement at /src/shop/main.go:13, and another function stands there",
        ),
    ],
)
def test_an_output_of_another_program_or_of_other_source_is_refused(sites: list[Site], words: str) -> None:
    with pytest.raises(ProfileError, match=words) as refusal:
        check_escapes(parse_escapes(OUTPUT), sites)
    assert refusal.value.reason is Refusal.MISMATCHED
