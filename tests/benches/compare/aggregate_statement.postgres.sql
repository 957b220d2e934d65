CREATE TABLE ord_sum (grp int PRIMARY KEY, cnt bigint NOT NULL, total float8 NOT NULL);
CREATE OR REPLACE FUNCTION f_agg_statement() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  INSERT INTO ord_sum AS s SELECT grp, count(*), sum(px * qty) FROM fresh GROUP BY grp
    ON CONFLICT (grp) DO UPDATE SET cnt = s.cnt + EXCLUDED.cnt, total = s.total + EXCLUDED.total;
  RETURN NULL;
END $$;
CREATE TRIGGER t_agg AFTER INSERT ON ord REFERENCING NEW TABLE AS fresh FOR EACH STATEMENT EXECUTE FUNCTION f_agg_statement();
