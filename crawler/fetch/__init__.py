"""One request on the wire, one response back."""
