"""From bytes to something that can be selected from."""
