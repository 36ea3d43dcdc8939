"""How writes get from a caller to the store: batches form by themselves, are embedded as one, and committed as one transaction."""
