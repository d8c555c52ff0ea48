"""What is told of a kernel beyond its code: one module an enrichment, each pure."""
