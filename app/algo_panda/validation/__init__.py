"""Validators: pure functions of signal, tick and configuration."""
