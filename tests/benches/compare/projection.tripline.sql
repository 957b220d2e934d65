CREATE TABLE ord_big (id bigint, grp int, value float8);
CREATE TRIGGER t_big OFTYPE PROJECTION ON ord,ord_big USE wheres='qty>50' selects='id=id,grp=grp,value=px*qty';
