"""The file itself: opened, checked, migrated, copied, and its write-ahead log kept short."""
