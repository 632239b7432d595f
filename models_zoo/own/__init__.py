"""The user's own models: one line of text, a checkpoint, a folder, or a shared card."""
