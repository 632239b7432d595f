"""The reports: verdicts to pandas tables, tables to pages. Nothing here runs a model or an attack."""
