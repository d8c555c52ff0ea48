"""Sources in, findings out: what of Triton's each line uses that some release lacks, and hazards.

The same scan, links and table of releases that the index rests on, seen from the line: nothing is
stored, and neither Triton nor torch is needed.
"""
