"""Test what a vendor's device sends before it is connected, with the product's own decoders and judge."""
