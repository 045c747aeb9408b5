"""What has no end: pages that a server makes up as fast as they are asked for."""
