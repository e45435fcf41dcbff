"""The loop of a live view: keys, signals and pictures in, frames out."""

import selectors
import signal
from dataclasses import replace
from typing import Final

from gosonde_cli.top.feed import Feed
from gosonde_cli.top.frame import frame
from gosonde_cli.top.keys import keys_of
from gosonde_cli.top.messages import Messages
from gosonde_cli.top.picture import Picture
from gosonde_cli.top.screen import Screen
from gosonde_cli.top.signals import Signals
from gosonde_cli.top.view import View

#: Between two looks whether there is a new picture.
FRAME_SECONDS: Final = 0.25


def run(feed: Feed) -> None:
    """Shows the pictures of a feed until the end is asked for; the terminal and what is watched are as before then.

    Raises:
        SystemExit: SIGTERM or SIGHUP asked for the end: 128 and the number of the signal.
        GosondeError: Nothing can be watched.
    """
    try:
        with Messages() as messages, Signals() as signals, Screen() as screen:
            _loop(feed, messages, signals, screen)
            ending = signals.ending
    finally:
        feed.close()
    if feed.error is not None:
        raise feed.error
    if ending not in {0, signal.SIGINT}:
        raise SystemExit(128 + ending)


def _loop(feed: Feed, messages: Messages, signals: Signals, screen: Screen) -> None:
    view = View()
    with selectors.DefaultSelector() as selector:
        for source in (screen, signals, messages):
            selector.register(source, selectors.EVENT_READ)
        screen.draw(frame(feed.picture, view, *screen.size()))
        feed.start()
        while not (view.has_quit or signals.ending or feed.error):
            ready = [key.fileobj for key, _ in selector.select(FRAME_SECONDS)]
            signals.take()
            if signals.was_stopped:
                signals.was_stopped = False
                screen.take()
            messages.take()
            picture = _with_messages(feed.picture, messages)
            if screen in ready and not _pressed(view, screen.read(), picture):
                return
            screen.draw(frame(picture, view, *screen.size()))


def _pressed(view: View, read: bytes, picture: Picture) -> bool:
    """Whether the terminal is still there."""
    for key in keys_of(read):
        view.press(key, picture)
    return bool(read)


def _with_messages(picture: Picture, messages: Messages) -> Picture:
    return replace(picture, notes=(*picture.notes, *messages.lines)) if messages.lines else picture
