"""What tests of this library, and of what others build on it, need: a contract for stores, and embedders that follow a script.

`store_contract.StoreContract` says what "works" means for a `ports.Store`, and `porting_contract.PortingContract` what it means
for memories that are carried to another; `embedders` has embedders without a model: one that works, and others that fail,
block or lie on demand. Only the contracts need pytest.
"""
