"""What finds: vectors, words and items, from RAM and from the file."""
