"""A small bookshop on this machine and the spider that reads it: what ``crawl demo`` runs."""
