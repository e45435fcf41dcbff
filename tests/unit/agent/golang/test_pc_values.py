"""The tables of pclntab that say what holds at each address are decoded as runtime.step does it."""

import random

from gosonde_agent.golang.pc_values import MAX_STEPS, decode


def stepwise(data: bytes, quantum: int) -> tuple[list[int], list[int]] | None:
    """(ends, values) as the runtime goes through a table, number by number; None when it does not end."""
    ends: list[int] = []
    values: list[int] = []
    at, pc, value = 0, 0, -1
    while True:
        numbers: list[int] = []
        while len(numbers) < 2:
            number = shift = 0
            while True:
                if at >= len(data) or shift > 28:
                    return None
                number |= (data[at] & 0x7F) << shift
                at, shift = at + 1, shift + 7
                if data[at - 1] < 0x80:
                    break
            numbers.append(number)
            if number == 0 and len(numbers) == 1 and ends:
                return ends, values
        delta, step = numbers
        value += -(delta >> 1) - 1 if delta & 1 else delta >> 1
        pc += step * quantum
        ends.append(pc)
        values.append(value)


def test_tables_of_random_bytes_are_decoded_as_the_runtime_decodes_them() -> None:
    chance = random.Random(7)
    ended = 0
    for _ in range(3_000):
        weights = chance.choice(((1,) * 256, (30, *(1,) * 127, *(1,) * 128), (5, *(1,) * 127, *(0,) * 128)))
        data = bytes(chance.choices(range(256), weights, k=chance.randrange(60)))
        expected, found = stepwise(data, 4), decode(data, 4)
        assert (found is None) == (expected is None), data.hex()
        if found is not None and expected is not None:
            assert (list(found[0]), list(found[1])) == expected, data.hex()
            ended += 1
    assert ended > 300


def test_a_table_with_more_steps_than_any_function_has_is_refused() -> None:
    step = bytes((2, 1))
    assert decode(step * MAX_STEPS + b"\0", 1) is not None
    assert decode(step * (MAX_STEPS + 1) + b"\0", 1) is None
