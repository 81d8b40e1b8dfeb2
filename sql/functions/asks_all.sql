-- Whether an argument asks for all: NULL as it is written, or left out. What a query found nothing for is a NULL with
-- a type, and asks for none: list(root_id) over no rows must not become everybody.
CREATE OR REPLACE MACRO asks_all(of_list) AS typeof(of_list) = '"NULL"';
COMMENT ON MACRO asks_all IS 'Whether an argument asks for all: a NULL as it is written, not the NULL of a query that found nothing.';
