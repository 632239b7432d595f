"""Where cells run. An engine turns a cell's samples into shard results; it must not know the store or the matrix."""
