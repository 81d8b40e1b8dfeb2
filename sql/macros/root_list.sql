-- The distinct ids of a list, of one id alone, or of text of digits. One row an id; a NULL is none.
CREATE OR REPLACE MACRO root_list(of_roots) AS TABLE
    SELECT DISTINCT whole_id(given.one) AS root_id
    FROM (SELECT unnest([of_roots], recursive := true) AS one) AS given
    WHERE given.one IS NOT NULL;
COMMENT ON MACRO TABLE root_list IS 'The distinct ids of a list or of one id: FROM root_list([576460752303423489]). A float is refused.';
