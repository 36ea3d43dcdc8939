"""LangChain's own tests of a vector store, on ours."""

from collections.abc import Iterator

import pytest
from langchain_core.vectorstores import VectorStore
from langchain_tests.integration_tests import VectorStoreIntegrationTests

from agentmem_integrations.langchain import AgentMemVectorStore


class TestStandard(VectorStoreIntegrationTests):
    @pytest.fixture
    def vectorstore(self, path: str) -> Iterator[VectorStore]:  # type: ignore[override]  # theirs is a generator as well
        with AgentMemVectorStore(path, embedding=self.get_embeddings()) as store:
            yield store
