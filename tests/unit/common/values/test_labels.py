"""Labels are counted in bounded room: what is reported holds, however many values there are."""

import random
from collections import Counter

import pytest
from gosonde_common.errors import InvalidInputError, UsageError
from gosonde_common.values.goroutines import MORE_LABELS, Location
from gosonde_common.values.labels import (
    DEFAULT_KEYS,
    EVERYONE,
    MOST_CHARACTERS,
    MOST_KEYS,
    MOST_PLACES,
    MOST_VALUES,
    KeyCount,
    LabelTally,
    PlaceLabels,
    check_keys,
    only,
    sentence,
)
from gosonde_common.wire import label_comments

PLACE = Location("main.fetch", "/srv/main.go", 42)


def key_of(tally: LabelTally, key: str, place: Location = PLACE) -> KeyCount:
    (found,) = [one for labels in tally.found() if labels.place == place for one in labels.keys if one.key == key]
    return found


def test_few_values_are_counted_exactly_for_the_place_and_for_everyone() -> None:
    tally = LabelTally(DEFAULT_KEYS)
    tally.add(PLACE, (("endpoint", "/export"),), 9)
    tally.add(PLACE, (("endpoint", "/list"),))
    tally.add(PLACE, ())
    tally.add(Location("main.other", "/srv/main.go", 7), (("endpoint", "/list"),), 4)
    assert [(labels.place, labels.goroutines) for labels in tally.found()][:2] == [(EVERYONE, 15), (PLACE, 11)]
    assert key_of(tally, "endpoint") == KeyCount("endpoint", 10, (("/export", 9),), 0)
    assert key_of(tally, "endpoint", EVERYONE).values == (("/export", 9), ("/list", 5))


@pytest.mark.parametrize("seed", range(20))
def test_of_very_many_values_a_frequent_one_stays_and_its_bounds_hold(seed: int) -> None:
    chance = random.Random(seed)
    true: Counter[str] = Counter()
    tally = LabelTally(("request_id",))
    for n in range(20_000):
        value, count = ("often", 1) if chance.random() < 0.2 else (f"r-{n}", chance.randint(1, 3))
        true[value] += count
        tally.add(PLACE, (("request_id", value),), count)
    found = key_of(tally, "request_id")
    assert found.goroutines == true.total()
    assert "often" in dict(found.values)
    assert all(least <= true[value] <= least + found.missed for value, least in found.values)
    assert found.missed <= true.total() / 32


def test_what_one_goroutine_has_and_other_keys_are_told_without_values() -> None:
    tally = LabelTally(("endpoint",))
    for n in range(30):
        tally.add(PLACE, (("endpoint", f"/users/{n}"), ("customer", "ann")))
    assert key_of(tally, "endpoint") == KeyCount("endpoint", 30)
    assert key_of(tally, "customer") == KeyCount("customer", 30)


def test_a_configured_key_is_counted_behind_any_number_of_others() -> None:
    tally = LabelTally(("endpoint",))
    tally.add(PLACE, tuple((f"k{n}", "v") for n in range(1_000)), 5)
    tally.add(PLACE, (("endpoint", "/export"), (MORE_LABELS, "9 more")), 2)
    (labels,) = [one for one in tally.found() if one.place == PLACE]
    assert len(labels.keys) == MOST_KEYS
    assert labels.keys[0] == KeyCount("endpoint", 2, (("/export", 2),))
    assert MORE_LABELS not in {key.key for key in labels.keys}


def test_places_without_labels_take_none_of_the_room_of_the_others() -> None:
    tally = LabelTally()
    for n in range(5_000):
        tally.add(Location("main.f", "f.go", n), ())
    for n in range(2_000):
        tally.add(Location("main.g", "g.go", n), (("k", "v"),), 2)
    found = tally.found()
    assert (found[0].goroutines, len(found)) == (9_000, MOST_PLACES + 1)
    assert found[0].keys == (KeyCount("k", 4_000, (("v", 4_000),)),)


