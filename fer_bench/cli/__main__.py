"""`python -m fer_bench.cli` is `ferbench`."""

from fer_bench.cli.main import main

main()
