"""`crawl demo`: whole, from an empty folder."""

from crawler.cli.main import LIMIT, USAGE


def test_the_demo_crawls_the_whole_shop_and_leaves_the_dataset_alone(crawl, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    ended = crawl("demo")
    assert (ended.code, ended.out) == (0, "")
    [folder] = tmp_path.iterdir()
    dataset, manifest = sorted(folder.iterdir())
    assert manifest.name == f"{dataset.name}.manifest.json"
    assert folder.name == "datasets"
    assert dataset.read_bytes().count(b"\n") == 240
    assert "a bookshop is open at http://127.0.0.1:" in ended.err
    assert "240 items" in ended.err
    assert f"dataset   datasets/{dataset.name}" in ended.err
    assert ended.err.endswith("write a spider of your own: crawl new NAME URL\n")


def test_the_demo_s_items_are_typed(crawl, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    ended = crawl("demo", "-o", "-", "--max-items", "5", "-q")
    assert (ended.code, ended.err) == (LIMIT, "")
    assert len(ended.items) == 5
    for item in ended.items:
        assert {name: type(value) for name, value in item.items()} == {
            "url": str,
            "title": str,
            "price": float,
            "in_stock": int,
            "rating": int,
            "category": str,
            "upc": str,
        }
    assert list(tmp_path.iterdir()) == []


def test_the_demo_takes_the_options_of_a_run_and_refuses_the_same_mistakes(crawl, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert crawl("demo", "--set", "dely=1").code == USAGE
    assert crawl("demo", "-a", "color=red").code == USAGE
    assert list(tmp_path.iterdir()) == []


def test_the_demo_needs_no_project_and_minds_none(crawl, tmp_path, monkeypatch):
    (tmp_path / "config.toml").write_text("[crawl]\nmax_pages = 1\n")
    monkeypatch.chdir(tmp_path)
    assert crawl("demo", "-o", "-", "-q", "--max-items", "2").code == LIMIT
