"""The hallways, first of all add.py and search.py, and the rooms beside them."""
