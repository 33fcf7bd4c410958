"""What people read of an evaluation: pages, tables, comparisons."""
