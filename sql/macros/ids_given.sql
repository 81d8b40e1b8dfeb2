-- A list of ids, or one alone, as BIGINT, whatever form they were given in. One row an input, in input order.
-- `problem` says why an input is none: empty, damaged (it went through a float), or not an id; text that may be the
-- _id of an annotation row has none. A list of anything but whole numbers or text is refused as a whole, by its type.
CREATE OR REPLACE MACRO ids_given(of_ids) AS TABLE
    WITH unnested AS (
        SELECT given.one AS old_id, row_number() OVER () AS position
        FROM (SELECT unnest([of_ids], recursive := true) AS one) AS given
    ),
    texts AS (
        SELECT
            unnested.position,
            CASE
                WHEN regexp_full_match(typeof(unnested.old_id), 'U?(TINY|SMALL|BIG|HUGE)INT|U?INTEGER|BIGNUM|VARINT|VARCHAR|JSON|BLOB|"NULL"|(?s:ENUM.*)')
                    THEN unnested.old_id
                ELSE error('ids must be whole numbers or text, not a list of ' || typeof(unnested.old_id)
                    || ': one number with a decimal point or an exponent bends every id in its list')
            END AS old_id,
            regexp_replace(unnested.old_id::VARCHAR, '^[\s\x{00A0}\x{200B}\x{FEFF}]+|[\s\x{00A0}\x{200B}\x{FEFF}]+$', '', 'g') AS given_text
        FROM unnested
    ),
    numbers AS (
        SELECT
            texts.*,
            CASE WHEN regexp_full_match(texts.given_text, '[0-9]{1,19}') THEN TRY_CAST(texts.given_text AS BIGINT) END AS number
        FROM texts
    )
    SELECT
        numbers.position,
        numbers.old_id,
        numbers.given_text,
        CASE WHEN numbers.number > 1 THEN numbers.number END AS whole,
        CASE
            WHEN numbers.number > 1 THEN NULL
            WHEN numbers.given_text IS NULL OR numbers.number = 0
                OR lower(numbers.given_text) IN ('', 'na', 'n/a', '#n/a', '<na>', 'nan', 'nat', 'none', 'null') THEN 'empty'
            WHEN regexp_full_match(numbers.given_text, '[+-]?[0-9]*[.,]?[0-9]+[eE][+-]?[0-9]+|[+-]?[0-9]+[.,][0-9]*') THEN 'damaged'
            WHEN regexp_full_match(numbers.given_text, '-?[0-9]+') OR NOT regexp_full_match(numbers.given_text, '[A-Za-z0-9_-]+') THEN 'not an id'
        END AS problem
    FROM numbers
    ORDER BY numbers.position;
COMMENT ON MACRO TABLE ids_given IS 'Ids in any form as whole numbers, one row an input, with what is wrong with each: FROM ids_given([''576460752303423567'', '' 0 '']).';
