"""Downloads, from the command line: what the summary says of the files, over all runs of a job."""

SPIDER = """
from crawler import Spider


class Files(Spider):
    name = "files"
    start_urls = ["{url}"]

    def parse(self, page):
        for link in page.css("a"):
            yield page.download(link, to="{{name}}")
"""
PAGES = {
    "/": "".join(f'<a href="/{name}">file</a>' for name in "abcdef"),
    **{f"/{name}": name * 2_000 for name in "abcde"},
}


def test_the_summary_counts_files_over_all_runs(project, crawl, serve):
    project.write("spiders/files.py", SPIDER.format(url=serve({**PAGES, "/f": PAGES["/a"]})))
    first = crawl("files", "-o", "files.jsonl", "--set", "max_pages=4", "--set", "concurrency=1")
    assert (first.code, len(project.lines("files.jsonl"))) == (3, 3)
    last = crawl("files", "-o", "files.jsonl", "--resume", "--set", "max_pages=100")
    records = project.lines("files.jsonl")

    assert (last.code, len(records), len({record["path"] for record in records})) == (0, 6, 6)
    assert [line for line in last.err.splitlines() if line.startswith("  files")] == [
        "  files     6 files, 12.0 kB in downloads/"
    ]
    assert {path for path in project.files() if path.startswith("downloads/")} == {record["path"] for record in records}
    assert all((project.root / record["path"]).stat().st_size == record["bytes"] for record in records)


def test_a_second_crawl_finds_its_files_there(project, crawl, serve):
    project.write("spiders/files.py", SPIDER.format(url=serve(PAGES)))
    for same in ("5 files, 10.0 kB in downloads/", "5 files, 0 B in downloads/ (5 had the same content)"):
        ended = crawl("files", "-o", "files.jsonl", "--overwrite", "--fresh")
        assert f"  files     {same}" in ended.err.splitlines()
        assert "http_404" in ended.err
