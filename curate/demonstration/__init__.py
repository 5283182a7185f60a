"""The demonstration: the whole way on data that it draws itself."""
