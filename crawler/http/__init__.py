"""Rules of HTTP: cookies, caching, what a header means. Pure: the time is an argument."""
