//! Statements planned over a small catalog: parameter types, errors with positions, the shape of the tree.

use std::sync::Arc;

use super::{BindContext, Node, Plan, PlanSource, SystemRelation, plan};
use crate::catalog::{
    CatalogChange, CatalogSet, Column, Constraint, ConstraintKind, DatabaseDef, Entry, IndexDef, IndexKey, IndexMethod,
    PG_CATALOG, PUBLIC, Persistence, SchemaDef, TableDef, TableId,
};
use crate::error::SqlError;
use crate::parse::{DialectSetting, ParseOptions, parse_one};
use crate::types::{DataType, Oid, TextStyle, format_type};

struct NoRelations;

impl PlanSource for NoRelations {
    fn system_relation(&self, _schema: Option<&str>, _name: &str) -> Option<&'static SystemRelation> {
        None
    }
    fn system_relation_by_oid(&self, _oid: Oid) -> Option<&'static SystemRelation> {
        None
    }
}

fn column(name: &str, ty: DataType) -> Column {
    Column {
        name: name.to_owned(),
        ty,
        not_null: false,
        default: None,
        identity: None,
        generated: None,
        sequence: None,
        missing: None,
        collation: None,
        dropped: false,
        comment: None,
        domain: 0,
        acl: Vec::new(),
    }
}

fn index(oid: Oid, name: &str, keys: &[(usize, DataType)], unique: bool, primary: bool) -> IndexDef {
    IndexDef {
        oid,
        name: name.to_owned(),
        method: IndexMethod::Btree,
        keys: keys
            .iter()
            .map(|(place, ty)| IndexKey {
                column: Some(*place),
                expr: None,
                ty: *ty,
                descending: false,
                nulls_first: false,
                operator_class: None,
                collation: None,
            })
            .collect(),
        include: Vec::new(),
        unique,
        deferrable: false,
        nulls_not_distinct: false,
        primary,
        predicate: None,
        constraint: 0,
        upsert: false,
        options: Vec::new(),
        comment: None,
    }
}

fn table(oid: Oid, name: &str, dialect: &str, columns: Vec<Column>, indexes: Vec<IndexDef>) -> TableDef {
    let primary = indexes.iter().find(|index| index.primary).map(|index| index.oid);
    TableDef {
        id: TableId(oid),
        schema: PUBLIC,
        name: name.to_owned(),
        owner: 10,
        row_type: oid + 1,
        array_type: oid + 2,
        columns,
        constraints: primary
            .map(|index| Constraint {
                oid: oid + 3,
                name: format!("{name}_pkey"),
                kind: ConstraintKind::PrimaryKey { index },
                deferrable: false,
                deferred: false,
                validated: true,
                comment: None,
            })
            .into_iter()
            .collect(),
        indexes,
        persistence: Persistence::Permanent,
        schema_version: 1,
        dialect: dialect.to_owned(),
        options: Vec::new(),
        maintained_by: 0,
        hidden: false,
        display: Vec::new(),
        acl: Vec::new(),
        comment: None,
        shape: crate::catalog::TableShape::default(),
    }
}

