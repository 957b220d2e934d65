-- The same on both servers; drops what an earlier case left.
DROP TABLE IF EXISTS ord CASCADE;
DROP TABLE IF EXISTS ord_sum CASCADE;
DROP TABLE IF EXISTS ord_big CASCADE;
DROP TABLE IF EXISTS ord_named CASCADE;
DROP TABLE IF EXISTS syms CASCADE;
DROP TABLE IF EXISTS last_trade CASCADE;
CREATE TABLE ord (id bigserial PRIMARY KEY, grp int NOT NULL, sym int NOT NULL, px float8 NOT NULL, qty int NOT NULL, val float8, note text);
