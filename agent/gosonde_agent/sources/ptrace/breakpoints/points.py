"""A breakpoint as a value: where it is, and what is done in place of the instruction that it hides."""

from dataclasses import dataclass

#: Kinds of instructions that can be done in place of the processor.
PUSH_RBP, CALL, JUMP = "push", "call", "jump"
ALWAYS = -1


@dataclass(frozen=True, slots=True)
class Breakpoint:
    """An instruction that one byte hides.

    Attributes:
        probe: What is counted there: "created" or "exited".
        address: In the process.
        original: The byte that belongs there.
        kind: PUSH_RBP, CALL or JUMP; one that does nothing is a jump to what is behind it.
        after: The address behind it.
        target: Where a call or a jump goes.
        condition: When it jumps: the lowest four bits of the instruction's code, or ALWAYS.
        register: Which word of the registers holds the site (created) or the g (exited).
    """

    probe: str
    address: int
    original: int
    kind: str
    after: int
    target: int
    condition: int
    register: int
