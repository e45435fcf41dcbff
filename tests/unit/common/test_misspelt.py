from gosonde_common.misspelt import advice


def test_a_slip_of_the_finger_is_answered_with_what_was_meant() -> None:
    assert advice("colector", ["listen", "collector"]) == "did you mean collector?"


def test_a_name_like_no_other_is_answered_with_all() -> None:
    assert advice("zzz", ["listen", "collector"]) == "known are listen, collector"
