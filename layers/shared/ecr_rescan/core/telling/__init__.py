"""What configurations are told of changes: the Atom feed, and messages."""
