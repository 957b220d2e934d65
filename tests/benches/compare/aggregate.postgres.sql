CREATE TABLE ord_sum (grp int PRIMARY KEY, cnt bigint NOT NULL, total float8 NOT NULL);
CREATE OR REPLACE FUNCTION f_agg() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF TG_OP <> 'INSERT' THEN
    UPDATE ord_sum SET cnt = cnt - 1, total = total - OLD.px * OLD.qty WHERE grp = OLD.grp;
  END IF;
  IF TG_OP <> 'DELETE' THEN
    INSERT INTO ord_sum AS s VALUES (NEW.grp, 1, NEW.px * NEW.qty)
      ON CONFLICT (grp) DO UPDATE SET cnt = s.cnt + 1, total = s.total + EXCLUDED.total;
  END IF;
  RETURN NULL;
END $$;
CREATE TRIGGER t_agg AFTER INSERT OR UPDATE OR DELETE ON ord FOR EACH ROW EXECUTE FUNCTION f_agg();
