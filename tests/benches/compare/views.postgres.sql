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
CREATE TABLE ord_big (id bigint PRIMARY KEY, grp int, value float8);
CREATE OR REPLACE FUNCTION f_big() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF TG_OP <> 'INSERT' THEN
    DELETE FROM ord_big WHERE id = OLD.id;
  END IF;
  IF TG_OP <> 'DELETE' AND NEW.qty > 50 THEN
    INSERT INTO ord_big VALUES (NEW.id, NEW.grp, NEW.px * NEW.qty);
  END IF;
  RETURN NULL;
END $$;
CREATE TRIGGER t_big AFTER INSERT OR UPDATE OR DELETE ON ord FOR EACH ROW EXECUTE FUNCTION f_big();
CREATE TABLE syms (sym int PRIMARY KEY, name text);
INSERT INTO syms SELECT i, 'symbol ' || i FROM generate_series(1, 900) AS i;
CREATE TABLE ord_named (id bigint PRIMARY KEY, sym int, name text, qty int);
CREATE INDEX ord_named_sym ON ord_named (sym);
CREATE OR REPLACE FUNCTION f_named() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF TG_OP <> 'INSERT' THEN
    DELETE FROM ord_named WHERE id = OLD.id;
  END IF;
  IF TG_OP <> 'DELETE' THEN
    INSERT INTO ord_named SELECT NEW.id, NEW.sym, (SELECT name FROM syms WHERE syms.sym = NEW.sym), NEW.qty;
  END IF;
  RETURN NULL;
END $$;
CREATE OR REPLACE FUNCTION f_syms() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF TG_OP <> 'INSERT' THEN
    UPDATE ord_named SET name = NULL WHERE sym = OLD.sym;
  END IF;
  IF TG_OP <> 'DELETE' THEN
    UPDATE ord_named SET name = NEW.name WHERE sym = NEW.sym;
  END IF;
  RETURN NULL;
END $$;
CREATE TRIGGER t_named AFTER INSERT OR UPDATE OR DELETE ON ord FOR EACH ROW EXECUTE FUNCTION f_named();
CREATE TRIGGER t_syms AFTER INSERT OR UPDATE OR DELETE ON syms FOR EACH ROW EXECUTE FUNCTION f_syms();
CREATE TABLE last_trade (sym int PRIMARY KEY, px float8);
INSERT INTO last_trade SELECT i, 0 FROM generate_series(1, 1000) AS i;
CREATE OR REPLACE FUNCTION f_last() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  UPDATE last_trade SET px = NEW.px WHERE sym = NEW.sym;
  RETURN NULL;
END $$;
CREATE TRIGGER t_last AFTER INSERT OR UPDATE ON ord FOR EACH ROW EXECUTE FUNCTION f_last();
