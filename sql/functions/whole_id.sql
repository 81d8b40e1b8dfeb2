-- An id as BIGINT. A float is refused by its type: one float in a list bends every id in it to a neighbour's.
-- So is a bool, and text that is not digits, which DuckDB would round.
CREATE OR REPLACE MACRO whole_id(of_id) AS
    CASE
        WHEN typeof(of_id) IN ('DOUBLE', 'FLOAT', 'BOOLEAN') OR typeof(of_id) LIKE 'DECIMAL%'
            THEN error('an id must be a whole number, not a ' || typeof(of_id) || ': write it without a decimal point')
        WHEN typeof(of_id) = 'VARCHAR' AND NOT regexp_full_match(of_id::VARCHAR, '\s*[0-9]{1,19}\s*')
            THEN error('an id is a whole number, which this text is not: ' || of_id::VARCHAR)
        ELSE of_id::BIGINT
    END;
COMMENT ON MACRO whole_id IS 'An id as BIGINT; a float is refused, because it would silently stand for a neighbour''s id.';