def test_values_of_other_keys_can_be_taken_out_later() -> None:
    labels = PlaceLabels(PLACE, 9, (KeyCount("a", 9, (("x", 9),), 1), KeyCount("b", 8, (("y", 8),))))
    assert only([labels], {"b"}) == (PlaceLabels(PLACE, 9, (KeyCount("a", 9), labels.keys[1])),)


def test_comments_say_it_again_and_stay_within_their_room() -> None:
    tally = LabelTally()
    for n in range(600):
        for key in range(20):
            for value in range(6):
                text = chr(0x1F600 + value) * 200
                tally.add(Location("main.f", "\x00" * 90, n), ((f"{key}{text}", text + '"\\\n'),), 2)
    texts = list(label_comments.comments(tally.found()))
    assert max(len(text.encode()) for text in texts) <= label_comments.MOST_BYTES
    assert sum(len(text.encode()) for text in texts) <= label_comments.MOST_BYTES_IN_ALL
    again = label_comments.read(["read by gosonde", *texts])
    assert len(again) == len(texts) > 10
    assert {len(key.key) for one in again for key in one.keys} == {MOST_CHARACTERS}
    small = LabelTally()
    small.add(PLACE, (("endpoint", "/export"),), 9)
    assert label_comments.read(label_comments.comments(small.found())) == small.found()


@pytest.mark.parametrize(
    ("place", "count"),
    [
        (Location("f" * 10_000, "f.go", 1), 5),
        (Location("f", "\x00" * 10_000, 1), 5),
        (Location("\x00" * 8_000, "\x00" * 8_000, 1), 5),
        (Location("f", "f.go", -1), 5),
        (Location("f", "f.go", 1 << 63), 5),
        (Location("f", "f.go", 1), 1 << 63),
    ],
)
def test_a_place_that_cannot_be_is_left_out_of_the_comments(place: Location, count: int) -> None:
    tally = LabelTally()
    tally.add(place, (("k", "v"),), count)
    tally.add(PLACE, (("k", "v"),), 2)
    found = {one.place for one in label_comments.read(label_comments.comments(tally.found()))}
    assert PLACE in found
    assert place not in found


@pytest.mark.parametrize(
    "damaged",
    [
        "{",
        "[]",
        "[" * 50_000,
        '["f", "f.go", 1, 5, [["k", 6, 0, []]]]',
        '["f", "f.go", 1, 5, [["k", 5, 0, [["v", 3], ["w", 3]]]]]',
        '["f", "f.go", 1, 5, [["k", 5, 6, []]]]',
        '["f", "f.go", -1, 5, []]',
        '["f", "f.go", 1, true, []]',
        '["f", 7, 1, 5, []]',
        '["f", "f.go", 1, 5, {"k": 5}]',
        f'["f", "f.go", 1, 5, [["{"k" * 129}", 5, 0, []]]]',
        f'["f", "f.go", 1, 5, {[["k", 5, 0, [["v", 1]] * (MOST_VALUES + 1)]]}]'.replace("'", '"'),
    ],
)
def test_a_comment_that_cannot_be_is_refused_and_named(damaged: str) -> None:
    with pytest.raises(InvalidInputError, match="comment 0 about labels is damaged"):
        label_comments.read([label_comments.START + damaged])


def test_too_many_comments_are_refused() -> None:
    with pytest.raises(InvalidInputError, match="more than 501 comments"):
        label_comments.read([label_comments.START] * 502)


@pytest.mark.parametrize("keys", [[""], ["k" * 128], [f"k{n}" for n in range(17)]])
def test_keys_that_cannot_be_configured_are_named(keys: list[str]) -> None:
    with pytest.raises(UsageError, match="labels: "):
        check_keys(keys)


def test_a_sentence_says_what_is_sure() -> None:
    assert sentence("endpoint", "/export", 9, 9, 10) == "9 of 10 have endpoint=/export"
    assert sentence("endpoint", "/export", 9_000, 9_100, 10_000) == "at least 9,000 of 10,000 have endpoint=/export"
    assert sentence("id", None, 10, 10, 10) == "10 of 10 have a label id, whose values are not reported"
