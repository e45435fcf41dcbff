"""A profile of a program that this process does not run is refused, and one of its own never is."""

import pytest
from gosonde_collector.evidence.identity import check_goroutines, check_program
from gosonde_collector.evidence.model import Frame, GoroutineGroup, GoroutineProfile
from gosonde_collector.model.errors import ProfileError
from gosonde_collector.model.values import ProcessKey, Site, SiteTotal

SERVE = Frame("net/http.(*Server).Serve", "net/http/server.go", 3_500)


def profile(*statements: tuple[str, str], form: str = "debug=2") -> GoroutineProfile:
    groups = [GoroutineGroup(3, (Frame(f"{name}.func1", file, 9),), Frame(name, file, 8)) for name, file in statements]
    return GoroutineProfile(form, (*groups, GoroutineGroup(2, (Frame("net/http.(*conn).serve", "x.go", 1),), SERVE)))


def total(function: str, file: str, live: int = 30) -> SiteTotal:
    site = Site("build", 1, function, file, 8, f"{function}.func1")
    return SiteTotal("web-1", ProcessKey("boot", 7, 1, 0), "/srv/app", site, live, 0, 0)


THUMBS = [total("main.resize", "thumbs/resize.go"), total(SERVE.function, SERVE.file)]


def test_the_standard_library_s_functions_do_not_outvote_the_program_s() -> None:
    with pytest.raises(ProfileError, match=r"another build: it has main\.resize in orders/resize\.go"):
        check_program(profile(("main.resize", "orders/resize.go")), [row.site for row in THUMBS])


@pytest.mark.parametrize("form", ["debug=2", "debug=1"])
def test_a_profile_of_other_code_is_refused_though_both_are_web_servers(form: str) -> None:
    with pytest.raises(ProfileError, match=r"the profile is of another program: .*main\.book"):
        check_goroutines(profile(("main.book", "orders/book.go"), form=form), THUMBS)


@pytest.mark.parametrize("form", ["debug=2", "debug=1"])
def test_a_profile_of_the_process_itself_is_taken(form: str) -> None:
    shown = profile(("main.resize", "thumbs/resize.go"), ("main.new", "thumbs/new.go"), form=form)
    check_goroutines(shown, THUMBS)


def test_a_profile_that_shows_no_own_code_is_taken() -> None:
    check_goroutines(profile(), THUMBS)


def test_with_too_few_live_goroutines_nothing_is_concluded() -> None:
    check_goroutines(profile(("main.book", "orders/book.go")), [total("main.resize", "thumbs/resize.go", live=19)])
