"""The body of an answer on its way to disk: some 256 KiB of it are in memory, whatever it has.

Rule 1: while the disk is busy nothing is read, so a fast server waits for a slow disk; the time is not the server's.
Rule 2: whatever ends a body early, what came of it is written: the next try goes on there.
"""

from __future__ import annotations

from aiohttp import hdrs

from crawler.download import Saved
from crawler.errors import DownloadChanged, MalformedResponse, TruncatedBody
from crawler.fetch.answer import Answer
from crawler.fetch.coding import Decoder, Undecodable, decoder_of
from crawler.fetch.deadline import Deadline
from crawler.fetch.download import Saving, too_large
from crawler.http.place import media_type_of
from crawler.response import Headers

_PACKED_ANYWAY = frozenset(
    {"application/gzip", "application/x-gzip", "application/x-tgz", "application/x-compressed-tar"}
)
"""Types of files that are packed themselves. Servers say ``Content-Encoding: gzip`` of them and mean the file, which
browsers leave as it is."""


async def save_body(answer: Answer, url: str, saving: Saving, usual_limit: int, deadline: Deadline) -> Saved:
    """The body, as a file that is whole.

    :raises DownloadUnwanted: it is of a type that is not wanted
    :raises DownloadTooLarge: it has too many bytes, or says so
    :raises DownloadChanged: it does not fit to the part that is here
    :raises TruncatedBody: it ended early
    :raises MalformedResponse: it is longer than it says, or cannot be unpacked
    """
    headers = Headers(answer.headers)
    limit = saving.limit(usual_limit)
    if answer.status == 416 and not saving.is_own_range:
        raise await saving.refused()
    try:
        decoder = _decoder_of(headers)
        deadline.pause()  # an earlier part may be long
        try:
            await saving.begin(answer.status, headers, answer.content_length, limit, is_packed=decoder is not None)
        finally:
            deadline.resume()
        await _copy(answer, url, saving, decoder, limit, deadline)
    except Undecodable as error:
        await saving.discard()
        raise MalformedResponse(url, f"the body cannot be unpacked: {error}") from error
    part = saving.part
    if decoder is not None and not decoder.is_whole:
        raise TruncatedBody(url, "the packed body ends before its end mark")
    if part.total is not None and part.size < part.total:
        raise TruncatedBody(url, f"{part.size} bytes of {part.total} came")
    deadline.pause()
    try:
        return await saving.finish(headers)
    finally:
        deadline.resume()


async def _copy(
    answer: Answer, url: str, saving: Saving, decoder: Decoder | None, limit: int, deadline: Deadline
) -> None:
    part = saving.part
    size, buffer, room = part.size, bytearray(), saving.buffer
    try:
        while raw := await answer.readany():
            for piece in (raw,) if decoder is None else decoder.unpack(raw):
                size += len(piece)
                if size > limit:
                    await saving.discard()
                    raise too_large(url, f"has more than {limit} bytes", limit)
                buffer += piece
                if len(buffer) >= room:
                    full, buffer = buffer, bytearray()  # whatever becomes of this write, it is not repeated
                    deadline.pause()
                    try:
                        await saving.write(full)
                    finally:
                        deadline.resume()
            if part.total is not None and size > part.total:
                await saving.discard()
                raise DownloadChanged(url, f"more than the {part.total} bytes came that it has: it begins anew")
    finally:
        if buffer:
            await saving.write(buffer)  # Rule 2


def _decoder_of(headers: Headers) -> Decoder | None:
    """What unpacks the body; None if it comes as it is, as was asked for.

    :raises Undecodable: nothing here does
    """
    codings = headers.getall(hdrs.CONTENT_ENCODING, ())
    is_packed_anyway = media_type_of(headers.get("Content-Type", "")) in _PACKED_ANYWAY
    if not codings or (is_packed_anyway and [coding.strip().lower() for coding in codings] in (["gzip"], ["x-gzip"])):
        return None
    return decoder_of(codings)
