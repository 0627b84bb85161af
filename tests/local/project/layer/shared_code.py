"""A layer's module: whether a function can import it shows that layers are on its path."""

NAME = "shared"
