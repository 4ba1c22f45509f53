"""Take pictures of cameras for those who may look, show them for a minute, know which streams are broken."""
