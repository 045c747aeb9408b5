"""A server of one file that is asked for ranges, and breaks off, changes or lies as it is told."""

from __future__ import annotations

import asyncio
import re
from dataclasses import dataclass, field


@dataclass
class File:
    """What is served, to whom, and how."""

    body: bytes
    etag: str = '"one"'
    modified: str = ""
    media_type: str = "application/octet-stream"
    disposition: str = ""
    has_length: bool = True
    heeds_ranges: bool = True
    extra: str = ""
    """Lines of the head, each with its end."""
    cuts: list[int] = field(default_factory=list)
    """After how many bytes of the body each of the first answers breaks off."""
    ranges: list[str] = field(default_factory=list)
    """The Range of each request; empty if it had none."""
    heads: list[str] = field(default_factory=list)

    async def talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            head = (await reader.readuntil(b"\r\n\r\n")).decode()
            self.heads.append(head)
            begin = self._begin(head)
            body = self.body[begin:]
            cut = self.cuts.pop(0) if self.cuts else len(body)
            writer.write(self._head(begin, len(body)).encode() + body[:cut])
            await writer.drain()
            if cut < len(body) or not self.has_length:
                return

    def _begin(self, head: str) -> int:
        found = re.search(r"(?im)^range: bytes=(\d+)-\r$", head)
        condition = re.search(r"(?im)^if-range: (.*)\r$", head)
        self.ranges.append(found[0].strip().partition(": ")[2] if found else "")
        holds = condition is None or condition[1] == (self.etag or self.modified)
        return int(found[1]) if found and self.heeds_ranges and holds else 0

    def _head(self, begin: int, length: int) -> str:
        lines = ["HTTP/1.1 206 Partial Content" if begin else "HTTP/1.1 200 OK", f"Content-Type: {self.media_type}"]
        if begin:
            lines.append(f"Content-Range: bytes {begin}-{len(self.body) - 1}/{len(self.body)}")
        if self.has_length:
            lines.append(f"Content-Length: {length}")
        for name, value in (
            ("ETag", self.etag),
            ("Last-Modified", self.modified),
            ("Content-Disposition", self.disposition),
        ):
            if value:
                lines.append(f"{name}: {value}")
        return "\r\n".join(lines) + f"\r\nDate: Sun, 29 Nov 2026 10:00:00 GMT\r\n{self.extra}\r\n"
