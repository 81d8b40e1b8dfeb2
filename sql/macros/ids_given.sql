-- A list of ids, or one alone, as BIGINT, whatever form they were given in. One row an input, in input order.
-- `problem` says why an input is none: empty, damaged (it went through a float), or not an id. A list of floats,
-- decimals or bools is refused as a whole.
CREATE OR REPLACE MACRO ids_given(of_ids) AS TABLE
    WITH unnested AS (
        SELECT given.one AS old_id, row_number() OVER () AS position
        FROM (SELECT unnest([of_ids], recursive := true) AS one) AS given
    ),
    texts AS (
        SELECT
            unnested.position,
            CASE
                WHEN typeof(unnested.old_id) IN ('DOUBLE', 'FLOAT', 'BOOLEAN') OR typeof(unnested.old_id) LIKE 'DECIMAL%'
                    THEN error('ids must be whole numbers or text, not a list of ' || typeof(unnested.old_id)
                        || ': one number with a decimal point or an exponent bends every id in its list')
                ELSE unnested.old_id
            END AS old_id,
            regexp_replace(unnested.old_id::VARCHAR, '^[\s\x{00A0}\x{200B}\x{FEFF}]+|[\s\x{00A0}\x{200B}\x{FEFF}]+$', '', 'g') AS given_text
        FROM unnested
    )
    SELECT
        texts.position,
        texts.old_id,
        texts.given_text,
        CASE
            WHEN regexp_full_match(texts.given_text, '[0-9]{1,19}') AND TRY_CAST(texts.given_text AS BIGINT) > 1
                THEN TRY_CAST(texts.given_text AS BIGINT)
        END AS whole,
        CASE
            WHEN texts.given_text IS NULL OR texts.given_text IN ('', '0') THEN 'empty'
            WHEN regexp_full_match(texts.given_text, '[+-]?[0-9]*\.?[0-9]+[eE][+-]?[0-9]+|[+-]?[0-9]+\.[0-9]*') THEN 'damaged'
            WHEN texts.given_text = '1' OR regexp_full_match(texts.given_text, '[+-]?[0-9]+')
                AND coalesce(TRY_CAST(texts.given_text AS BIGINT), -1) < 0 THEN 'not an id'
        END AS problem
    FROM texts
    ORDER BY texts.position;
COMMENT ON MACRO TABLE ids_given IS 'Ids in any form as whole numbers, one row an input, with what is wrong with each: FROM ids_given([''576460752303423567'', '' 0 '']).';
