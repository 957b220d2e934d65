CREATE TABLE ord_sum (grp int PRIMARY KEY, cnt bigint NOT NULL, total float8 NOT NULL);
CREATE OR REPLACE FUNCTION f_agg_statement() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  INSERT INTO ord_sum AS s SELECT grp, count(*), sum(px * qty) FROM fresh GROUP BY grp
    ON CONFLICT (grp) DO UPDATE SET cnt = s.cnt + EXCLUDED.cnt, total = s.total + EXCLUDED.total;
  RETURN NULL;
END $$;
CREATE TRIGGER t_agg AFTER INSERT ON ord REFERENCING NEW TABLE AS fresh FOR EACH STATEMENT EXECUTE FUNCTION f_agg_statement();
CREATE TABLE ord_big (id bigint PRIMARY KEY, grp int, value float8);
CREATE OR REPLACE FUNCTION f_big_statement() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  INSERT INTO ord_big SELECT id, grp, px * qty FROM fresh WHERE qty > 50;
  RETURN NULL;
END $$;
CREATE TRIGGER t_big AFTER INSERT ON ord REFERENCING NEW TABLE AS fresh FOR EACH STATEMENT EXECUTE FUNCTION f_big_statement();
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
CREATE TABLE last_trade (sym int PRIMARY KEY, px float8);
INSERT INTO last_trade SELECT i, 0 FROM generate_series(1, 1000) AS i;
CREATE OR REPLACE FUNCTION f_last_statement() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  UPDATE last_trade SET px = newest.px FROM (SELECT DISTINCT ON (sym) sym, px FROM fresh ORDER BY sym, id DESC) AS newest
    WHERE last_trade.sym = newest.sym;
  RETURN NULL;
END $$;
CREATE TRIGGER t_last AFTER INSERT ON ord REFERENCING NEW TABLE AS fresh FOR EACH STATEMENT EXECUTE FUNCTION f_last_statement();
