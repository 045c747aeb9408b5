"""What is known and not yet fetched, in the order in which it may be fetched."""
