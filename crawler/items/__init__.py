"""Rules about items: what a typed one is made from, and whether it is what its type says. Pure."""
