"""What our static pages share: the document around them, their style, tables and figures."""
