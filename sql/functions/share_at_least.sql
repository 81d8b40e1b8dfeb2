-- The share that a vote speaks for, seen with caution: few votes speak for less than they say (Wilson's lower bound).
CREATE OR REPLACE MACRO share_at_least(of_votes, of_all) AS
    CASE
        WHEN of_all > 0 THEN (of_votes::DOUBLE + 1.92 - 1.96 * sqrt(greatest(
            of_votes::DOUBLE * (of_all - of_votes) / of_all + 0.96, 0.0))) / (of_all + 3.84)
        ELSE 0.0
    END;
COMMENT ON MACRO share_at_least IS 'The share that so many of so many votes speak for, with caution (Wilson, 95 %): share_at_least(40, 40) is 0.91.';
