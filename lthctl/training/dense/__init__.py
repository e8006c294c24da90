"""The torch engine: any module, on any device; pruned weights are multiplied like others."""
