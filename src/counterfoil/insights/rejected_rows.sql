-- Why were rows rejected, and from which files?
SELECT reason, source, count(*) AS rows_rejected, min(source_line) AS first_line, max(source_line) AS last_line
FROM rejected
GROUP BY reason, source
ORDER BY rows_rejected DESC, reason, source
LIMIT :top
