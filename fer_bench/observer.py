"""The old place of the Observer, kept for one release: import it from `fer_bench.plugin`."""

from fer_bench.plugin import Observer as Observer
