-- The distinct regions of a list, or of one name alone. One row a region; a NULL is none.
CREATE OR REPLACE MACRO region_list(in_regions) AS TABLE
    SELECT DISTINCT given.one AS region
    FROM (SELECT unnest([in_regions], recursive := true)::VARCHAR AS one) AS given
    WHERE given.one IS NOT NULL;
COMMENT ON MACRO TABLE region_list IS 'The distinct regions of a list or of one name: FROM region_list([''ellipsoid_body'']).';
