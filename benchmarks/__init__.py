"""What `make bench` runs: the service's speed, memory, calls and cost, measured beside references."""
