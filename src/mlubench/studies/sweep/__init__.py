"""Many independent runs from one file.

grid.py            the runs that the file stands for
executors.py       where they run: here, or on SLURM
jobs.py            what a job does, and the loop that keeps so many going
summary.py         one table over seeds
"""
