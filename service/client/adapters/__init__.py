"""The callback as other frameworks call it. None of them is imported before it is asked for."""