fn catalogs() -> CatalogSet {
    let mut set = CatalogSet::default();
    let database = DatabaseDef {
        oid: 5,
        name: "postgres".to_owned(),
        owner: 10,
        template: false,
        allow_connections: true,
        settings: Vec::new(),
        default_acls: Vec::new(),
        acl: Vec::new(),
        comment: None,
    };
    set.apply(CatalogChange::Put { database: 0, entry: Entry::Database(Arc::new(database)) });
    let mut put = |entry| set.apply(CatalogChange::Put { database: 5, entry });
    put(Entry::Schema(Arc::new(SchemaDef {
        oid: PUBLIC,
        name: "public".to_owned(),
        owner: 10,
        acl: Vec::new(),
        comment: None,
    })));
    let columns = vec![
        column("id", DataType::INT4),
        column("b", DataType::INT8),
        column("s", DataType::INT2),
        column("n", DataType::with_typmod(1700, (10 << 16 | 2) + 4)),
        column("v", DataType::with_typmod(1043, 24)),
        column("tx", DataType::TEXT),
        column("c", DataType::with_typmod(1042, 9)),
        column("d", DataType::DATE),
        column("ts", DataType::TIMESTAMP),
        column("tz", DataType::TIMESTAMPTZ),
        column("j", DataType::JSONB),
        column("a", DataType::new(1007)),
        column("u", DataType::UUID),
        column("bo", DataType::BOOL),
        column("f", DataType::FLOAT8),
        column("by", DataType::BYTEA),
    ];
    let indexes = vec![
        index(16_390, "t_pkey", &[(0, DataType::INT4)], true, true),
        index(16_391, "t_v_b_idx", &[(4, DataType::VARCHAR), (1, DataType::INT8)], false, false),
    ];
    put(Entry::Table(Arc::new(table(16_384, "t", "postgres", columns, indexes))));
    let other = vec![column("id", DataType::INT4), column("t_id", DataType::INT4), column("name", DataType::TEXT)];
    let keys = vec![
        index(16_410, "o_pkey", &[(0, DataType::INT4)], true, true),
        index(16_411, "o_t_id_idx", &[(1, DataType::INT4)], false, false),
    ];
    put(Entry::Table(Arc::new(table(16_400, "o", "postgres", other, keys))));
    let ami = vec![column("OrderID", DataType::TEXT)];
    put(Entry::Table(Arc::new(table(16_420, "ORDERS", "ami", ami, Vec::new()))));
    set
}

fn planned(text: &str, declared: &[Oid]) -> Result<Plan, SqlError> {
    planned_in(&ParseOptions::default(), text, declared)
}

fn planned_as_ami(text: &str, declared: &[Oid]) -> Plan {
    planned_in(&ParseOptions { dialect: DialectSetting::Named("ami") }, text, declared).expect("it reads and plans")
}

fn planned_in(options: &ParseOptions, text: &str, declared: &[Oid]) -> Result<Plan, SqlError> {
    let catalogs = catalogs();
    let style = TextStyle::default();
    let context = BindContext {
        catalogs: &catalogs,
        database: 5,
        search_path: &[PG_CATALOG, PUBLIC],
        style: &style,
        user: 10,
        source: &NoRelations,
        variables: None,
    };
    plan(&parse_one(text, options)?, &context, declared)
}

fn params(text: &str) -> String {
    match planned(text, &[]) {
        Ok(plan) => plan.params.iter().map(|ty| format_type(*ty)).collect::<Vec<_>>().join(", "),
        Err(error) => error.state().as_str().to_owned(),
    }
}

