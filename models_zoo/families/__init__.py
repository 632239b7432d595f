"""One file a published network: its architecture, its card or cards. They do not import each other."""
