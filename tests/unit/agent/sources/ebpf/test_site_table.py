"""What the kernel counted is grouped by image, and only what changed is made again."""

import numpy as np
from gosonde_agent.sources.counters import UNATTRIBUTED, Image, SiteTotal
from gosonde_agent.sources.ebpf import records
from gosonde_agent.sources.ebpf.site_table import SiteTable, totals_of, with_others

ONE, TWO = Image(1, 0, 1), Image(2, 7, 1)
Rows = list[tuple[Image, int, list[tuple[int, int]]]]


def arrays(rows: Rows) -> tuple[np.ndarray, np.ndarray]:
    keys = np.array([((*image, 0), pc) for image, pc, _ in rows], records.SITE_KEY)
    return keys, np.array([counts for _, _, counts in rows], records.SITE_COUNT)


def test_totals_are_the_sums_of_all_cpus_by_image() -> None:
    rows: Rows = [(ONE, 16, [(1, 0), (2, 1)]), (TWO, 16, [(5, 5), (0, 0)]), (ONE, 32, [(0, 0), (4, 0)])]
    table = SiteTable()
    table.update(*arrays(rows))
    assert table.totals() == {ONE: [SiteTotal(16, 3, 1), SiteTotal(32, 4, 0)], TWO: [SiteTotal(16, 5, 5)]}
    assert table.sums == {ONE: (7, 1), TWO: (5, 5)}
    assert totals_of(ONE, *arrays(rows)) == table.totals()[ONE]


def test_what_has_not_changed_stays_the_same_object() -> None:
    table = SiteTable()
    table.update(*arrays([(ONE, 16, [(1, 0)]), (TWO, 16, [(1, 0)])]))
    one, two = table.totals()[ONE], table.totals()[TWO]
    table.update(*arrays([(ONE, 16, [(1, 0)]), (TWO, 16, [(2, 0)])]))
    assert table.totals()[ONE] is one
    assert table.totals()[TWO] is not two
    assert table.sums == {ONE: (1, 0), TWO: (2, 0)}


def test_images_that_are_gone_are_forgotten_and_new_ones_found() -> None:
    table = SiteTable()
    table.update(*arrays([(ONE, 16, [(1, 0)])]))
    table.update(*arrays([(TWO, 16, [(3, 2)])]))
    assert table.totals() == {TWO: [SiteTotal(16, 3, 2)]}
    table.update(np.zeros(0, records.SITE_KEY), np.zeros((0, 1), records.SITE_COUNT))
    assert not table.totals()
    assert not table.sums


def test_what_found_no_room_is_a_site_of_its_own_and_counts_in_the_sums() -> None:
    images = np.array([(*ONE, 0), (*TWO, 0)], records.IMAGE)
    others = np.array([(0, 0), (7, 4)], records.SITE_COUNT)
    table = SiteTable()
    table.update(*with_others(*arrays([(ONE, 16, [(1, 0), (1, 1)])]), images, others))
    assert table.totals() == {ONE: [SiteTotal(16, 2, 1)], TWO: [SiteTotal(UNATTRIBUTED, 7, 4)]}
    assert table.sums == {ONE: (2, 1), TWO: (7, 4)}
