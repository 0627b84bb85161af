"""What StartScan does: ticks, recording, announcing, repairing."""
