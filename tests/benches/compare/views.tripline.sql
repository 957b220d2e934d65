-- All four derived kinds on one table.
CREATE TABLE ord_sum (grp int, cnt bigint, total float8);
CREATE TRIGGER t_agg OFTYPE AGGREGATE ON ord,ord_sum USE groupBys='grp=grp' selects='cnt=count(*),total=sum(px*qty)';
CREATE TABLE ord_big (id bigint, grp int, value float8);
CREATE TRIGGER t_big OFTYPE PROJECTION ON ord,ord_big USE wheres='qty>50' selects='id=id,grp=grp,value=px*qty';
CREATE TABLE syms (sym int PRIMARY KEY, name text);
INSERT INTO syms SELECT i, 'symbol ' || i FROM generate_series(1, 900) AS i;
CREATE TABLE ord_named (id bigint, sym int, name text, qty int);
CREATE TRIGGER t_named OFTYPE JOIN ON ord,syms,ord_named USE type='LEFT' on='ord.sym==syms.sym' selects='id=id,sym=ord.sym,name=name,qty=qty';
CREATE TABLE last_trade (sym int PRIMARY KEY, px float8);
INSERT INTO last_trade SELECT i, 0 FROM generate_series(1, 1000) AS i;
CREATE TRIGGER t_last OFTYPE DECORATE ON ord,last_trade USE on='ord.sym==last_trade.sym' selects='px=ord.px';
