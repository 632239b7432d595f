"""Did a number fall? What a results folder holds against what a baseline keeps, as one family of tests."""
