CREATE TABLE ord_sum (grp int, cnt bigint, total float8);
CREATE TRIGGER t_agg OFTYPE AGGREGATE ON ord,ord_sum USE groupBys='grp=grp' selects='cnt=count(*),total=sum(px*qty)';
