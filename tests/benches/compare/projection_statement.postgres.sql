CREATE TABLE ord_big (id bigint PRIMARY KEY, grp int, value float8);
CREATE OR REPLACE FUNCTION f_big_statement() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  INSERT INTO ord_big SELECT id, grp, px * qty FROM fresh WHERE qty > 50;
  RETURN NULL;
END $$;
CREATE TRIGGER t_big AFTER INSERT ON ord REFERENCING NEW TABLE AS fresh FOR EACH STATEMENT EXECUTE FUNCTION f_big_statement();
