"""Which cells there are and running them: the matrix, transfers, replays. It receives objects and knows no name."""
