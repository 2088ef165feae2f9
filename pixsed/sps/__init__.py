"""Stellar population synthesis: from physics to photometry."""
