"""Requests made up from the contract, against the local stack (`make fuzz`)."""
