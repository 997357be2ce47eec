"""What all worlds have in common: how long a run is, how losses are measured, in which units.

Written before any policy was tuned on these worlds. Evidence: `BUDGET` is about the 19,200 draws of
the pilot on real volumes (38 mixtures, five domains). Two evaluations of one checkpoint on fixed
crops and masks differ by nothing, two seeds of one run by 0.026 in mean log loss; with a moving
average of the weights what is left between reports is 0.3 to 1 %. Units differ between recipes by
orders of magnitude (a loss per voxel or per crop), so they differ between seeds here.
"""

BUDGET = 20_000  # draws
INTERVALS = 50  # how often the mixture may change in a run
UNIT_DECADES = (-2.0, 2.0)  # log10 of a seed's unit of loss
LEVEL_SD = 0.5  # log-sd of the level of a target's loss about the seed's unit
POOL_DECADES = (0.0, 1.5)  # log10 of pool / budget where pools are no matter: unequal, never exhausted
SEED_NOISE_SD = 0.15  # log-sd over seeds of the noise about its nominal value
TARGET_NOISE_SD = 0.15  # the same over the targets of a seed
TRAIN_NOISE = 3.0  # noise of a training loss at an equal share of an interval, in units of evaluation noise
GRADIENT_NOISE = 0.3  # sd of a reported inner product, in units of its target's root mean square
GRADIENT_STEP = 0.05  # draws over which slopes are taken, in intervals
