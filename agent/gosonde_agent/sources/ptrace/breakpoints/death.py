"""Hearing of the end of a process at its very beginning: by a robust futex (set_robust_list(2)).

The kernel marks such a futex, and wakes who waits for it, before it takes down the memory of a process that ends; its
files are closed only afterwards, which is a millisecond later.
"""

import ctypes
import threading

LIBC = ctypes.CDLL(None, use_errno=True)
#: Numbers on amd64, where breakpoints are.
FUTEX, SET_ROBUST_LIST = 202, 273
WAIT, HAS_WAITERS, OWNER_DIED = 0, 0x8000_0000, 0x4000_0000
WORD = 8


class RobustList(ctypes.Structure):
    """struct robust_list_head"""

    _fields_ = (("next", ctypes.c_void_p), ("offset", ctypes.c_long), ("pending", ctypes.c_void_p))


class Death:
    """A futex in two words of shared memory, at `address` in both processes: one was forked by the other."""

    def __init__(self, address: int) -> None:
        self._node = ctypes.c_uint64.from_address(address)
        self._futex = ctypes.c_uint32.from_address(address + WORD)
        self._list = RobustList()

    def announce(self) -> None:
        """Has the end of this thread of this process marked."""
        head = ctypes.addressof(self._list)
        self._node.value = head
        self._futex.value = threading.get_native_id() | HAS_WAITERS
        self._list.next, self._list.offset = ctypes.addressof(self._node), WORD
        LIBC.syscall(SET_ROBUST_LIST, ctypes.c_void_p(head), ctypes.sizeof(self._list))

    def wait(self) -> None:
        """Returns when the one who has announced his end ends."""
        while not (found := self._futex.value) & OWNER_DIED:
            address = ctypes.c_void_p(ctypes.addressof(self._futex))
            LIBC.syscall(FUTEX, address, WAIT, ctypes.c_uint32(found), None, None, 0)
