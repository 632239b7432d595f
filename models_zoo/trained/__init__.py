"""The reference defences that fer_bench trained itself: their checkpoints, and their cards."""
