"""What is asked of the HDF5 library itself, below h5py's objects."""
