-- What must be the same after a load: every object as the catalogs tell it, and every row.
\qecho constraints
SELECT (conrelid::regclass::text) COLLATE "C", conname, contype, condeferrable, condeferred, convalidated, pg_get_constraintdef(oid) FROM pg_constraint WHERE connamespace IN ('shop'::regnamespace, 'public'::regnamespace) ORDER BY 1, 2;
\qecho indexes
SELECT (indexrelid::regclass::text) COLLATE "C", indrelid::regclass, indisunique, indisprimary, indisexclusion, indimmediate, pg_get_indexdef(indexrelid) FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid WHERE relnamespace IN ('shop'::regnamespace, 'public'::regnamespace) ORDER BY 1;
\qecho columns
SELECT (attrelid::regclass::text) COLLATE "C", attname, format_type(atttypid, atttypmod), attnotnull, attidentity, attgenerated, attcollation, pg_get_expr(adbin, adrelid), col_description(attrelid, attnum) FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid LEFT JOIN pg_attrdef d ON adrelid = attrelid AND adnum = attnum WHERE relnamespace IN ('shop'::regnamespace, 'public'::regnamespace) AND relkind IN ('r', 'v', 'm', 'c') AND attnum > 0 AND NOT attisdropped ORDER BY 1, attname;
\qecho relations
SELECT (oid::regclass::text) COLLATE "C", relkind, relpersistence, relhasindex, pg_get_userbyid(relowner), relacl, obj_description(oid) FROM pg_class WHERE relnamespace IN ('shop'::regnamespace, 'public'::regnamespace) ORDER BY 1;
\qecho views
SELECT matviewname, ispopulated FROM pg_matviews WHERE schemaname = 'shop' ORDER BY 1;
\qecho sequences
SELECT (seqrelid::regclass::text) COLLATE "C", seqtypid::regtype, seqstart, seqincrement, seqmax, seqmin, seqcache, seqcycle FROM pg_sequence ORDER BY 1;
SELECT last_value, is_called FROM shop.ticket UNION ALL SELECT last_value, is_called FROM shop.customer_id_seq UNION ALL SELECT last_value, is_called FROM shop.orders_id_seq;
SELECT classid::regclass, (objid::regclass::text) COLLATE "C", refobjid::regclass, refobjsubid, deptype FROM pg_depend WHERE objid IN (SELECT seqrelid FROM pg_sequence) AND deptype IN ('a', 'i') ORDER BY 2;
\qecho types
SELECT (oid::regtype::text) COLLATE "C", typtype, format_type(typbasetype, typtypmod), typnotnull, typdefault, obj_description(oid, 'pg_type') FROM pg_type WHERE typnamespace = 'shop'::regnamespace AND typtype IN ('d', 'e', 'c') ORDER BY 1;
SELECT (enumtypid::regtype::text) COLLATE "C", enumsortorder, enumlabel FROM pg_enum ORDER BY 1, 2;
SELECT nspname, pg_get_userbyid(nspowner), nspacl, obj_description(oid) FROM pg_namespace WHERE nspname IN ('shop') ORDER BY 1;
SELECT conname, obj_description(oid, 'pg_constraint') FROM pg_constraint WHERE obj_description(oid, 'pg_constraint') IS NOT NULL;
\qecho data
SELECT * FROM shop.customer ORDER BY 1;
SELECT * FROM shop.product ORDER BY 1;
SELECT * FROM shop.orders ORDER BY 1;
SELECT * FROM shop.line ORDER BY 1, 2;
SELECT * FROM shop.booking ORDER BY 1, 2;
SELECT * FROM shop.totals; 
SELECT * FROM shop.recent ORDER BY 1;
SELECT * FROM shop.stock;
SELECT count(*), sum(a), sum(c) FROM plain;
\qecho functions
SELECT proname, pg_get_function_arguments(oid), pg_get_function_result(oid), provolatile, proisstrict, proretset, prosrc, pg_get_userbyid(proowner), obj_description(oid, 'pg_proc') FROM pg_proc WHERE pronamespace = 'shop'::regnamespace ORDER BY 1;
SELECT * FROM shop.prices ORDER BY 1;
SELECT * FROM shop.orders_of(1);
