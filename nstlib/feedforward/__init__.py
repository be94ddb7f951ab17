"""Networks that paint in one pass, their training and their files."""
