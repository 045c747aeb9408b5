"""``python -m crawler`` is ``crawl``."""

from crawler.cli.main import main

if __name__ == "__main__":
    main()
