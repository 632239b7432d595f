"""Statistics as pure functions of numbers: rates and intervals, agreement, paired tests, resampling."""
