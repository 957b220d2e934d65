CREATE TABLE syms (sym int PRIMARY KEY, name text);
INSERT INTO syms SELECT i, 'symbol ' || i FROM generate_series(1, 900) AS i;
CREATE TABLE ord_named (id bigint, sym int, name text, qty int);
CREATE TRIGGER t_named OFTYPE JOIN ON ord,syms,ord_named USE type='LEFT' on='ord.sym==syms.sym' selects='id=id,sym=ord.sym,name=name,qty=qty';
