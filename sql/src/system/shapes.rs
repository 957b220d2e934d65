//! Names, OIDs and columns of the catalog relations, as PostgreSQL 15 has them (PG-130): types are OIDs of pg_type; the
//! domains of information_schema stand as their base types. What rows they hold is said in the neighbouring files.

use crate::types::Oid;

/// Name and columns of one catalog relation.
pub(super) struct Shape {
    /// OID.
    pub(super) oid: Oid,
    /// In information_schema rather than pg_catalog.
    pub(super) information_schema: bool,
    /// Name.
    pub(super) name: &'static str,
    /// A view.
    pub(super) view: bool,
    /// Column names and type OIDs.
    pub(super) columns: &'static [(&'static str, Oid)],
}

/// All of them, pg_catalog's first, by name.
#[rustfmt::skip]
pub(super) const SHAPES: &[Shape] = &[
    Shape { oid: 2600, information_schema: false, name: "pg_aggregate", view: false, columns: &[
        ("aggfnoid", 24), ("aggkind", 18), ("aggnumdirectargs", 21), ("aggtransfn", 24), ("aggfinalfn", 24),
        ("aggcombinefn", 24), ("aggserialfn", 24), ("aggdeserialfn", 24), ("aggmtransfn", 24), ("aggminvtransfn", 24),
        ("aggmfinalfn", 24), ("aggfinalextra", 16), ("aggmfinalextra", 16), ("aggfinalmodify", 18),
        ("aggmfinalmodify", 18), ("aggsortop", 26), ("aggtranstype", 26), ("aggtransspace", 23),
        ("aggmtranstype", 26), ("aggmtransspace", 23), ("agginitval", 25), ("aggminitval", 25),
    ] },
    Shape { oid: 2601, information_schema: false, name: "pg_am", view: false, columns: &[
        ("oid", 26), ("amname", 19), ("amhandler", 24), ("amtype", 18),
    ] },
    Shape { oid: 2602, information_schema: false, name: "pg_amop", view: false, columns: &[
        ("oid", 26), ("amopfamily", 26), ("amoplefttype", 26), ("amoprighttype", 26), ("amopstrategy", 21),
        ("amoppurpose", 18), ("amopopr", 26), ("amopmethod", 26), ("amopsortfamily", 26),
    ] },
    Shape { oid: 2603, information_schema: false, name: "pg_amproc", view: false, columns: &[
        ("oid", 26), ("amprocfamily", 26), ("amproclefttype", 26), ("amprocrighttype", 26), ("amprocnum", 21),
        ("amproc", 24),
    ] },
    Shape { oid: 2604, information_schema: false, name: "pg_attrdef", view: false, columns: &[
        ("oid", 26), ("adrelid", 26), ("adnum", 21), ("adbin", 194),
    ] },
    Shape { oid: 1249, information_schema: false, name: "pg_attribute", view: false, columns: &[
        ("attrelid", 26), ("attname", 19), ("atttypid", 26), ("attstattarget", 23), ("attlen", 21), ("attnum", 21),
        ("attndims", 23), ("attcacheoff", 23), ("atttypmod", 23), ("attbyval", 16), ("attalign", 18),
        ("attstorage", 18), ("attcompression", 18), ("attnotnull", 16), ("atthasdef", 16), ("atthasmissing", 16),
        ("attidentity", 18), ("attgenerated", 18), ("attisdropped", 16), ("attislocal", 16), ("attinhcount", 23),
        ("attcollation", 26), ("attacl", 1034), ("attoptions", 1009), ("attfdwoptions", 1009),
        ("attmissingval", 2277),
    ] },
    Shape { oid: 1261, information_schema: false, name: "pg_auth_members", view: false, columns: &[
        ("roleid", 26), ("member", 26), ("grantor", 26), ("admin_option", 16),
    ] },
    Shape { oid: 1260, information_schema: false, name: "pg_authid", view: false, columns: &[
        ("oid", 26), ("rolname", 19), ("rolsuper", 16), ("rolinherit", 16), ("rolcreaterole", 16),
        ("rolcreatedb", 16), ("rolcanlogin", 16), ("rolreplication", 16), ("rolbypassrls", 16), ("rolconnlimit", 23),
        ("rolpassword", 25), ("rolvaliduntil", 1184),
    ] },
    Shape { oid: 12085, information_schema: false, name: "pg_available_extension_versions", view: true, columns: &[
        ("name", 19), ("version", 25), ("installed", 16), ("superuser", 16), ("trusted", 16), ("relocatable", 16),
        ("schema", 19), ("requires", 1003), ("comment", 25),
    ] },
    Shape { oid: 12081, information_schema: false, name: "pg_available_extensions", view: true, columns: &[
        ("name", 19), ("default_version", 25), ("installed_version", 25), ("comment", 25),
    ] },
    Shape { oid: 2605, information_schema: false, name: "pg_cast", view: false, columns: &[
        ("oid", 26), ("castsource", 26), ("casttarget", 26), ("castfunc", 26), ("castcontext", 18),
        ("castmethod", 18),
    ] },
    Shape { oid: 1259, information_schema: false, name: "pg_class", view: false, columns: &[
        ("oid", 26), ("relname", 19), ("relnamespace", 26), ("reltype", 26), ("reloftype", 26), ("relowner", 26),
        ("relam", 26), ("relfilenode", 26), ("reltablespace", 26), ("relpages", 23), ("reltuples", 700),
        ("relallvisible", 23), ("reltoastrelid", 26), ("relhasindex", 16), ("relisshared", 16),
        ("relpersistence", 18), ("relkind", 18), ("relnatts", 21), ("relchecks", 21), ("relhasrules", 16),
        ("relhastriggers", 16), ("relhassubclass", 16), ("relrowsecurity", 16), ("relforcerowsecurity", 16),
        ("relispopulated", 16), ("relreplident", 18), ("relispartition", 16), ("relrewrite", 26),
        ("relfrozenxid", 28), ("relminmxid", 28), ("relacl", 1034), ("reloptions", 1009), ("relpartbound", 194),
    ] },
    Shape { oid: 3456, information_schema: false, name: "pg_collation", view: false, columns: &[
        ("oid", 26), ("collname", 19), ("collnamespace", 26), ("collowner", 26), ("collprovider", 18),
        ("collisdeterministic", 16), ("collencoding", 23), ("collcollate", 25), ("collctype", 25),
        ("colliculocale", 25), ("collversion", 25),
    ] },
    Shape { oid: 2606, information_schema: false, name: "pg_constraint", view: false, columns: &[
        ("oid", 26), ("conname", 19), ("connamespace", 26), ("contype", 18), ("condeferrable", 16),
        ("condeferred", 16), ("convalidated", 16), ("conrelid", 26), ("contypid", 26), ("conindid", 26),
        ("conparentid", 26), ("confrelid", 26), ("confupdtype", 18), ("confdeltype", 18), ("confmatchtype", 18),
        ("conislocal", 16), ("coninhcount", 23), ("connoinherit", 16), ("conkey", 1005), ("confkey", 1005),
        ("conpfeqop", 1028), ("conppeqop", 1028), ("conffeqop", 1028), ("confdelsetcols", 1005), ("conexclop", 1028),
        ("conbin", 194),
    ] },
    Shape { oid: 2607, information_schema: false, name: "pg_conversion", view: false, columns: &[
        ("oid", 26), ("conname", 19), ("connamespace", 26), ("conowner", 26), ("conforencoding", 23),
        ("contoencoding", 23), ("conproc", 24), ("condefault", 16),
    ] },
    Shape { oid: 12077, information_schema: false, name: "pg_cursors", view: true, columns: &[
        ("name", 25), ("statement", 25), ("is_holdable", 16), ("is_binary", 16), ("is_scrollable", 16),
        ("creation_time", 1184),
    ] },
    Shape { oid: 1262, information_schema: false, name: "pg_database", view: false, columns: &[
        ("oid", 26), ("datname", 19), ("datdba", 26), ("encoding", 23), ("datlocprovider", 18), ("datistemplate", 16),
        ("datallowconn", 16), ("datconnlimit", 23), ("datfrozenxid", 28), ("datminmxid", 28), ("dattablespace", 26),
        ("datcollate", 25), ("datctype", 25), ("daticulocale", 25), ("datcollversion", 25), ("datacl", 1034),
    ] },
    Shape { oid: 2964, information_schema: false, name: "pg_db_role_setting", view: false, columns: &[
        ("setdatabase", 26), ("setrole", 26), ("setconfig", 1009),
    ] },
    Shape { oid: 826, information_schema: false, name: "pg_default_acl", view: false, columns: &[
        ("oid", 26), ("defaclrole", 26), ("defaclnamespace", 26), ("defaclobjtype", 18), ("defaclacl", 1034),
    ] },
    Shape { oid: 2608, information_schema: false, name: "pg_depend", view: false, columns: &[
        ("classid", 26), ("objid", 26), ("objsubid", 23), ("refclassid", 26), ("refobjid", 26), ("refobjsubid", 23),
        ("deptype", 18),
    ] },
    Shape { oid: 2609, information_schema: false, name: "pg_description", view: false, columns: &[
        ("objoid", 26), ("classoid", 26), ("objsubid", 23), ("description", 25),
    ] },
    Shape { oid: 3501, information_schema: false, name: "pg_enum", view: false, columns: &[
        ("oid", 26), ("enumtypid", 26), ("enumsortorder", 700), ("enumlabel", 19),
    ] },
    Shape { oid: 3466, information_schema: false, name: "pg_event_trigger", view: false, columns: &[
        ("oid", 26), ("evtname", 19), ("evtevent", 19), ("evtowner", 26), ("evtfoid", 26), ("evtenabled", 18),
        ("evttags", 1009),
    ] },
    Shape { oid: 3079, information_schema: false, name: "pg_extension", view: false, columns: &[
        ("oid", 26), ("extname", 19), ("extowner", 26), ("extnamespace", 26), ("extrelocatable", 16),
        ("extversion", 25), ("extconfig", 1028), ("extcondition", 1009),
    ] },
    Shape { oid: 2328, information_schema: false, name: "pg_foreign_data_wrapper", view: false, columns: &[
        ("oid", 26), ("fdwname", 19), ("fdwowner", 26), ("fdwhandler", 26), ("fdwvalidator", 26), ("fdwacl", 1034),
        ("fdwoptions", 1009),
    ] },
    Shape { oid: 1417, information_schema: false, name: "pg_foreign_server", view: false, columns: &[
        ("oid", 26), ("srvname", 19), ("srvowner", 26), ("srvfdw", 26), ("srvtype", 25), ("srvversion", 25),
        ("srvacl", 1034), ("srvoptions", 1009),
    ] },
    Shape { oid: 3118, information_schema: false, name: "pg_foreign_table", view: false, columns: &[
        ("ftrelid", 26), ("ftserver", 26), ("ftoptions", 1009),
    ] },
    Shape { oid: 12010, information_schema: false, name: "pg_group", view: true, columns: &[
        ("groname", 19), ("grosysid", 26), ("grolist", 1028),
    ] },
    Shape { oid: 2610, information_schema: false, name: "pg_index", view: false, columns: &[
        ("indexrelid", 26), ("indrelid", 26), ("indnatts", 21), ("indnkeyatts", 21), ("indisunique", 16),
        ("indnullsnotdistinct", 16), ("indisprimary", 16), ("indisexclusion", 16), ("indimmediate", 16),
        ("indisclustered", 16), ("indisvalid", 16), ("indcheckxmin", 16), ("indisready", 16), ("indislive", 16),
        ("indisreplident", 16), ("indkey", 22), ("indcollation", 30), ("indclass", 30), ("indoption", 22),
        ("indexprs", 194), ("indpred", 194),
    ] },
    Shape { oid: 12043, information_schema: false, name: "pg_indexes", view: true, columns: &[
        ("schemaname", 19), ("tablename", 19), ("indexname", 19), ("tablespace", 19), ("indexdef", 25),
    ] },
    Shape { oid: 2611, information_schema: false, name: "pg_inherits", view: false, columns: &[
        ("inhrelid", 26), ("inhparent", 26), ("inhseqno", 23), ("inhdetachpending", 16),
    ] },
    Shape { oid: 3394, information_schema: false, name: "pg_init_privs", view: false, columns: &[
        ("objoid", 26), ("classoid", 26), ("objsubid", 23), ("privtype", 18), ("initprivs", 1034),
    ] },
    Shape { oid: 2612, information_schema: false, name: "pg_language", view: false, columns: &[
        ("oid", 26), ("lanname", 19), ("lanowner", 26), ("lanispl", 16), ("lanpltrusted", 16), ("lanplcallfoid", 26),
        ("laninline", 26), ("lanvalidator", 26), ("lanacl", 1034),
    ] },
    Shape { oid: 2995, information_schema: false, name: "pg_largeobject_metadata", view: false, columns: &[
        ("oid", 26), ("lomowner", 26), ("lomacl", 1034),
    ] },
    Shape { oid: 12073, information_schema: false, name: "pg_locks", view: true, columns: &[
        ("locktype", 25), ("database", 26), ("relation", 26), ("page", 23), ("tuple", 21), ("virtualxid", 25),
        ("transactionid", 28), ("classid", 26), ("objid", 26), ("objsubid", 21), ("virtualtransaction", 25),
        ("pid", 23), ("mode", 25), ("granted", 16), ("fastpath", 16), ("waitstart", 1184),
    ] },
    Shape { oid: 12038, information_schema: false, name: "pg_matviews", view: true, columns: &[
        ("schemaname", 19), ("matviewname", 19), ("matviewowner", 19), ("tablespace", 19), ("hasindexes", 16),
        ("ispopulated", 16), ("definition", 25),
    ] },
    Shape { oid: 2615, information_schema: false, name: "pg_namespace", view: false, columns: &[
        ("oid", 26), ("nspname", 19), ("nspowner", 26), ("nspacl", 1034),
    ] },
    Shape { oid: 2616, information_schema: false, name: "pg_opclass", view: false, columns: &[
        ("oid", 26), ("opcmethod", 26), ("opcname", 19), ("opcnamespace", 26), ("opcowner", 26), ("opcfamily", 26),
        ("opcintype", 26), ("opcdefault", 16), ("opckeytype", 26),
    ] },
    Shape { oid: 2617, information_schema: false, name: "pg_operator", view: false, columns: &[
        ("oid", 26), ("oprname", 19), ("oprnamespace", 26), ("oprowner", 26), ("oprkind", 18), ("oprcanmerge", 16),
        ("oprcanhash", 16), ("oprleft", 26), ("oprright", 26), ("oprresult", 26), ("oprcom", 26), ("oprnegate", 26),
        ("oprcode", 24), ("oprrest", 24), ("oprjoin", 24),
    ] },
    Shape { oid: 2753, information_schema: false, name: "pg_opfamily", view: false, columns: &[
        ("oid", 26), ("opfmethod", 26), ("opfname", 19), ("opfnamespace", 26), ("opfowner", 26),
    ] },
    Shape { oid: 6243, information_schema: false, name: "pg_parameter_acl", view: false, columns: &[
        ("oid", 26), ("parname", 25), ("paracl", 1034),
    ] },
    Shape { oid: 3350, information_schema: false, name: "pg_partitioned_table", view: false, columns: &[
        ("partrelid", 26), ("partstrat", 18), ("partnatts", 21), ("partdefid", 26), ("partattrs", 22),
        ("partclass", 30), ("partcollation", 30), ("partexprs", 194),
    ] },
    Shape { oid: 12018, information_schema: false, name: "pg_policies", view: true, columns: &[
        ("schemaname", 19), ("tablename", 19), ("policyname", 19), ("permissive", 25), ("roles", 1003), ("cmd", 25),
        ("qual", 25), ("with_check", 25),
    ] },
    Shape { oid: 3256, information_schema: false, name: "pg_policy", view: false, columns: &[
        ("oid", 26), ("polname", 19), ("polrelid", 26), ("polcmd", 18), ("polpermissive", 16), ("polroles", 1028),
        ("polqual", 194), ("polwithcheck", 194),
    ] },
    Shape { oid: 12095, information_schema: false, name: "pg_prepared_statements", view: true, columns: &[
        ("name", 25), ("statement", 25), ("prepare_time", 1184), ("parameter_types", 2211), ("from_sql", 16),
        ("generic_plans", 20), ("custom_plans", 20),
    ] },
    Shape { oid: 12090, information_schema: false, name: "pg_prepared_xacts", view: true, columns: &[
        ("transaction", 28), ("gid", 25), ("prepared", 1184), ("owner", 19), ("database", 19),
    ] },
    Shape { oid: 1255, information_schema: false, name: "pg_proc", view: false, columns: &[
        ("oid", 26), ("proname", 19), ("pronamespace", 26), ("proowner", 26), ("prolang", 26), ("procost", 700),
        ("prorows", 700), ("provariadic", 26), ("prosupport", 24), ("prokind", 18), ("prosecdef", 16),
        ("proleakproof", 16), ("proisstrict", 16), ("proretset", 16), ("provolatile", 18), ("proparallel", 18),
        ("pronargs", 21), ("pronargdefaults", 21), ("prorettype", 26), ("proargtypes", 30), ("proallargtypes", 1028),
        ("proargmodes", 1002), ("proargnames", 1009), ("proargdefaults", 194), ("protrftypes", 1028), ("prosrc", 25),
        ("probin", 25), ("prosqlbody", 194), ("proconfig", 1009), ("proacl", 1034),
    ] },
    Shape { oid: 6104, information_schema: false, name: "pg_publication", view: false, columns: &[
        ("oid", 26), ("pubname", 19), ("pubowner", 26), ("puballtables", 16), ("pubinsert", 16), ("pubupdate", 16),
        ("pubdelete", 16), ("pubtruncate", 16), ("pubviaroot", 16),
    ] },
    Shape { oid: 6237, information_schema: false, name: "pg_publication_namespace", view: false, columns: &[
        ("oid", 26), ("pnpubid", 26), ("pnnspid", 26),
    ] },
    Shape { oid: 6106, information_schema: false, name: "pg_publication_rel", view: false, columns: &[
        ("oid", 26), ("prpubid", 26), ("prrelid", 26), ("prqual", 194), ("prattrs", 22),
    ] },
    Shape { oid: 12068, information_schema: false, name: "pg_publication_tables", view: true, columns: &[
        ("pubname", 19), ("schemaname", 19), ("tablename", 19), ("attnames", 1003), ("rowfilter", 25),
    ] },
    Shape { oid: 3541, information_schema: false, name: "pg_range", view: false, columns: &[
        ("rngtypid", 26), ("rngsubtype", 26), ("rngmultitypid", 26), ("rngcollation", 26), ("rngsubopc", 26),
        ("rngcanonical", 24), ("rngsubdiff", 24),
    ] },
    Shape { oid: 6000, information_schema: false, name: "pg_replication_origin", view: false, columns: &[
        ("roident", 26), ("roname", 25),
    ] },
    Shape { oid: 12332, information_schema: false, name: "pg_replication_origin_status", view: true, columns: &[
        ("local_id", 26), ("external_id", 25), ("remote_lsn", 3220), ("local_lsn", 3220),
    ] },
    Shape { oid: 12257, information_schema: false, name: "pg_replication_slots", view: true, columns: &[
        ("slot_name", 19), ("plugin", 19), ("slot_type", 25), ("datoid", 26), ("database", 19), ("temporary", 16),
        ("active", 16), ("active_pid", 23), ("xmin", 28), ("catalog_xmin", 28), ("restart_lsn", 3220),
        ("confirmed_flush_lsn", 3220), ("wal_status", 25), ("safe_wal_size", 20), ("two_phase", 16),
    ] },
    Shape { oid: 2618, information_schema: false, name: "pg_rewrite", view: false, columns: &[
        ("oid", 26), ("rulename", 19), ("ev_class", 26), ("ev_type", 18), ("ev_enabled", 18), ("is_instead", 16),
        ("ev_qual", 194), ("ev_action", 194),
    ] },
    Shape { oid: 12000, information_schema: false, name: "pg_roles", view: true, columns: &[
        ("rolname", 19), ("rolsuper", 16), ("rolinherit", 16), ("rolcreaterole", 16), ("rolcreatedb", 16),
        ("rolcanlogin", 16), ("rolreplication", 16), ("rolconnlimit", 23), ("rolpassword", 25),
        ("rolvaliduntil", 1184), ("rolbypassrls", 16), ("rolconfig", 1009), ("oid", 26),
    ] },
    Shape { oid: 12023, information_schema: false, name: "pg_rules", view: true, columns: &[
        ("schemaname", 19), ("tablename", 19), ("rulename", 19), ("definition", 25),
    ] },
    Shape { oid: 3596, information_schema: false, name: "pg_seclabel", view: false, columns: &[
        ("objoid", 26), ("classoid", 26), ("objsubid", 23), ("provider", 25), ("label", 25),
    ] },
    Shape { oid: 12099, information_schema: false, name: "pg_seclabels", view: true, columns: &[
        ("objoid", 26), ("classoid", 26), ("objsubid", 23), ("objtype", 25), ("objnamespace", 26), ("objname", 25),
        ("provider", 25), ("label", 25),
    ] },
    Shape { oid: 2224, information_schema: false, name: "pg_sequence", view: false, columns: &[
        ("seqrelid", 26), ("seqtypid", 26), ("seqstart", 20), ("seqincrement", 20), ("seqmax", 20), ("seqmin", 20),
        ("seqcache", 20), ("seqcycle", 16),
    ] },
    Shape { oid: 12048, information_schema: false, name: "pg_sequences", view: true, columns: &[
        ("schemaname", 19), ("sequencename", 19), ("sequenceowner", 19), ("data_type", 2206), ("start_value", 20),
        ("min_value", 20), ("max_value", 20), ("increment_by", 20), ("cycle", 16), ("cache_size", 20),
        ("last_value", 20),
    ] },
    Shape { oid: 12104, information_schema: false, name: "pg_settings", view: true, columns: &[
        ("name", 25), ("setting", 25), ("unit", 25), ("category", 25), ("short_desc", 25), ("extra_desc", 25),
        ("context", 25), ("vartype", 25), ("source", 25), ("min_val", 25), ("max_val", 25), ("enumvals", 1009),
        ("boot_val", 25), ("reset_val", 25), ("sourcefile", 25), ("sourceline", 23), ("pending_restart", 16),
    ] },
    Shape { oid: 12005, information_schema: false, name: "pg_shadow", view: true, columns: &[
        ("usename", 19), ("usesysid", 26), ("usecreatedb", 16), ("usesuper", 16), ("userepl", 16),
        ("usebypassrls", 16), ("passwd", 25), ("valuntil", 1184), ("useconfig", 1009),
    ] },
    Shape { oid: 1214, information_schema: false, name: "pg_shdepend", view: false, columns: &[
        ("dbid", 26), ("classid", 26), ("objid", 26), ("objsubid", 23), ("refclassid", 26), ("refobjid", 26),
        ("deptype", 18),
    ] },
    Shape { oid: 2396, information_schema: false, name: "pg_shdescription", view: false, columns: &[
        ("objoid", 26), ("classoid", 26), ("description", 25),
    ] },
    Shape { oid: 3592, information_schema: false, name: "pg_shseclabel", view: false, columns: &[
        ("objoid", 26), ("classoid", 26), ("provider", 25), ("label", 25),
    ] },
    Shape { oid: 12222, information_schema: false, name: "pg_stat_activity", view: true, columns: &[
        ("datid", 26), ("datname", 19), ("pid", 23), ("leader_pid", 23), ("usesysid", 26), ("usename", 19),
        ("application_name", 25), ("client_addr", 869), ("client_hostname", 25), ("client_port", 23),
        ("backend_start", 1184), ("xact_start", 1184), ("query_start", 1184), ("state_change", 1184),
        ("wait_event_type", 25), ("wait_event", 25), ("state", 25), ("backend_xid", 28), ("backend_xmin", 28),
        ("query_id", 20), ("query", 25), ("backend_type", 25),
    ] },
    Shape { oid: 12183, information_schema: false, name: "pg_stat_all_indexes", view: true, columns: &[
        ("relid", 26), ("indexrelid", 26), ("schemaname", 19), ("relname", 19), ("indexrelname", 19),
        ("idx_scan", 20), ("idx_tup_read", 20), ("idx_tup_fetch", 20),
    ] },
    Shape { oid: 12142, information_schema: false, name: "pg_stat_all_tables", view: true, columns: &[
        ("relid", 26), ("schemaname", 19), ("relname", 19), ("seq_scan", 20), ("seq_tup_read", 20), ("idx_scan", 20),
        ("idx_tup_fetch", 20), ("n_tup_ins", 20), ("n_tup_upd", 20), ("n_tup_del", 20), ("n_tup_hot_upd", 20),
        ("n_live_tup", 20), ("n_dead_tup", 20), ("n_mod_since_analyze", 20), ("n_ins_since_vacuum", 20),
        ("last_vacuum", 1184), ("last_autovacuum", 1184), ("last_analyze", 1184), ("last_autoanalyze", 1184),
        ("vacuum_count", 20), ("autovacuum_count", 20), ("analyze_count", 20), ("autoanalyze_count", 20),
    ] },
    Shape { oid: 12285, information_schema: false, name: "pg_stat_archiver", view: true, columns: &[
        ("archived_count", 20), ("last_archived_wal", 25), ("last_archived_time", 1184), ("failed_count", 20),
        ("last_failed_wal", 25), ("last_failed_time", 1184), ("stats_reset", 1184),
    ] },
    Shape { oid: 12289, information_schema: false, name: "pg_stat_bgwriter", view: true, columns: &[
        ("checkpoints_timed", 20), ("checkpoints_req", 20), ("checkpoint_write_time", 701),
        ("checkpoint_sync_time", 701), ("buffers_checkpoint", 20), ("buffers_clean", 20), ("maxwritten_clean", 20),
        ("buffers_backend", 20), ("buffers_backend_fsync", 20), ("buffers_alloc", 20), ("stats_reset", 1184),
    ] },
    Shape { oid: 12266, information_schema: false, name: "pg_stat_database", view: true, columns: &[
        ("datid", 26), ("datname", 19), ("numbackends", 23), ("xact_commit", 20), ("xact_rollback", 20),
        ("blks_read", 20), ("blks_hit", 20), ("tup_returned", 20), ("tup_fetched", 20), ("tup_inserted", 20),
        ("tup_updated", 20), ("tup_deleted", 20), ("conflicts", 20), ("temp_files", 20), ("temp_bytes", 20),
        ("deadlocks", 20), ("checksum_failures", 20), ("checksum_last_failure", 1184), ("blk_read_time", 701),
        ("blk_write_time", 701), ("session_time", 701), ("active_time", 701), ("idle_in_transaction_time", 701),
        ("sessions", 20), ("sessions_abandoned", 20), ("sessions_fatal", 20), ("sessions_killed", 20),
        ("stats_reset", 1184),
    ] },
    Shape { oid: 12271, information_schema: false, name: "pg_stat_database_conflicts", view: true, columns: &[
        ("datid", 26), ("datname", 19), ("confl_tablespace", 20), ("confl_lock", 20), ("confl_snapshot", 20),
        ("confl_bufferpin", 20), ("confl_deadlock", 20),
    ] },
    Shape { oid: 12253, information_schema: false, name: "pg_stat_gssapi", view: true, columns: &[
        ("pid", 23), ("gss_authenticated", 16), ("principal", 25), ("encrypted", 16),
    ] },
    Shape { oid: 12240, information_schema: false, name: "pg_stat_recovery_prefetch", view: true, columns: &[
        ("stats_reset", 1184), ("prefetch", 20), ("hit", 20), ("skip_init", 20), ("skip_new", 20), ("skip_fpw", 20),
        ("skip_rep", 20), ("wal_distance", 23), ("block_distance", 23), ("io_depth", 23),
    ] },
    Shape { oid: 12227, information_schema: false, name: "pg_stat_replication", view: true, columns: &[
        ("pid", 23), ("usesysid", 26), ("usename", 19), ("application_name", 25), ("client_addr", 869),
        ("client_hostname", 25), ("client_port", 23), ("backend_start", 1184), ("backend_xmin", 28), ("state", 25),
        ("sent_lsn", 3220), ("write_lsn", 3220), ("flush_lsn", 3220), ("replay_lsn", 3220), ("write_lag", 1186),
        ("flush_lag", 1186), ("replay_lag", 1186), ("sync_priority", 23), ("sync_state", 25), ("reply_time", 1184),
    ] },
    Shape { oid: 12262, information_schema: false, name: "pg_stat_replication_slots", view: true, columns: &[
        ("slot_name", 25), ("spill_txns", 20), ("spill_count", 20), ("spill_bytes", 20), ("stream_txns", 20),
        ("stream_count", 20), ("stream_bytes", 20), ("total_txns", 20), ("total_bytes", 20), ("stats_reset", 1184),
    ] },
    Shape { oid: 12232, information_schema: false, name: "pg_stat_slru", view: true, columns: &[
        ("name", 25), ("blks_zeroed", 20), ("blks_hit", 20), ("blks_read", 20), ("blks_written", 20),
        ("blks_exists", 20), ("flushes", 20), ("truncates", 20), ("stats_reset", 1184),
    ] },
    Shape { oid: 12249, information_schema: false, name: "pg_stat_ssl", view: true, columns: &[
        ("pid", 23), ("ssl", 16), ("version", 25), ("cipher", 25), ("bits", 23), ("client_dn", 25),
        ("client_serial", 1700), ("issuer_dn", 25),
    ] },
    Shape { oid: 12244, information_schema: false, name: "pg_stat_subscription", view: true, columns: &[
        ("subid", 26), ("subname", 19), ("pid", 23), ("relid", 26), ("received_lsn", 3220),
        ("last_msg_send_time", 1184), ("last_msg_receipt_time", 1184), ("latest_end_lsn", 3220),
        ("latest_end_time", 1184),
    ] },
    Shape { oid: 12336, information_schema: false, name: "pg_stat_subscription_stats", view: true, columns: &[
        ("subid", 26), ("subname", 19), ("apply_error_count", 20), ("sync_error_count", 20), ("stats_reset", 1184),
    ] },
    Shape { oid: 12188, information_schema: false, name: "pg_stat_sys_indexes", view: true, columns: &[
        ("relid", 26), ("indexrelid", 26), ("schemaname", 19), ("relname", 19), ("indexrelname", 19),
        ("idx_scan", 20), ("idx_tup_read", 20), ("idx_tup_fetch", 20),
    ] },
    Shape { oid: 12152, information_schema: false, name: "pg_stat_sys_tables", view: true, columns: &[
        ("relid", 26), ("schemaname", 19), ("relname", 19), ("seq_scan", 20), ("seq_tup_read", 20), ("idx_scan", 20),
        ("idx_tup_fetch", 20), ("n_tup_ins", 20), ("n_tup_upd", 20), ("n_tup_del", 20), ("n_tup_hot_upd", 20),
        ("n_live_tup", 20), ("n_dead_tup", 20), ("n_mod_since_analyze", 20), ("n_ins_since_vacuum", 20),
        ("last_vacuum", 1184), ("last_autovacuum", 1184), ("last_analyze", 1184), ("last_autoanalyze", 1184),
        ("vacuum_count", 20), ("autovacuum_count", 20), ("analyze_count", 20), ("autoanalyze_count", 20),
    ] },
    Shape { oid: 12275, information_schema: false, name: "pg_stat_user_functions", view: true, columns: &[
        ("funcid", 26), ("schemaname", 19), ("funcname", 19), ("calls", 20), ("total_time", 701), ("self_time", 701),
    ] },
    Shape { oid: 12192, information_schema: false, name: "pg_stat_user_indexes", view: true, columns: &[
        ("relid", 26), ("indexrelid", 26), ("schemaname", 19), ("relname", 19), ("indexrelname", 19),
        ("idx_scan", 20), ("idx_tup_read", 20), ("idx_tup_fetch", 20),
    ] },
    Shape { oid: 12161, information_schema: false, name: "pg_stat_user_tables", view: true, columns: &[
        ("relid", 26), ("schemaname", 19), ("relname", 19), ("seq_scan", 20), ("seq_tup_read", 20), ("idx_scan", 20),
        ("idx_tup_fetch", 20), ("n_tup_ins", 20), ("n_tup_upd", 20), ("n_tup_del", 20), ("n_tup_hot_upd", 20),
        ("n_live_tup", 20), ("n_dead_tup", 20), ("n_mod_since_analyze", 20), ("n_ins_since_vacuum", 20),
        ("last_vacuum", 1184), ("last_autovacuum", 1184), ("last_analyze", 1184), ("last_autoanalyze", 1184),
        ("vacuum_count", 20), ("autovacuum_count", 20), ("analyze_count", 20), ("autoanalyze_count", 20),
    ] },
    Shape { oid: 12293, information_schema: false, name: "pg_stat_wal", view: true, columns: &[
        ("wal_records", 20), ("wal_fpi", 20), ("wal_bytes", 1700), ("wal_buffers_full", 20), ("wal_write", 20),
        ("wal_sync", 20), ("wal_write_time", 701), ("wal_sync_time", 701), ("stats_reset", 1184),
    ] },
    Shape { oid: 12236, information_schema: false, name: "pg_stat_wal_receiver", view: true, columns: &[
        ("pid", 23), ("status", 25), ("receive_start_lsn", 3220), ("receive_start_tli", 23), ("written_lsn", 3220),
        ("flushed_lsn", 3220), ("received_tli", 23), ("last_msg_send_time", 1184), ("last_msg_receipt_time", 1184),
        ("latest_end_lsn", 3220), ("latest_end_time", 1184), ("slot_name", 25), ("sender_host", 25),
        ("sender_port", 23), ("conninfo", 25),
    ] },
    Shape { oid: 12196, information_schema: false, name: "pg_statio_all_indexes", view: true, columns: &[
        ("relid", 26), ("indexrelid", 26), ("schemaname", 19), ("relname", 19), ("indexrelname", 19),
        ("idx_blks_read", 20), ("idx_blks_hit", 20),
    ] },
    Shape { oid: 12209, information_schema: false, name: "pg_statio_all_sequences", view: true, columns: &[
        ("relid", 26), ("schemaname", 19), ("relname", 19), ("blks_read", 20), ("blks_hit", 20),
    ] },
    Shape { oid: 12170, information_schema: false, name: "pg_statio_all_tables", view: true, columns: &[
        ("relid", 26), ("schemaname", 19), ("relname", 19), ("heap_blks_read", 20), ("heap_blks_hit", 20),
        ("idx_blks_read", 20), ("idx_blks_hit", 20), ("toast_blks_read", 20), ("toast_blks_hit", 20),
        ("tidx_blks_read", 20), ("tidx_blks_hit", 20),
    ] },
    Shape { oid: 12201, information_schema: false, name: "pg_statio_sys_indexes", view: true, columns: &[
        ("relid", 26), ("indexrelid", 26), ("schemaname", 19), ("relname", 19), ("indexrelname", 19),
        ("idx_blks_read", 20), ("idx_blks_hit", 20),
    ] },
    Shape { oid: 12214, information_schema: false, name: "pg_statio_sys_sequences", view: true, columns: &[
        ("relid", 26), ("schemaname", 19), ("relname", 19), ("blks_read", 20), ("blks_hit", 20),
    ] },
    Shape { oid: 12175, information_schema: false, name: "pg_statio_sys_tables", view: true, columns: &[
        ("relid", 26), ("schemaname", 19), ("relname", 19), ("heap_blks_read", 20), ("heap_blks_hit", 20),
        ("idx_blks_read", 20), ("idx_blks_hit", 20), ("toast_blks_read", 20), ("toast_blks_hit", 20),
        ("tidx_blks_read", 20), ("tidx_blks_hit", 20),
    ] },
    Shape { oid: 12205, information_schema: false, name: "pg_statio_user_indexes", view: true, columns: &[
        ("relid", 26), ("indexrelid", 26), ("schemaname", 19), ("relname", 19), ("indexrelname", 19),
        ("idx_blks_read", 20), ("idx_blks_hit", 20),
    ] },
    Shape { oid: 12218, information_schema: false, name: "pg_statio_user_sequences", view: true, columns: &[
        ("relid", 26), ("schemaname", 19), ("relname", 19), ("blks_read", 20), ("blks_hit", 20),
    ] },
    Shape { oid: 12179, information_schema: false, name: "pg_statio_user_tables", view: true, columns: &[
        ("relid", 26), ("schemaname", 19), ("relname", 19), ("heap_blks_read", 20), ("heap_blks_hit", 20),
        ("idx_blks_read", 20), ("idx_blks_hit", 20), ("toast_blks_read", 20), ("toast_blks_hit", 20),
        ("tidx_blks_read", 20), ("tidx_blks_hit", 20),
    ] },
    Shape { oid: 3381, information_schema: false, name: "pg_statistic_ext", view: false, columns: &[
        ("oid", 26), ("stxrelid", 26), ("stxname", 19), ("stxnamespace", 26), ("stxowner", 26), ("stxstattarget", 23),
        ("stxkeys", 22), ("stxkind", 1002), ("stxexprs", 194),
    ] },
    Shape { oid: 12053, information_schema: false, name: "pg_stats", view: true, columns: &[
        ("schemaname", 19), ("tablename", 19), ("attname", 19), ("inherited", 16), ("null_frac", 700),
        ("avg_width", 23), ("n_distinct", 700), ("most_common_vals", 2277), ("most_common_freqs", 1021),
        ("histogram_bounds", 2277), ("correlation", 700), ("most_common_elems", 2277),
        ("most_common_elem_freqs", 1021), ("elem_count_histogram", 1021),
    ] },
    Shape { oid: 6100, information_schema: false, name: "pg_subscription", view: false, columns: &[
        ("oid", 26), ("subdbid", 26), ("subskiplsn", 3220), ("subname", 19), ("subowner", 26), ("subenabled", 16),
        ("subbinary", 16), ("substream", 16), ("subtwophasestate", 18), ("subdisableonerr", 16), ("subconninfo", 25),
        ("subslotname", 19), ("subsynccommit", 25), ("subpublications", 1009),
    ] },
    Shape { oid: 6102, information_schema: false, name: "pg_subscription_rel", view: false, columns: &[
        ("srsubid", 26), ("srrelid", 26), ("srsubstate", 18), ("srsublsn", 3220),
    ] },
    Shape { oid: 12033, information_schema: false, name: "pg_tables", view: true, columns: &[
        ("schemaname", 19), ("tablename", 19), ("tableowner", 19), ("tablespace", 19), ("hasindexes", 16),
        ("hasrules", 16), ("hastriggers", 16), ("rowsecurity", 16),
    ] },
    Shape { oid: 1213, information_schema: false, name: "pg_tablespace", view: false, columns: &[
        ("oid", 26), ("spcname", 19), ("spcowner", 26), ("spcacl", 1034), ("spcoptions", 1009),
    ] },
    Shape { oid: 12122, information_schema: false, name: "pg_timezone_abbrevs", view: true, columns: &[
        ("abbrev", 25), ("utc_offset", 1186), ("is_dst", 16),
    ] },
    Shape { oid: 12126, information_schema: false, name: "pg_timezone_names", view: true, columns: &[
        ("name", 25), ("abbrev", 25), ("utc_offset", 1186), ("is_dst", 16),
    ] },
    Shape { oid: 3576, information_schema: false, name: "pg_transform", view: false, columns: &[
        ("oid", 26), ("trftype", 26), ("trflang", 26), ("trffromsql", 24), ("trftosql", 24),
    ] },
    Shape { oid: 2620, information_schema: false, name: "pg_trigger", view: false, columns: &[
        ("oid", 26), ("tgrelid", 26), ("tgparentid", 26), ("tgname", 19), ("tgfoid", 26), ("tgtype", 21),
        ("tgenabled", 18), ("tgisinternal", 16), ("tgconstrrelid", 26), ("tgconstrindid", 26), ("tgconstraint", 26),
        ("tgdeferrable", 16), ("tginitdeferred", 16), ("tgnargs", 21), ("tgattr", 22), ("tgargs", 17),
        ("tgqual", 194), ("tgoldtable", 19), ("tgnewtable", 19),
    ] },
    Shape { oid: 3602, information_schema: false, name: "pg_ts_config", view: false, columns: &[
        ("oid", 26), ("cfgname", 19), ("cfgnamespace", 26), ("cfgowner", 26), ("cfgparser", 26),
    ] },
    Shape { oid: 3603, information_schema: false, name: "pg_ts_config_map", view: false, columns: &[
        ("mapcfg", 26), ("maptokentype", 23), ("mapseqno", 23), ("mapdict", 26),
    ] },
    Shape { oid: 3600, information_schema: false, name: "pg_ts_dict", view: false, columns: &[
        ("oid", 26), ("dictname", 19), ("dictnamespace", 26), ("dictowner", 26), ("dicttemplate", 26),
        ("dictinitoption", 25),
    ] },
    Shape { oid: 3601, information_schema: false, name: "pg_ts_parser", view: false, columns: &[
        ("oid", 26), ("prsname", 19), ("prsnamespace", 26), ("prsstart", 24), ("prstoken", 24), ("prsend", 24),
        ("prsheadline", 24), ("prslextype", 24),
    ] },
    Shape { oid: 3764, information_schema: false, name: "pg_ts_template", view: false, columns: &[
        ("oid", 26), ("tmplname", 19), ("tmplnamespace", 26), ("tmplinit", 24), ("tmpllexize", 24),
    ] },
    Shape { oid: 1247, information_schema: false, name: "pg_type", view: false, columns: &[
        ("oid", 26), ("typname", 19), ("typnamespace", 26), ("typowner", 26), ("typlen", 21), ("typbyval", 16),
        ("typtype", 18), ("typcategory", 18), ("typispreferred", 16), ("typisdefined", 16), ("typdelim", 18),
        ("typrelid", 26), ("typsubscript", 24), ("typelem", 26), ("typarray", 26), ("typinput", 24),
        ("typoutput", 24), ("typreceive", 24), ("typsend", 24), ("typmodin", 24), ("typmodout", 24),
        ("typanalyze", 24), ("typalign", 18), ("typstorage", 18), ("typnotnull", 16), ("typbasetype", 26),
        ("typtypmod", 23), ("typndims", 23), ("typcollation", 26), ("typdefaultbin", 194), ("typdefault", 25),
        ("typacl", 1034),
    ] },
    Shape { oid: 12014, information_schema: false, name: "pg_user", view: true, columns: &[
        ("usename", 19), ("usesysid", 26), ("usecreatedb", 16), ("usesuper", 16), ("userepl", 16),
        ("usebypassrls", 16), ("passwd", 25), ("valuntil", 1184), ("useconfig", 1009),
    ] },
    Shape { oid: 1418, information_schema: false, name: "pg_user_mapping", view: false, columns: &[
        ("oid", 26), ("umuser", 26), ("umserver", 26), ("umoptions", 1009),
    ] },
    Shape { oid: 12327, information_schema: false, name: "pg_user_mappings", view: true, columns: &[
        ("umid", 26), ("srvid", 26), ("srvname", 19), ("umuser", 26), ("usename", 19), ("umoptions", 1009),
    ] },
    Shape { oid: 12028, information_schema: false, name: "pg_views", view: true, columns: &[
        ("schemaname", 19), ("viewname", 19), ("viewowner", 19), ("definition", 25),
    ] },
    Shape { oid: 13241, information_schema: true, name: "administrable_role_authorizations", view: true, columns: &[
        ("grantee", 19), ("role_name", 19), ("is_grantable", 1043),
    ] },
    Shape { oid: 13236, information_schema: true, name: "applicable_roles", view: true, columns: &[
        ("grantee", 19), ("role_name", 19), ("is_grantable", 1043),
    ] },
    Shape { oid: 13245, information_schema: true, name: "attributes", view: true, columns: &[
        ("udt_catalog", 19), ("udt_schema", 19), ("udt_name", 19), ("attribute_name", 19), ("ordinal_position", 23),
        ("attribute_default", 1043), ("is_nullable", 1043), ("data_type", 1043), ("character_maximum_length", 23),
        ("character_octet_length", 23), ("character_set_catalog", 19), ("character_set_schema", 19),
        ("character_set_name", 19), ("collation_catalog", 19), ("collation_schema", 19), ("collation_name", 19),
        ("numeric_precision", 23), ("numeric_precision_radix", 23), ("numeric_scale", 23), ("datetime_precision", 23),
        ("interval_type", 1043), ("interval_precision", 23), ("attribute_udt_catalog", 19),
        ("attribute_udt_schema", 19), ("attribute_udt_name", 19), ("scope_catalog", 19), ("scope_schema", 19),
        ("scope_name", 19), ("maximum_cardinality", 23), ("dtd_identifier", 19),
        ("is_derived_reference_attribute", 1043),
    ] },
    Shape { oid: 13250, information_schema: true, name: "character_sets", view: true, columns: &[
        ("character_set_catalog", 19), ("character_set_schema", 19), ("character_set_name", 19),
        ("character_repertoire", 19), ("form_of_use", 19), ("default_collate_catalog", 19),
        ("default_collate_schema", 19), ("default_collate_name", 19),
    ] },
    Shape { oid: 13255, information_schema: true, name: "check_constraint_routine_usage", view: true, columns: &[
        ("constraint_catalog", 19), ("constraint_schema", 19), ("constraint_name", 19), ("specific_catalog", 19),
        ("specific_schema", 19), ("specific_name", 19),
    ] },
    Shape { oid: 13260, information_schema: true, name: "check_constraints", view: true, columns: &[
        ("constraint_catalog", 19), ("constraint_schema", 19), ("constraint_name", 19), ("check_clause", 1043),
    ] },
    Shape { oid: 13270, information_schema: true, name: "collation_character_set_applicability", view: true, columns: &[
        ("collation_catalog", 19), ("collation_schema", 19), ("collation_name", 19), ("character_set_catalog", 19),
        ("character_set_schema", 19), ("character_set_name", 19),
    ] },
    Shape { oid: 13265, information_schema: true, name: "collations", view: true, columns: &[
        ("collation_catalog", 19), ("collation_schema", 19), ("collation_name", 19), ("pad_attribute", 1043),
    ] },
    Shape { oid: 13275, information_schema: true, name: "column_column_usage", view: true, columns: &[
        ("table_catalog", 19), ("table_schema", 19), ("table_name", 19), ("column_name", 19),
        ("dependent_column", 19),
    ] },
    Shape { oid: 13280, information_schema: true, name: "column_domain_usage", view: true, columns: &[
        ("domain_catalog", 19), ("domain_schema", 19), ("domain_name", 19), ("table_catalog", 19),
        ("table_schema", 19), ("table_name", 19), ("column_name", 19),
    ] },
    Shape { oid: 13503, information_schema: true, name: "column_options", view: true, columns: &[
        ("table_catalog", 19), ("table_schema", 19), ("table_name", 19), ("column_name", 19), ("option_name", 19),
        ("option_value", 1043),
    ] },
    Shape { oid: 13285, information_schema: true, name: "column_privileges", view: true, columns: &[
        ("grantor", 19), ("grantee", 19), ("table_catalog", 19), ("table_schema", 19), ("table_name", 19),
        ("column_name", 19), ("privilege_type", 1043), ("is_grantable", 1043),
    ] },
    Shape { oid: 13290, information_schema: true, name: "column_udt_usage", view: true, columns: &[
        ("udt_catalog", 19), ("udt_schema", 19), ("udt_name", 19), ("table_catalog", 19), ("table_schema", 19),
        ("table_name", 19), ("column_name", 19),
    ] },
    Shape { oid: 13295, information_schema: true, name: "columns", view: true, columns: &[
        ("table_catalog", 19), ("table_schema", 19), ("table_name", 19), ("column_name", 19),
        ("ordinal_position", 23), ("column_default", 1043), ("is_nullable", 1043), ("data_type", 1043),
        ("character_maximum_length", 23), ("character_octet_length", 23), ("numeric_precision", 23),
        ("numeric_precision_radix", 23), ("numeric_scale", 23), ("datetime_precision", 23), ("interval_type", 1043),
        ("interval_precision", 23), ("character_set_catalog", 19), ("character_set_schema", 19),
        ("character_set_name", 19), ("collation_catalog", 19), ("collation_schema", 19), ("collation_name", 19),
        ("domain_catalog", 19), ("domain_schema", 19), ("domain_name", 19), ("udt_catalog", 19), ("udt_schema", 19),
        ("udt_name", 19), ("scope_catalog", 19), ("scope_schema", 19), ("scope_name", 19),
        ("maximum_cardinality", 23), ("dtd_identifier", 19), ("is_self_referencing", 1043), ("is_identity", 1043),
        ("identity_generation", 1043), ("identity_start", 1043), ("identity_increment", 1043),
        ("identity_maximum", 1043), ("identity_minimum", 1043), ("identity_cycle", 1043), ("is_generated", 1043),
        ("generation_expression", 1043), ("is_updatable", 1043),
    ] },
    Shape { oid: 13300, information_schema: true, name: "constraint_column_usage", view: true, columns: &[
        ("table_catalog", 19), ("table_schema", 19), ("table_name", 19), ("column_name", 19),
        ("constraint_catalog", 19), ("constraint_schema", 19), ("constraint_name", 19),
    ] },
    Shape { oid: 13305, information_schema: true, name: "constraint_table_usage", view: true, columns: &[
        ("table_catalog", 19), ("table_schema", 19), ("table_name", 19), ("constraint_catalog", 19),
        ("constraint_schema", 19), ("constraint_name", 19),
    ] },
    Shape { oid: 13488, information_schema: true, name: "data_type_privileges", view: true, columns: &[
        ("object_catalog", 19), ("object_schema", 19), ("object_name", 19), ("object_type", 1043),
        ("dtd_identifier", 19),
    ] },
    Shape { oid: 13310, information_schema: true, name: "domain_constraints", view: true, columns: &[
        ("constraint_catalog", 19), ("constraint_schema", 19), ("constraint_name", 19), ("domain_catalog", 19),
        ("domain_schema", 19), ("domain_name", 19), ("is_deferrable", 1043), ("initially_deferred", 1043),
    ] },
    Shape { oid: 13315, information_schema: true, name: "domain_udt_usage", view: true, columns: &[
        ("udt_catalog", 19), ("udt_schema", 19), ("udt_name", 19), ("domain_catalog", 19), ("domain_schema", 19),
        ("domain_name", 19),
    ] },
    Shape { oid: 13320, information_schema: true, name: "domains", view: true, columns: &[
        ("domain_catalog", 19), ("domain_schema", 19), ("domain_name", 19), ("data_type", 1043),
        ("character_maximum_length", 23), ("character_octet_length", 23), ("character_set_catalog", 19),
        ("character_set_schema", 19), ("character_set_name", 19), ("collation_catalog", 19), ("collation_schema", 19),
        ("collation_name", 19), ("numeric_precision", 23), ("numeric_precision_radix", 23), ("numeric_scale", 23),
        ("datetime_precision", 23), ("interval_type", 1043), ("interval_precision", 23), ("domain_default", 1043),
        ("udt_catalog", 19), ("udt_schema", 19), ("udt_name", 19), ("scope_catalog", 19), ("scope_schema", 19),
        ("scope_name", 19), ("maximum_cardinality", 23), ("dtd_identifier", 19),
    ] },
    Shape { oid: 13493, information_schema: true, name: "element_types", view: true, columns: &[
        ("object_catalog", 19), ("object_schema", 19), ("object_name", 19), ("object_type", 1043),
        ("collection_type_identifier", 19), ("data_type", 1043), ("character_maximum_length", 23),
        ("character_octet_length", 23), ("character_set_catalog", 19), ("character_set_schema", 19),
        ("character_set_name", 19), ("collation_catalog", 19), ("collation_schema", 19), ("collation_name", 19),
        ("numeric_precision", 23), ("numeric_precision_radix", 23), ("numeric_scale", 23), ("datetime_precision", 23),
        ("interval_type", 1043), ("interval_precision", 23), ("domain_default", 1043), ("udt_catalog", 19),
        ("udt_schema", 19), ("udt_name", 19), ("scope_catalog", 19), ("scope_schema", 19), ("scope_name", 19),
        ("maximum_cardinality", 23), ("dtd_identifier", 19),
    ] },
    Shape { oid: 13325, information_schema: true, name: "enabled_roles", view: true, columns: &[
        ("role_name", 19),
    ] },
    Shape { oid: 13511, information_schema: true, name: "foreign_data_wrapper_options", view: true, columns: &[
        ("foreign_data_wrapper_catalog", 19), ("foreign_data_wrapper_name", 19), ("option_name", 19),
        ("option_value", 1043),
    ] },
    Shape { oid: 13515, information_schema: true, name: "foreign_data_wrappers", view: true, columns: &[
        ("foreign_data_wrapper_catalog", 19), ("foreign_data_wrapper_name", 19), ("authorization_identifier", 19),
        ("library_name", 1043), ("foreign_data_wrapper_language", 1043),
    ] },
    Shape { oid: 13524, information_schema: true, name: "foreign_server_options", view: true, columns: &[
        ("foreign_server_catalog", 19), ("foreign_server_name", 19), ("option_name", 19), ("option_value", 1043),
    ] },
    Shape { oid: 13528, information_schema: true, name: "foreign_servers", view: true, columns: &[
        ("foreign_server_catalog", 19), ("foreign_server_name", 19), ("foreign_data_wrapper_catalog", 19),
        ("foreign_data_wrapper_name", 19), ("foreign_server_type", 1043), ("foreign_server_version", 1043),
        ("authorization_identifier", 19),
    ] },
    Shape { oid: 13537, information_schema: true, name: "foreign_table_options", view: true, columns: &[
        ("foreign_table_catalog", 19), ("foreign_table_schema", 19), ("foreign_table_name", 19), ("option_name", 19),
        ("option_value", 1043),
    ] },
    Shape { oid: 13541, information_schema: true, name: "foreign_tables", view: true, columns: &[
        ("foreign_table_catalog", 19), ("foreign_table_schema", 19), ("foreign_table_name", 19),
        ("foreign_server_catalog", 19), ("foreign_server_name", 19),
    ] },
    Shape { oid: 13227, information_schema: true, name: "information_schema_catalog_name", view: true, columns: &[
        ("catalog_name", 19),
    ] },
    Shape { oid: 13329, information_schema: true, name: "key_column_usage", view: true, columns: &[
        ("constraint_catalog", 19), ("constraint_schema", 19), ("constraint_name", 19), ("table_catalog", 19),
        ("table_schema", 19), ("table_name", 19), ("column_name", 19), ("ordinal_position", 23),
        ("position_in_unique_constraint", 23),
    ] },
    Shape { oid: 13334, information_schema: true, name: "parameters", view: true, columns: &[
        ("specific_catalog", 19), ("specific_schema", 19), ("specific_name", 19), ("ordinal_position", 23),
        ("parameter_mode", 1043), ("is_result", 1043), ("as_locator", 1043), ("parameter_name", 19),
        ("data_type", 1043), ("character_maximum_length", 23), ("character_octet_length", 23),
        ("character_set_catalog", 19), ("character_set_schema", 19), ("character_set_name", 19),
        ("collation_catalog", 19), ("collation_schema", 19), ("collation_name", 19), ("numeric_precision", 23),
        ("numeric_precision_radix", 23), ("numeric_scale", 23), ("datetime_precision", 23), ("interval_type", 1043),
        ("interval_precision", 23), ("udt_catalog", 19), ("udt_schema", 19), ("udt_name", 19), ("scope_catalog", 19),
        ("scope_schema", 19), ("scope_name", 19), ("maximum_cardinality", 23), ("dtd_identifier", 19),
        ("parameter_default", 1043),
    ] },
    Shape { oid: 13339, information_schema: true, name: "referential_constraints", view: true, columns: &[
        ("constraint_catalog", 19), ("constraint_schema", 19), ("constraint_name", 19),
        ("unique_constraint_catalog", 19), ("unique_constraint_schema", 19), ("unique_constraint_name", 19),
        ("match_option", 1043), ("update_rule", 1043), ("delete_rule", 1043),
    ] },
    Shape { oid: 13344, information_schema: true, name: "role_column_grants", view: true, columns: &[
        ("grantor", 19), ("grantee", 19), ("table_catalog", 19), ("table_schema", 19), ("table_name", 19),
        ("column_name", 19), ("privilege_type", 1043), ("is_grantable", 1043),
    ] },
    Shape { oid: 13358, information_schema: true, name: "role_routine_grants", view: true, columns: &[
        ("grantor", 19), ("grantee", 19), ("specific_catalog", 19), ("specific_schema", 19), ("specific_name", 19),
        ("routine_catalog", 19), ("routine_schema", 19), ("routine_name", 19), ("privilege_type", 1043),
        ("is_grantable", 1043),
    ] },
    Shape { oid: 13421, information_schema: true, name: "role_table_grants", view: true, columns: &[
        ("grantor", 19), ("grantee", 19), ("table_catalog", 19), ("table_schema", 19), ("table_name", 19),
        ("privilege_type", 1043), ("is_grantable", 1043), ("with_hierarchy", 1043),
    ] },
    Shape { oid: 13450, information_schema: true, name: "role_udt_grants", view: true, columns: &[
        ("grantor", 19), ("grantee", 19), ("udt_catalog", 19), ("udt_schema", 19), ("udt_name", 19),
        ("privilege_type", 1043), ("is_grantable", 1043),
    ] },
    Shape { oid: 13459, information_schema: true, name: "role_usage_grants", view: true, columns: &[
        ("grantor", 19), ("grantee", 19), ("object_catalog", 19), ("object_schema", 19), ("object_name", 19),
        ("object_type", 1043), ("privilege_type", 1043), ("is_grantable", 1043),
    ] },
    Shape { oid: 13348, information_schema: true, name: "routine_column_usage", view: true, columns: &[
        ("specific_catalog", 19), ("specific_schema", 19), ("specific_name", 19), ("routine_catalog", 19),
        ("routine_schema", 19), ("routine_name", 19), ("table_catalog", 19), ("table_schema", 19), ("table_name", 19),
        ("column_name", 19),
    ] },
    Shape { oid: 13353, information_schema: true, name: "routine_privileges", view: true, columns: &[
        ("grantor", 19), ("grantee", 19), ("specific_catalog", 19), ("specific_schema", 19), ("specific_name", 19),
        ("routine_catalog", 19), ("routine_schema", 19), ("routine_name", 19), ("privilege_type", 1043),
        ("is_grantable", 1043),
    ] },
    Shape { oid: 13362, information_schema: true, name: "routine_routine_usage", view: true, columns: &[
        ("specific_catalog", 19), ("specific_schema", 19), ("specific_name", 19), ("routine_catalog", 19),
        ("routine_schema", 19), ("routine_name", 19),
    ] },
    Shape { oid: 13367, information_schema: true, name: "routine_sequence_usage", view: true, columns: &[
        ("specific_catalog", 19), ("specific_schema", 19), ("specific_name", 19), ("routine_catalog", 19),
        ("routine_schema", 19), ("routine_name", 19), ("sequence_catalog", 19), ("sequence_schema", 19),
        ("sequence_name", 19),
    ] },
    Shape { oid: 13372, information_schema: true, name: "routine_table_usage", view: true, columns: &[
        ("specific_catalog", 19), ("specific_schema", 19), ("specific_name", 19), ("routine_catalog", 19),
        ("routine_schema", 19), ("routine_name", 19), ("table_catalog", 19), ("table_schema", 19), ("table_name", 19),
    ] },
    Shape { oid: 13377, information_schema: true, name: "routines", view: true, columns: &[
        ("specific_catalog", 19), ("specific_schema", 19), ("specific_name", 19), ("routine_catalog", 19),
        ("routine_schema", 19), ("routine_name", 19), ("routine_type", 1043), ("module_catalog", 19),
        ("module_schema", 19), ("module_name", 19), ("udt_catalog", 19), ("udt_schema", 19), ("udt_name", 19),
        ("data_type", 1043), ("character_maximum_length", 23), ("character_octet_length", 23),
        ("character_set_catalog", 19), ("character_set_schema", 19), ("character_set_name", 19),
        ("collation_catalog", 19), ("collation_schema", 19), ("collation_name", 19), ("numeric_precision", 23),
        ("numeric_precision_radix", 23), ("numeric_scale", 23), ("datetime_precision", 23), ("interval_type", 1043),
        ("interval_precision", 23), ("type_udt_catalog", 19), ("type_udt_schema", 19), ("type_udt_name", 19),
        ("scope_catalog", 19), ("scope_schema", 19), ("scope_name", 19), ("maximum_cardinality", 23),
        ("dtd_identifier", 19), ("routine_body", 1043), ("routine_definition", 1043), ("external_name", 1043),
        ("external_language", 1043), ("parameter_style", 1043), ("is_deterministic", 1043), ("sql_data_access", 1043),
        ("is_null_call", 1043), ("sql_path", 1043), ("schema_level_routine", 1043), ("max_dynamic_result_sets", 23),
        ("is_user_defined_cast", 1043), ("is_implicitly_invocable", 1043), ("security_type", 1043),
        ("to_sql_specific_catalog", 19), ("to_sql_specific_schema", 19), ("to_sql_specific_name", 19),
        ("as_locator", 1043), ("created", 1184), ("last_altered", 1184), ("new_savepoint_level", 1043),
        ("is_udt_dependent", 1043), ("result_cast_from_data_type", 1043), ("result_cast_as_locator", 1043),
        ("result_cast_char_max_length", 23), ("result_cast_char_octet_length", 23),
        ("result_cast_char_set_catalog", 19), ("result_cast_char_set_schema", 19), ("result_cast_char_set_name", 19),
        ("result_cast_collation_catalog", 19), ("result_cast_collation_schema", 19),
        ("result_cast_collation_name", 19), ("result_cast_numeric_precision", 23),
        ("result_cast_numeric_precision_radix", 23), ("result_cast_numeric_scale", 23),
        ("result_cast_datetime_precision", 23), ("result_cast_interval_type", 1043),
        ("result_cast_interval_precision", 23), ("result_cast_type_udt_catalog", 19),
        ("result_cast_type_udt_schema", 19), ("result_cast_type_udt_name", 19), ("result_cast_scope_catalog", 19),
        ("result_cast_scope_schema", 19), ("result_cast_scope_name", 19), ("result_cast_maximum_cardinality", 23),
        ("result_cast_dtd_identifier", 19),
    ] },
    Shape { oid: 13382, information_schema: true, name: "schemata", view: true, columns: &[
        ("catalog_name", 19), ("schema_name", 19), ("schema_owner", 19), ("default_character_set_catalog", 19),
        ("default_character_set_schema", 19), ("default_character_set_name", 19), ("sql_path", 1043),
    ] },
    Shape { oid: 13386, information_schema: true, name: "sequences", view: true, columns: &[
        ("sequence_catalog", 19), ("sequence_schema", 19), ("sequence_name", 19), ("data_type", 1043),
        ("numeric_precision", 23), ("numeric_precision_radix", 23), ("numeric_scale", 23), ("start_value", 1043),
        ("minimum_value", 1043), ("maximum_value", 1043), ("increment", 1043), ("cycle_option", 1043),
    ] },
    Shape { oid: 13411, information_schema: true, name: "table_constraints", view: true, columns: &[
        ("constraint_catalog", 19), ("constraint_schema", 19), ("constraint_name", 19), ("table_catalog", 19),
        ("table_schema", 19), ("table_name", 19), ("constraint_type", 1043), ("is_deferrable", 1043),
        ("initially_deferred", 1043), ("enforced", 1043), ("nulls_distinct", 1043),
    ] },
    Shape { oid: 13416, information_schema: true, name: "table_privileges", view: true, columns: &[
        ("grantor", 19), ("grantee", 19), ("table_catalog", 19), ("table_schema", 19), ("table_name", 19),
        ("privilege_type", 1043), ("is_grantable", 1043), ("with_hierarchy", 1043),
    ] },
    Shape { oid: 13425, information_schema: true, name: "tables", view: true, columns: &[
        ("table_catalog", 19), ("table_schema", 19), ("table_name", 19), ("table_type", 1043),
        ("self_referencing_column_name", 19), ("reference_generation", 1043), ("user_defined_type_catalog", 19),
        ("user_defined_type_schema", 19), ("user_defined_type_name", 19), ("is_insertable_into", 1043),
        ("is_typed", 1043), ("commit_action", 1043),
    ] },
    Shape { oid: 13430, information_schema: true, name: "transforms", view: true, columns: &[
        ("udt_catalog", 19), ("udt_schema", 19), ("udt_name", 19), ("specific_catalog", 19), ("specific_schema", 19),
        ("specific_name", 19), ("group_name", 19), ("transform_type", 1043),
    ] },
    Shape { oid: 13435, information_schema: true, name: "triggered_update_columns", view: true, columns: &[
        ("trigger_catalog", 19), ("trigger_schema", 19), ("trigger_name", 19), ("event_object_catalog", 19),
        ("event_object_schema", 19), ("event_object_table", 19), ("event_object_column", 19),
    ] },
    Shape { oid: 13440, information_schema: true, name: "triggers", view: true, columns: &[
        ("trigger_catalog", 19), ("trigger_schema", 19), ("trigger_name", 19), ("event_manipulation", 1043),
        ("event_object_catalog", 19), ("event_object_schema", 19), ("event_object_table", 19), ("action_order", 23),
        ("action_condition", 1043), ("action_statement", 1043), ("action_orientation", 1043), ("action_timing", 1043),
        ("action_reference_old_table", 19), ("action_reference_new_table", 19), ("action_reference_old_row", 19),
        ("action_reference_new_row", 19), ("created", 1184),
    ] },
    Shape { oid: 13445, information_schema: true, name: "udt_privileges", view: true, columns: &[
        ("grantor", 19), ("grantee", 19), ("udt_catalog", 19), ("udt_schema", 19), ("udt_name", 19),
        ("privilege_type", 1043), ("is_grantable", 1043),
    ] },
    Shape { oid: 13454, information_schema: true, name: "usage_privileges", view: true, columns: &[
        ("grantor", 19), ("grantee", 19), ("object_catalog", 19), ("object_schema", 19), ("object_name", 19),
        ("object_type", 1043), ("privilege_type", 1043), ("is_grantable", 1043),
    ] },
    Shape { oid: 13463, information_schema: true, name: "user_defined_types", view: true, columns: &[
        ("user_defined_type_catalog", 19), ("user_defined_type_schema", 19), ("user_defined_type_name", 19),
        ("user_defined_type_category", 1043), ("is_instantiable", 1043), ("is_final", 1043), ("ordering_form", 1043),
        ("ordering_category", 1043), ("ordering_routine_catalog", 19), ("ordering_routine_schema", 19),
        ("ordering_routine_name", 19), ("reference_type", 1043), ("data_type", 1043),
        ("character_maximum_length", 23), ("character_octet_length", 23), ("character_set_catalog", 19),
        ("character_set_schema", 19), ("character_set_name", 19), ("collation_catalog", 19), ("collation_schema", 19),
        ("collation_name", 19), ("numeric_precision", 23), ("numeric_precision_radix", 23), ("numeric_scale", 23),
        ("datetime_precision", 23), ("interval_type", 1043), ("interval_precision", 23),
        ("source_dtd_identifier", 19), ("ref_dtd_identifier", 19),
    ] },
    Shape { oid: 13550, information_schema: true, name: "user_mapping_options", view: true, columns: &[
        ("authorization_identifier", 19), ("foreign_server_catalog", 19), ("foreign_server_name", 19),
        ("option_name", 19), ("option_value", 1043),
    ] },
    Shape { oid: 13555, information_schema: true, name: "user_mappings", view: true, columns: &[
        ("authorization_identifier", 19), ("foreign_server_catalog", 19), ("foreign_server_name", 19),
    ] },
    Shape { oid: 13468, information_schema: true, name: "view_column_usage", view: true, columns: &[
        ("view_catalog", 19), ("view_schema", 19), ("view_name", 19), ("table_catalog", 19), ("table_schema", 19),
        ("table_name", 19), ("column_name", 19),
    ] },
    Shape { oid: 13473, information_schema: true, name: "view_routine_usage", view: true, columns: &[
        ("table_catalog", 19), ("table_schema", 19), ("table_name", 19), ("specific_catalog", 19),
        ("specific_schema", 19), ("specific_name", 19),
    ] },
    Shape { oid: 13478, information_schema: true, name: "view_table_usage", view: true, columns: &[
        ("view_catalog", 19), ("view_schema", 19), ("view_name", 19), ("table_catalog", 19), ("table_schema", 19),
        ("table_name", 19),
    ] },
    Shape { oid: 13483, information_schema: true, name: "views", view: true, columns: &[
        ("table_catalog", 19), ("table_schema", 19), ("table_name", 19), ("view_definition", 1043),
        ("check_option", 1043), ("is_updatable", 1043), ("is_insertable_into", 1043), ("is_trigger_updatable", 1043),
        ("is_trigger_deletable", 1043), ("is_trigger_insertable_into", 1043),
    ] },
];
