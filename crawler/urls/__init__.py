"""Rules about URLs: joining, canonical form, identity, scope, redirects. Pure."""