// PG-102
#[test]
fn parameters_take_the_types_that_postgresql_gives_them() {
    let cases = [
        ("select $1", "text"),
        ("select $1 = $2", "text, text"),
        ("select $1 is null", "42P18"),
        ("select count($1)", "42P18"),
        ("select concat($1,$2)", "42P18"),
        ("select row($1,$2)", "42P18"),
        ("select 1 from t where $1 is null or id=$1", "42P08"),
        ("select $1 + $2", "42725"),
        ("select -$1", "42725"),
        ("select d + $1 from t", "42725"),
        ("select ts + $1 from t", "interval"),
        ("select ts - $1 from t", "timestamp without time zone"),
        ("select array[$1,$2]", "text, text"),
        ("select array[$1,1]", "integer"),
        ("select greatest($1,$2)", "text, text"),
        ("select coalesce($1,$2)", "text, text"),
        ("select $1 || $2", "text, text"),
        ("select 1 where $1", "boolean"),
        ("select nextval($1)", "regclass"),
        ("select $1 union select 1", "integer"),
        ("select ($1,$2)=(1,'a')", "integer, text"),
        ("select 1 from t where tz > now() - $1", "42883"),
        ("select 1 from t where id=$1", "integer"),
        ("select 1 from t where b=$1 and s<$2 and n>$3", "bigint, smallint, numeric"),
        ("select 1 from t where v=$1 and tx like $2 and c=$3", "text, text, character"),
        ("select 1 from t where id = any($1)", "integer[]"),
        ("select 1 from t where id in ($1,$2)", "integer, integer"),
        ("select 1 from t limit $1 offset $2", "bigint, bigint"),
        (
            "insert into t(id,b,n,v,j,a,u,by,tz) values ($1,$2,$3,$4,$5,$6,$7,$8,$9)",
            "integer, bigint, numeric, character varying, jsonb, integer[], uuid, bytea, timestamp with time zone",
        ),
        ("insert into t(id,v) select $1,$2", "integer, character varying"),
        ("insert into t(id,v) values ($1,$2),($3,$4)", "integer, character varying, integer, character varying"),
        (
            "update t set v=$1, id=id+$2, j=j||$3, a=a||$4 where u=$5",
            "character varying, integer, jsonb, integer[], uuid",
        ),
        ("select j -> $1, j ->> $2, j @> $3, j ? $4, j #> $5 from t", "text, text, jsonb, text, text[]"),
        ("select a[$1], a || $2, $3 = any(a), a @> $4 from t", "integer, integer[], integer, integer[]"),
        ("select coalesce($1,1), coalesce($2,'x'), nullif($3,id) from t", "integer, text, integer"),
        ("select case when $1 then $2 else 1 end", "boolean, integer"),
        ("select substring($1 from $2 for $3)", "text, text, text"),
        ("select now() - $1", "timestamp with time zone"),
        ("select tz at time zone $1 from t", "text"),
        ("select to_char(tz,$1) from t", "text"),
        ("select generate_series(1,$1)", "integer"),
        ("select generate_series($1,$2)", "42725"),
        ("select pg_advisory_lock($1)", "bigint"),
        ("select set_config($1,$2,$3)", "text, text, boolean"),
        ("values ($1::int,'a'),(2,$2)", "integer, text"),
    ];
    let wrong: Vec<String> = cases
        .iter()
        .filter(|(text, expected)| {
            params(text) != expected.replace("character,", "bpchar,").replace("text, character", "text, bpchar")
                && params(text) != *expected
        })
        .map(|(text, expected)| format!("{text}\n    expected {expected}, found {}", params(text)))
        .collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

// PG-101
#[test]
fn declared_parameter_types_are_used() {
    assert_eq!(planned("select $1", &[20]).map(|plan| plan.params), Ok(vec![DataType::INT8]));
    assert_eq!(planned("select $1 = 1", &[0]).map(|plan| plan.params), Ok(vec![DataType::INT4]));
}

fn failure(text: &str) -> String {
    match planned(text, &[]) {
        Ok(_) => "no error".to_owned(),
        Err(error) => {
            let at = error.fields().position.map_or_else(|| "-".to_owned(), |span| (span.0 + 1).to_string());
            format!("{} {at} {}", error.state().as_str(), error.message())
        }
    }
}

// PG-170, PG-171
#[test]
fn errors_have_postgresqls_codes_texts_and_positions() {
    let cases = [
        ("select x from t", "42703 8 column \"x\" does not exist"),
        ("select t.x from t", "42703 8 column t.x does not exist"),
        ("select * from nix", "42P01 15 relation \"nix\" does not exist"),
        ("select q.id from t", "42P01 8 missing FROM-clause entry for table \"q\""),
        ("select id from t, o", "42702 8 column reference \"id\" is ambiguous"),
        ("select id, v from o group by id", "42703 12 column \"v\" does not exist"),
        (
            "select name from o group by t_id",
            "42803 8 column \"o.name\" must appear in the GROUP BY clause or be used in an aggregate function",
        ),
        ("select 1 from t where count(*) > 1", "42803 23 aggregate functions are not allowed in WHERE"),
        ("select 1 from t where id", "42804 23 argument of WHERE must be type boolean, not type integer"),
        ("select nix(1)", "42883 8 function nix(integer) does not exist"),
        ("select 1 from t where id = 'x'", "22P02 28 invalid input syntax for type integer: \"x\""),
        ("insert into t(id) values ('x')", "22P02 27 invalid input syntax for type integer: \"x\""),
        (
            "insert into t(id) values (true)",
            "42804 27 column \"id\" is of type integer but expression is of type boolean",
        ),
        ("insert into t(nix) values (1)", "42703 15 column \"nix\" of relation \"t\" does not exist"),
        ("select id from t order by 3", "42P10 27 ORDER BY position 3 is not in select list"),
        ("select 1 union select 1, 2", "42601 - each UNION query must have the same number of columns"),
        (
            "insert into t(id) values (1) on conflict (b) do nothing",
            "42P10 - there is no unique or exclusion constraint matching the ON CONFLICT specification",
        ),
        ("select 1 from t where id = 'a' || 1", "42883 26 operator does not exist: integer = text"),
        ("select true + 1", "42883 13 operator does not exist: boolean + integer"),
        ("select 1 from t, t", "42712 - table name \"t\" specified more than once"),
        ("select row_number() from t", "42809 8 window function row_number requires an OVER clause"),
        ("select 1 from t where row_number() over () = 1", "42P20 23 window functions are not allowed in WHERE"),
        ("select * from (select 1)", "42601 16 subquery in FROM must have an alias"),
        ("select 1 where 1 = (select 1, 2)", "42601 20 subquery must return only one column"),
        ("select case when true then 1 else 'x' end", "22P02 35 invalid input syntax for type integer: \"x\""),
        (
            "select distinct id from t order by b",
            "42P10 - for SELECT DISTINCT, ORDER BY expressions must appear in select list",
        ),
        (
            "select id from t for update of nix",
            "42P01 - relation \"nix\" in FOR UPDATE clause not found in FROM clause",
        ),
        ("select count(*) from t for update", "0A000 - FOR UPDATE is not allowed with aggregate functions"),
        ("select ''::int", "22P02 8 invalid input syntax for type integer: \"\""),
        ("select true::date", "42846 12 cannot cast type boolean to date"),
        ("select 1::nix", "42704 11 type \"nix\" does not exist"),
        ("insert into t(id, id) values (1, 2)", "42701 19 column \"id\" specified more than once"),
        ("insert into t(id) values (1, 2)", "42601 30 INSERT has more expressions than target columns"),
        ("insert into t(id, b) values (1)", "42601 19 INSERT has more target columns than expressions"),
        ("select sum(sum(id)) from t", "42803 12 aggregate function calls cannot be nested"),
        (
            "select 1 from t a join t b using (nix)",
            "42703 35 column \"nix\" specified in USING clause does not exist in left table",
        ),
    ];
    let wrong: Vec<String> = cases
        .iter()
        .filter(|(text, expected)| failure(text) != *expected)
        .map(|(text, expected)| format!("{text}\n    expected {expected}\n    found    {}", failure(text)))
        .collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

fn names(text: &str) -> String {
    planned(text, &[]).map_or_else(
        |error| error.to_string(),
        |plan| plan.columns.iter().map(|column| column.name.clone()).collect::<Vec<_>>().join(" "),
    )
}

// PG-86
#[test]
fn result_columns_are_named_as_postgresql_names_them() {
    assert_eq!(
        names("select id, id as x, id + 1, 1, 'a', count(*), max(id)::text from t group by id"),
        "id x ?column? ?column? ?column? count max"
    );
    assert_eq!(
        names("select 1::int4, '1'::varchar, case when true then 1 end, coalesce(1, 2), (select 7 as q)"),
        "int4 varchar case coalesce q"
    );
    assert_eq!(
        names("select exists (select 1), array[1], row(1), current_date, nullif(1, 2)"),
        "exists array row current_date nullif"
    );
    assert_eq!(names("values (1, 2)"), "column1 column2");
}

// AMI-8
#[test]
fn names_of_ami_tables_are_found_without_case() {
    assert_eq!(names("select orderid from orders"), "OrderID");
    assert_eq!(names("SELECT OrderID FROM ORDERS"), "OrderID");
    assert_eq!(names("select \"OrderID\" from \"ORDERS\""), "OrderID");
}

#[test]
fn a_unique_key_gives_a_look_up() {
    let plan = planned("select * from t where id = $1", &[]).expect("it plans");
    let scan = match &plan.root {
        Node::Project { input, .. } => input.as_ref(),
        other => other,
    };
    assert!(matches!(scan, Node::IndexScan { unique: true, index: 16_390, filter: None, .. }), "{scan:?}");
}

// AMI-25, AMI-71: what scripts send for their variables. A parameter may be null, which `==` meets too.
#[test]
fn equality_of_ami_with_a_parameter_is_a_look_up() {
    for (text, types) in [
        ("select * from t where v == $1", vec![25]),
        ("select * from t where $1 == v", vec![]),
        ("update t set b = b + 1 where v == $1 && b == $2", vec![25, 23]),
        ("delete from t where v == $1", vec![25]),
        ("insert into t(id, v) select id + 100, v from t where v == $1", vec![25]),
    ] {
        let shown = format!("{:?}", planned_as_ami(text, &types).root);
        assert!(shown.contains("IndexScan") && shown.contains("nulls: [0"), "{text}: {shown}");
        assert!(!shown.contains("SeqScan") && shown.contains("filter: None"), "{text}: {shown}");
    }
    // Where the column is never null it is the unique look-up that PostgreSQL's `=` is.
    let shown = format!("{:?}", planned_as_ami("select * from t where id == $1", &[]).root);
    assert!(shown.contains("IndexScan") && shown.contains("unique: true"), "{shown}");
}

#[test]
fn an_index_prefix_and_its_order_are_used() {
    let plan = planned("select id from t where v = 'x' and b > 5 order by b desc limit 3", &[]).expect("it plans");
    let text = format!("{:?}", plan.root);
    assert!(text.contains("IndexScan") && text.contains("reverse: true") && !text.contains("Sort"), "{text}");
}

#[test]
fn joins_by_equality_hash_or_look_up() {
    let joined = |text: &str| format!("{:?}", planned(text, &[]).expect("it plans").root);
    assert!(joined("select 1 from t join o on o.name = t.tx").contains("HashJoin"));
    let lookup = joined("select 1 from t join o on o.t_id = t.id where t.id = 1");
    assert!(lookup.contains("NestedLoop") && lookup.contains("index: 16411"), "{lookup}");
}

// PG-64
#[test]
fn deep_nesting_is_an_error_not_a_crash() {
    let run = || {
        let text = format!("select {}1{}", "abs(".repeat(300), ")".repeat(300));
        assert!(planned(&text, &[]).is_ok());
        let chain = vec!["id = 1"; 2000].join(" or ");
        assert!(planned(&format!("select 1 from t where {chain}"), &[]).is_ok());
    };
    let thread = std::thread::Builder::new().stack_size(64 << 20).spawn(run).expect("a thread");
    assert!(thread.join().is_ok());
}

#[test]
fn the_mainstream_plans() {
    let statements = [
        "with x as (select id from t) select * from x join o using (id)",
        "with recursive r(n) as (select 1 union all select n + 1 from r where n < 5) select * from r",
        "with d as (delete from o returning id) select count(*) from d",
        "select distinct on (t_id) t_id, name from o order by t_id, id desc",
        "select t_id, count(*) filter (where id > 1), string_agg(name, ',' order by id) from o group by 1 having count(*) > 1",
        "select row_number() over (partition by t_id order by id), sum(id) over w from o window w as (order by id)",
        "select * from generate_series(1, 3) with ordinality as g(n, o)",
        "select t.id, x.name from t left join lateral (select name from o where o.t_id = t.id limit 1) x on true",
        "select id, (select count(*) from o where o.t_id = t.id) from t where exists (select 1 from o where t_id = t.id)",
        "select id from t where id in (select t_id from o) and (id, b) in ((1, 2), (3, 4))",
        "select 1 union all select 2 order by 1 limit 1",
        "select unnest(array[1,2]) + 1",
        "select id from t where id = 1 for update skip locked",
        "insert into o values (1, 2, default) on conflict (id) do update set name = excluded.name where o.id > 0 returning *",
        "update t set (id, b) = (select 1, 2) from o where o.t_id = t.id returning t.id, o.name",
        "delete from t using o where o.t_id = t.id returning *",
        "select t_id, id, count(*) from o group by rollup (t_id, id)",
        "select * from o natural join (select 1 as id) q",
        "select t from t",
        "select o.* from o full join t on o.id = t.id",
        "select a[1], a[1:2], (array[1,2])[1], j['k'] from t",
        "select extract(year from ts), ts at time zone 'UTC', d + 1, d - d, ts - ts, tz + interval '1 day' from t",
        "select 't'::regclass, 'int4'::regtype, '{1,2}'::int[], '1'::int2, cast(id as text), id::varchar(3) from t",
        "select array(select id from o), id = any(select id from o), id not in (select id from o) from t",
        "select (id, b) < (1, 2), row(id, b) = row(1, 2), id between 1 and 2, id not between 1 and 2 from t",
        "select v like 'a%' escape '!', v ilike 'x', v not like 'y', tx ~ 'a', tx || v, v || 1 from t",
        "select case id when 1 then 'a' when 2 then 'b' else tx end, nullif(tx, 'x'), greatest(id, b) from t",
        "select sum(id) over (order by id rows between 1 preceding and current row), lag(id, 1, 0) over w, \
         first_value(v) over w from t window w as (partition by bo order by id desc)",
        "select t.id, e from t, unnest(t.a) e where e > 1",
        "select * from (values (1, 'a'), (2, 'b')) v(x, y) join t on t.id = v.x",
        "select id from t group by id having max(b) > 1 order by count(*) desc, id",
        "select tx, count(distinct id), avg(n), array_agg(id order by b desc) from t group by tx",
        "select t.id, v, count(*) from t join o on o.t_id = t.id group by t.id",
        "select distinct tx from t order by tx",
        "select id as x from t order by x desc nulls last offset 2 rows fetch first 3 rows only",
        "(select id from t order by id limit 1) union all (select id from o) order by 1",
        "select id from t intersect select id from o except select 1",
        "select exists (select 1 from o where o.t_id = t.id and o.name = any(array['a', 'b'])) from t",
        "select (select max(o.id) from o where o.t_id = q.id) from (select id from t group by id) q",
        "select count(*) from t where not exists (select 1 from o where o.t_id = t.id)",
        "select sum(id) filter (where bo) + 1, max(tx) from t having count(*) > 0",
        "with a as materialized (select 1 as x), b as (select x from a union select x + 1 from a) select * from b",
        "with i as (insert into o (id, t_id) values (1, 2) returning *), u as (update t set b = 1 returning id) \
         select * from i, u",
        "with w as (select 1 as x) insert into o (id, t_id) select x, x from w returning id",
        "insert into o default values",
        "insert into o (id, name) values (1, null), (2, 'x') on conflict do nothing",
        "insert into o as q (id) values (1) on conflict on constraint o_pkey do update set name = q.name || excluded.name",
        "update o set name = default, t_id = (select max(id) from t) where id in (1, 2, 3)",
        "update o x set name = 'a' from t where t.id = x.t_id and t.v = $1",
        "delete from o where id = any($1)",
        "select id from t where id = 1 for no key update of t nowait",
        "select o.id from o join t on t.id = o.t_id where t.id = 1 order by o.id limit 1 for share of o",
        "merge into o using t on o.t_id = t.id when matched then update set name = t.tx \
         when not matched then insert (id, t_id) values (t.id, t.id)",
        "select * from t a cross join o b, lateral (select a.id + b.id) c(q) where q > 1",
        "select x.n from generate_series(1, 2) as x(n) left join generate_series(1, 3) y on y = x.n",
        "select current_date, current_timestamp, localtime, current_timestamp(3)",
        "select coalesce(null, 1), row(1, 'a'), array[[1, 2], [3, 4]], -id, +id, ~id, @ id from t",
        "select 1 as a, generate_series(1, 2), upper('x') order by 2 desc limit 3",
        "select tableoid from (select t.tableoid from t) q",
        "table o",
        "values (1, 'a'), (2, null) order by column1 desc limit 1",
        "select grouping(t_id), t_id, sum(id) from o group by cube (t_id), ()",
        "select bool_and(bo) from t where bo is true and bo is not null and v is distinct from 'x'",
    ];
    let wrong: Vec<String> = statements
        .iter()
        .filter_map(|text| planned(text, &[]).err().map(|error| format!("{text}\n    {error}")))
        .collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

// PG-137 and the table after it
#[test]
fn stored_expressions_print_as_in_postgresql() {
    let catalogs = catalogs();
    let style = TextStyle::default();
    let context = BindContext {
        catalogs: &catalogs,
        database: 5,
        search_path: &[PG_CATALOG, PUBLIC],
        style: &style,
        user: 10,
        source: &NoRelations,
        variables: None,
    };
    let table = catalogs.database(5).and_then(|catalog| catalog.table(TableId(16_384))).cloned();
    let cases = [
        ("'x'", Some(DataType::VARCHAR), "'x'::character varying"),
        ("'it''s'", Some(DataType::TEXT), "'it''s'::text"),
        ("'z'", Some(DataType::BPCHAR), "'z'::bpchar"),
        ("-1", Some(DataType::INT4), "'-1'::integer"),
        ("1.5", Some(DataType::NUMERIC), "1.5"),
        ("true", Some(DataType::BOOL), "true"),
        ("1+2", Some(DataType::INT4), "(1 + 2)"),
        ("now()", Some(DataType::TIMESTAMPTZ), "now()"),
        ("current_timestamp", Some(DataType::TIMESTAMPTZ), "CURRENT_TIMESTAMP"),
        ("current_date", Some(DataType::DATE), "CURRENT_DATE"),
        ("'{}'", Some(DataType::JSONB), "'{}'::jsonb"),
        ("'{}'", Some(DataType::new(1007)), "'{}'::integer[]"),
        ("array['x']", None, "ARRAY['x'::text]"),
        ("'1 day'", Some(DataType::INTERVAL), "'1 day'::interval"),
        ("id*2", None, "(id * 2)"),
        ("id >= 0 and v <> 'q'", None, "((id >= 0) AND ((v)::text <> 'q'::text))"),
        ("v in ('a','b')", None, "((v)::text = ANY ((ARRAY['a'::character varying, 'b'::character varying])::text[]))"),
        ("lower(v)", None, "lower((v)::text)"),
        ("n > 0", None, "(n > (0)::numeric)"),
    ];
    let wrong: Vec<String> = cases
        .iter()
        .filter_map(|(text, ty, expected)| {
            let found = super::deparse::stored_text(&context, text, table.as_ref(), *ty, false);
            let found = found.unwrap_or_else(|error| error.to_string());
            (found != *expected).then(|| format!("{text}: expected {expected}, found {found}"))
        })
        .collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

fn explained(text: &str) -> String {
    let catalogs = catalogs();
    let style = TextStyle::default();
    let context = BindContext {
        catalogs: &catalogs,
        database: 5,
        search_path: &[PG_CATALOG, PUBLIC],
        style: &style,
        user: 10,
        source: &NoRelations,
        variables: None,
    };
    let plan = planned(text, &[]).expect("it plans");
    let options = super::explain::ExplainOptions { costs: false, timing: false, verbose: false };
    super::explain::explain_text(&plan, &context, options, &super::explain::Actuals::new()).join("\n")
}

#[test]
fn explain_has_postgresqls_shape() {
    assert_eq!(explained("select * from t where id = 1"), "Index Scan using t_pkey on t\n  Index Cond: (id = 1)");
    assert_eq!(
        explained("select id from t where b > 1 order by tx"),
        "Sort\n  Sort Key: tx\n  ->  Seq Scan on t\n        Filter: (b > 1)"
    );
}

#[test]
fn large_inserts_and_lists_are_not_quadratic() {
    let rows: Vec<String> = (0..20_000).map(|n| format!("({n}, {n}, 'x')")).collect();
    assert!(planned(&format!("insert into o values {}", rows.join(", ")), &[]).is_ok());
    let list: Vec<String> = (0..10_000).map(|n| n.to_string()).collect();
    assert!(planned(&format!("select 1 from t where id in ({})", list.join(",")), &[]).is_ok());
}
