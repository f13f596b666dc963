"""Factorisations and what is made of them."""
