-- An id as BIGINT. A float is refused by its type: one float in a list bends every id in it to a neighbour's.
CREATE OR REPLACE MACRO whole_id(of_id) AS
    CASE
        WHEN typeof(of_id) IN ('DOUBLE', 'FLOAT') OR typeof(of_id) LIKE 'DECIMAL%'
            THEN error('an id must be a whole number, not a ' || typeof(of_id) || ': write it without a decimal point')
        ELSE of_id::BIGINT
    END;
COMMENT ON MACRO whole_id IS 'An id as BIGINT; a float is refused, because it would silently stand for a neighbour''s id.';
