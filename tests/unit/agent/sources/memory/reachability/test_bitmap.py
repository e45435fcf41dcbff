"""A bitmap is a set of numbers."""

import numpy as np
from gosonde_agent.sources.memory.reachability.bitmap import Bitmap


def test_it_has_what_was_added_and_nothing_else() -> None:
    random = np.random.default_rng(1)
    added = random.integers(0, 10_000, 3_000)
    bitmap = Bitmap(10_000)
    bitmap.add(added[:1_500])
    bitmap.add(added[1_000:])
    every = np.arange(10_000)
    assert bitmap.has(every).tolist() == np.isin(every, added).tolist()
