"""Sites have small lines of their live goroutines, as high as each line's highest number."""

import re
from collections.abc import Callable

import pytest
from gosonde_collector.web import sparklines

from tests.unit.collector.batches import SITE, START, batch
from tests.unit.collector.web.conftest import Served
from tests.unit.collector.web.test_process import ADDRESS, OTHER, asked, seen


@pytest.mark.parametrize(
    ("line", "path"),
    [
        ([0, 5, 10], "M0 20l3 -10l3 -10"),
        ([4, 4, 4, 8], "M0 10h6l3 -10"),
        ([0, 0, 0], "M0 20h6"),
        ([-3, 1], "M0 20l3 -20"),
        ([7], "M0 0"),
        ([2**62, 2**62, 0], "M0 0h3l3 20"),
    ],
)
def test_a_line_goes_from_zero_to_its_highest_number(line: list[int], path: str) -> None:
    assert sparklines.path(line) == path


def test_each_site_has_a_line_that_leads_to_its_numbers(serving: Callable[..., Served]) -> None:
    page = serving(batches=seen())
    found = re.findall(r'class="spark" href="([^"]+)".*?<path d="([^"]+)"', page.get(ADDRESS).text)
    known = asked(page)
    assert [path for _, path in found] == [sparklines.path(site["live_then"]) for site in known["sites"]]
    address = ADDRESS.partition("?")[0] + found[1][0].replace("&amp;", "&")
    text = page.get(address).text
    assert "main.serve" in text
    assert "main.other" not in text
    (site,) = asked(page, address)["sites"]
    shown = re.findall(r'<tr><th scope="row">[^<]+</th><td class="figure">(\d+)</td>', text)
    assert list(map(int, shown)) == site["live_then"]
    assert (site["live_then"][0], site["live_then"][-1]) == (2, 62)
    assert known["since_unix_nano"] == START
    assert len(known["ends_unix_nano"]) == len(shown)


@pytest.mark.parametrize("site", ["1", "x", "-1", "0x1000", str(2**70)])
def test_a_site_that_is_not_known_is_not_found(serving: Callable[..., Served], site: str) -> None:
    assert serving(batches=seen()).get(f"{ADDRESS}&site={site}").status == 404


def test_a_large_page_is_sent_compressed_to_whoever_can_read_that(serving: Callable[..., Served]) -> None:
    page = serving(batches=[batch(1, sites=[SITE, OTHER], counters=[(0, SITE.pc, 1, 0), (0, OTHER.pc, 1, 0)])])
    assert page.ask("HEAD", ADDRESS, {"accept-encoding": "gzip"}).headers["content-encoding"] == "gzip"
    assert page.get(ADDRESS).headers["content-encoding"] is None
