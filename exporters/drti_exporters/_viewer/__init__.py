"""The page that shows a model, shared by the exporters that write pages."""
