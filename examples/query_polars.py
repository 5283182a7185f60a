"""Ask the tables of scores with Polars: what is worst, of each class and of each image.

python examples/query_polars.py weights.images.parquet weights.regions.parquet
"""

import sys

import polars as pl

images, regions = map(pl.scan_parquet, sys.argv[1:3])
worst = images.filter(pl.col("status") == "ok").sort("score").select("id", "score", "weight")
print(worst.head(10).collect())
weight = (pl.col("weight") * pl.col("valid_px")).sum() / pl.col("valid_px").sum()
by_class = regions.group_by("class_name").agg(pl.len(), pl.mean("score"), weight.alias("weight"))
print(by_class.sort("score").collect())
