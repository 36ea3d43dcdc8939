"""`agentmem bench`: measures this library on the machine at hand. Every figure in docs/benchmarks.md comes from here."""
