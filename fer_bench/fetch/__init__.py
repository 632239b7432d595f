"""Files in: out of packages, from addresses, or the user's own; each verified, and kept in one cache."""
