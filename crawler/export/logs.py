"""Log lines, as people read them. A file of its own: whoever only asks for help need not load logging."""

from __future__ import annotations

import logging

from crawler.export.inert import inert


class InertFormatter(logging.Formatter):
    """For handlers whose lines people read. What follows the first line of a message is indented: no message can make
    a line that looks like another one.
    """

    def format(self, record: logging.LogRecord) -> str:
        return inert(super().format(record).rstrip("\n")).replace("\n", "\n  ")
