"""Spiders of other shapes: by rules, sitemaps, feeds, APIs, and a whole site without code."""
