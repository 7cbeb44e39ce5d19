"""In-silico tumour-immune simulation engine."""
