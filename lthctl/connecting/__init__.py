"""Pairs of runs joined by a straight line: is the network stable to the order of the batches?"""
