"""Prefect's REST API and its settings, without importing Prefect."""

from duckherd.api.client import PAGE, Api, Json
from duckherd.api.settings import ApiSettings, load_settings, prefect_home

__all__ = ["PAGE", "Api", "ApiSettings", "Json", "load_settings", "prefect_home"]
