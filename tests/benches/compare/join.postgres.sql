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
