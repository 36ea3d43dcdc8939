"""What is compared, a file for each family. None of these packages is needed by this one: each is imported when its store is opened."""
