"""The two hallways, add.py and search.py, and the rooms beside them."""
