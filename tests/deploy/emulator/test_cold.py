"""What `make bench` says of cold starts can be measured: it runs too seldom to find out for itself."""

from __future__ import annotations

from benchmarks import cold, run, world


def test_a_first_request_is_measured_beside_a_bare_handlers() -> None:
    """The bare handler makes the calls that the function made, with boto3 as installed and in the layer."""
    with run.aws(world.bucket(world.Scale(1, 2, 5)), milliseconds=0) as aws, cold.bare_layers() as layers:
        ours = cold.first_request("Config", aws)
        calls = aws.counts()
        assert calls
        for layer in layers.values():
            bare = cold.bare_first_request("Config", calls, layer, aws)
            assert aws.counts() == calls
            assert min(ours.processor, bare.processor) > 0
            assert min(ours.peak_mb, bare.peak_mb) > 10
