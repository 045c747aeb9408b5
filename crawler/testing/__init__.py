"""Servers to test spiders against, without internet."""
