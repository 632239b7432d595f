"""torchattacks' own classes under the Observer; the adapter alone imports torchattacks."""
