"""Write many records in one format and read them again; print how much more memory that took than standing still.

python -m tests.export.writing ENDING FOLDER COUNT SIZE
"""

import json
import sys
from collections.abc import Iterator
from pathlib import Path

from crawler.export.formats import Growing, Made, Making, format_of
from crawler.outcome import Record

GROUP = 1_000


def main() -> None:
    ending, folder, count, size = sys.argv[1], Path(sys.argv[2]), int(sys.argv[3]), int(sys.argv[4])
    target = folder / f"items{ending}"
    form = format_of(target.name)
    write(form, 10, size, folder / f"first{ending}")  # what is loaded once
    sum(1 for _ in form.read(folder / f"first{ending}"))
    still = peak()
    write(form, count, size, target)
    written = peak()
    found = sum(1 for _ in form.read(target))
    print(json.dumps({"written": written - still, "read": peak() - still, "found": found}))


def records(count: int, size: int) -> Iterator[bytes]:
    text = "A sentence, with “quotes”. " * (size // 27)
    for number in range(count):
        yield json.dumps(
            {
                "url": f"https://a.example/{number}",
                "number": number,
                "price": number / 7,
                "text": text,
                "tags": ["a", "b"],
            },
            ensure_ascii=False,
        ).encode()


def write(form: Growing | Made, count: int, size: int, target: Path) -> None:
    if form.is_made:
        form.write(lambda: records(count, size), target, Making())
        return
    with target.open("wb") as file:
        group: list[Record] = []
        for line in records(count, size):
            group.append(Record(line))
            if len(group) == GROUP:
                file.write(form.encode(group))
                group = []
        file.write(form.encode(group))


def peak() -> float:
    """MB: the most that this process has had in memory. What ``getrusage`` says includes the one that started it."""
    status = Path("/proc/self/status").read_text()
    return int(status.partition("VmHWM:")[2].split()[0]) / 1024


if __name__ == "__main__":
    main()
