"""Rules about the courtesy owed to a host. Pure: the time is an argument."""
