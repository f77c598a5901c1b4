"""Checks as data contracts: the Open Data Contract Standard 3.1 and dbt's schema files."""

from duckherd.contract.model import Imported, Published
from duckherd.contract.odcs_export import contract_of
from duckherd.contract.reading import read_contract

__all__ = ["Imported", "Published", "contract_of", "read_contract"]
