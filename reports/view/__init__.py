"""Numbers to strings and charts: rows, sections, figures, footnotes. It writes no file."""
