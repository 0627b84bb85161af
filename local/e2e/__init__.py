"""Runs what `sam build` made under AWS's own Lambda runtime interface emulator, against the embedded AWS."""
