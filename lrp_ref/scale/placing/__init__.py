"""Who does which chunk: processes of this machine, or of others, told by Dask."""
