"""OpenAI-compatible endpoints: where one is, how patiently it is asked, and what its troubles mean.

Embedders and chat models stand above; neither imports the `openai` package, which only `openai_client.py` does.
"""
