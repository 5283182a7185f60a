"""Ask the tables of scores with SQL: what is worst, of each class and of each part of the set.

python examples/query_duckdb.py weights.images.parquet weights.regions.parquet
"""

import sys

import duckdb

images, regions = map(duckdb.read_parquet, sys.argv[1:3])
print(duckdb.sql("SELECT id, score, weight FROM images ORDER BY score NULLS LAST LIMIT 10"))
print(
    duckdb.sql(
        """
        SELECT class_name, count(*) AS regions, round(avg(score), 3) AS score,
               round(sum(weight * valid_px) / sum(valid_px), 3) AS weight
        FROM regions GROUP BY class_name ORDER BY score
        """
    )
)
