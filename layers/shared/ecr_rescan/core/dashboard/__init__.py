"""The page for people, written on the server."""
