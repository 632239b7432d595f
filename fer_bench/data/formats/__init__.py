"""One file a public data set or layout: where its images are and how they are labelled."""
