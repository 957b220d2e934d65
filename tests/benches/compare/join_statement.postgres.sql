CREATE TABLE syms (sym int PRIMARY KEY, name text);
INSERT INTO syms SELECT i, 'symbol ' || i FROM generate_series(1, 900) AS i;
CREATE TABLE ord_named (id bigint PRIMARY KEY, sym int, name text, qty int);
CREATE INDEX ord_named_sym ON ord_named (sym);
CREATE OR REPLACE FUNCTION f_named_statement() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  INSERT INTO ord_named SELECT fresh.id, fresh.sym, syms.name, fresh.qty FROM fresh LEFT JOIN syms ON syms.sym = fresh.sym;
  RETURN NULL;
END $$;
CREATE TRIGGER t_named AFTER INSERT ON ord REFERENCING NEW TABLE AS fresh FOR EACH STATEMENT EXECUTE FUNCTION f_named_statement();
