"""What tests of this library, and of what others build on it, need: a contract for stores, and embedders that follow a script.

`store_contract.StoreContract` says what "works" means for a `ports.Store`, and `porting_contract.PortingContract` what it means
for memories that are carried to another; `embedders` has embedders without a model: one that works, and others that fail,
block or lie on demand; `chat` has chat models: one that follows a script, and one that finds facts in simple sentences by rule.
Only the contracts need pytest.
"""
