"""Who may look at the page, and what other pages cannot make a browser do."""

import re
from collections.abc import Callable

import pytest
from gosonde_collector.model.tokens import digest_of

from tests.unit.collector.web.conftest import ADMIN, READ, Served, finding

Serving = Callable[..., Served]


def test_without_tokens_everyone_on_this_machine_may_look(serving: Serving) -> None:
    assert serving(finding()).get("/findings").status == 200


def test_without_tokens_a_name_of_somebody_else_s_leads_nowhere(serving: Serving) -> None:
    page = serving(finding())
    for host in ("evil.example", "127.0.0.1.evil.example:9319", "", "[::1", "localhost@evil.example"):
        answer = page.get("/findings?format=json", Host=host)
        assert answer.status in {400, 403}, host
        assert "main.leak" not in answer.text, host


def test_without_tokens_names_of_this_machine_are_fine(serving: Serving) -> None:
    page = serving(finding())
    for host in ("localhost:9319", "127.0.0.1", "127.9.9.9:1", "[::1]:9319"):
        assert page.get("/findings", Host=host).status == 200, host


def test_with_tokens_who_has_not_signed_in_is_led_to_where_one_does_and_back(serving: Serving) -> None:
    page = serving(finding(), tokens=True)
    answer = page.get("/findings?state=all")
    assert answer.status == 303
    assert answer.headers["location"] == "/sign-in?next=%2Ffindings%3Fstate%3Dall"
    form = page.get(answer.headers["location"]).text
    assert 'name="next" value="/findings?state=all"' in form
    signed = page.post("/sign-in", {"token": READ, "next": "/findings?state=all"})
    assert (signed.status, signed.headers["location"]) == (303, "/findings?state=all")


def test_signing_in_leads_to_no_other_page(serving: Serving) -> None:
    page = serving(tokens=True)
    for to in ("//evil.example/", "https://evil.example", "/\\evil.example", "javascript:alert(1)"):
        assert page.post("/sign-in", {"token": READ, "next": to}).headers["location"] == "/findings", to


def test_every_page_wants_a_session_or_a_token(serving: Serving) -> None:
    page = serving(finding(), tokens=True)
    for path in ("/findings", "/findings/0000000000000001", "/findings/x/flames.svg", "/changes"):
        assert page.get(path).status == 303, path
        assert page.get(f"{path}?format=json").status == 401, path
        assert page.get(f"{path}?format=json", Authorization="Bearer wrong").status == 401, path


def test_the_cookie_is_for_this_site_alone_and_for_no_script(serving: Serving) -> None:
    answer = serving(tokens=True).post("/sign-in", {"token": ADMIN})
    cookie = answer.headers["set-cookie"].lower()
    assert "httponly" in cookie
    assert "samesite=strict" in cookie
    assert "max-age=28800" in cookie
    assert ADMIN not in cookie
    assert digest_of(ADMIN) not in cookie
    value = re.search(r"=([^;]+)", answer.headers["set-cookie"])
    assert value
    assert len(value[1]) >= 43  # 256 bits


def test_a_session_shows_pages_until_one_signs_out(serving: Serving) -> None:
    page = serving(finding(), tokens=True)
    cookie = page.sign_in(READ)
    assert "main.leak" in page.get("/findings", Cookie=cookie).text
    assert page.post("/sign-out", {}, Cookie=cookie).status == 303
    assert page.get("/findings", Cookie=cookie).status == 303


def test_a_session_ends_when_its_token_is_taken_from_the_file(serving: Serving) -> None:
    page = serving(finding(), tokens=True)
    cookie = page.sign_in(READ)
    page.tokens.write_text(f"admin {digest_of(ADMIN)}\n")
    assert page.get("/findings", Cookie=cookie).status == 303


def test_a_program_asks_with_a_token(serving: Serving) -> None:
    page = serving(finding(), tokens=True)
    assert '"main.leak"' in page.get("/findings?format=json", Authorization=f"Bearer {READ}").text


def test_tokens_cannot_be_tried_without_end(serving: Serving) -> None:
    page = serving(tokens=True)
    answers = [page.post("/sign-in", {"token": f"{number}"}).text for number in range(8)]
    assert "the token is not known" in answers[0]
    assert "too many tokens were tried" in answers[-1]


#: What browsers send with a form of another page, or of none.
ELSEWHERE = (
    {"Sec_Fetch_Site": "cross-site"},
    {"Sec_Fetch_Site": "same-site"},
    {"Sec_Fetch_Site": "", "Origin": "https://evil.example"},
    {"Sec_Fetch_Site": "", "Origin": "null"},
    {"Sec_Fetch_Site": ""},
)


@pytest.mark.parametrize("path", ["/sign-in", "/sign-out"])
def test_a_form_of_another_page_is_refused(serving: Serving, path: str) -> None:
    page = serving(tokens=True)
    for headers in ELSEWHERE:
        answer = page.post(path, {"token": READ}, **headers)
        assert answer.status == 403, headers
        assert "set-cookie" not in answer.headers, headers


def test_a_browser_that_says_nothing_but_the_origin_is_taken_by_it(serving: Serving) -> None:
    page = serving(tokens=True)
    assert page.post("/sign-in", {"token": READ}, Sec_Fetch_Site="", Origin=f"http://{page.address}").status == 303


def test_behind_a_proxy_its_header_says_who_looks(serving: Serving) -> None:
    page = serving(finding(), web_user_header="X-User", web_admins="ann, bob")
    assert page.get("/findings?format=json").status == 401
    assert "<span>zoe</span>" in page.get("/findings", X_User="zoe", Host="gosonde.example").text
    named = page.get("/findings", X_User="<script>\x01", Host="gosonde.example")
    assert named.status == 400 or "<script>\x01" not in named.text


def test_who_asks_without_end_is_refused(serving: Serving) -> None:
    page = serving(web_user_header="X-User")
    statuses = [page.get("/static/icon.svg", X_User="zoe").status for _ in range(400)]
    assert 429 in statuses
    assert page.get("/static/icon.svg", X_User="ann").status == 200
