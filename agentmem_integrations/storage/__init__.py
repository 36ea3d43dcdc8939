"""Stores: where memories live. One package per database, all with the same contract (`ports.Store`)."""
