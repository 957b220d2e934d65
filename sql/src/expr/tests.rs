//! Calls and their results as PostgreSQL 15.18 gives them, through resolution and evaluation with a small runtime.
use std::cell::Cell;
use std::sync::Arc;

use super::*;
use crate::catalog::CatalogSet;
use crate::error::{Result, SqlError, SqlState};
use crate::types::{CastContext, Oid, Row, TextStyle, from_text, oid, to_text, type_by_name};

/// A session with nothing in it.
#[derive(Default)]
pub(super) struct Alone {
    random: Cell<u64>,
}

impl Runtime for Alone {
    fn subquery(&self, _: SubplanId, _: &EvalContext<'_>, _: &[Value], limit: usize) -> Result<Arc<SubqueryResult>> {
        let rows = [Value::Int4(1), Value::Null, Value::Int4(3)];
        Ok(Arc::new(rows.into_iter().take(limit).map(|value| vec![value]).collect()))
    }
    fn hashed_any(
        &self,
        _: SubplanId,
        _: &SubqueryKind,
        _: &EvalContext<'_>,
        _: &[Value],
        _: &[Value],
    ) -> Result<Option<Option<bool>>> {
        Ok(None)
    }
    fn catalogs(&self) -> Arc<CatalogSet> {
        Arc::new(CatalogSet::default())
    }
    fn database(&self) -> Oid {
        5
    }
    fn users(&self) -> (Oid, Oid) {
        (10, 10)
    }
    fn search_path(&self, _: bool) -> Vec<Oid> {
        vec![11]
    }
    fn setting(&self, name: &str) -> Option<String> {
        (name == "work_mem").then(|| "4MB".to_owned())
    }
    fn set_setting(&self, _: &str, value: Option<&str>, _: bool) -> Result<String> {
        Ok(value.unwrap_or_default().to_owned())
    }
    fn transaction_time(&self) -> i64 {
        1
    }
    fn statement_time(&self) -> i64 {
        2
    }
    fn clock_time(&self) -> i64 {
        3
    }
    fn random(&self) -> u64 {
        self.random.set(self.random.get().wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1));
        self.random.get()
    }
    fn set_seed(&self, seed: f64) {
        self.random.set(seed.to_bits());
    }
    fn next_value(&self, sequence: Oid) -> Result<i64> {
        Ok(i64::from(sequence))
    }
    fn current_value(&self, sequence: Oid) -> Result<i64> {
        Ok(i64::from(sequence))
    }
    fn last_value(&self) -> Result<i64> {
        Ok(0)
    }
    fn sequence_state(&self, _: Oid) -> Result<(i64, bool)> {
        Ok((1, false))
    }
    fn set_value(&self, _: Oid, value: i64, _: bool) -> Result<i64> {
        Ok(value)
    }
    fn notify(&self, _: &str, _: &str) -> Result<()> {
        Ok(())
    }
    fn listening(&self) -> Vec<String> {
        vec!["news".to_owned()]
    }
    fn advisory_lock(&self, _: i64, _: bool, _: bool, _: bool, _: bool) -> Result<bool> {
        Ok(true)
    }
    fn advisory_unlock(&self, _: i64, _: bool, _: bool) -> Result<bool> {
        Ok(true)
    }
    fn advisory_unlock_all(&self) {}
    fn sleep(&self, _: f64) -> Result<()> {
        Ok(())
    }
    fn check_cancel(&self) -> Result<()> {
        Ok(())
    }
    fn backend_pid(&self) -> i32 {
        42
    }
    fn signal_backend(&self, _: i32, _: bool) -> Result<bool> {
        Ok(false)
    }
    fn transaction_id(&self) -> u64 {
        7
    }
    fn notice(&self, _: SqlError) {}
    fn table_size(&self, _: Oid) -> (u64, u64) {
        (1, 8192)
    }
    fn deparse(&self, kind: &str, _: &[Value]) -> Result<Value> {
        Ok(Value::text(kind))
    }
}

/// Runs with a context over `params`.
fn with_context<T>(params: &[Value], run: impl FnOnce(&EvalContext<'_>) -> T) -> T {
    let (style, runtime) = (TextStyle::default(), Alone::default());
    run(&EvalContext { params, style: &style, outer: None, runtime: &runtime })
}

/// `type:text` as a constant; `?:text` is an untyped literal.
fn constant(text: &str) -> Expr {
    let (ty, text) = text.split_once(':').expect("type:text");
    let ty = if ty == "?" { DataType::UNKNOWN } else { DataType::new(type_by_name(ty).expect("a type").oid) };
    let value = if text == "NULL" {
        Value::Null
    } else if ty == DataType::UNKNOWN {
        Value::text(text)
    } else {
        from_text(text, ty, &TextStyle::default()).expect(text)
    };
    Expr::Const(value, ty)
}

fn coerce(expr: Expr, to: Oid) -> Expr {
    let from = expr.data_type();
    if from.oid == to || to == oid::ANY || to == oid::UNKNOWN {
        return expr;
    }
    Expr::Cast { input: Box::new(expr), to: DataType::new(to), context: CastContext::Implicit }
}

fn shown(value: &Value, ty: DataType) -> String {
    if value.is_null() {
        return "NULL".to_owned();
    }
    let mut out = String::new();
    to_text(value, ty, &TextStyle::default(), &mut out);
    out
}

fn bind(name: &str, args: Vec<Expr>) -> Result<(Expr, DataType)> {
    let types: Vec<Oid> = args.iter().map(|arg| arg.data_type().oid).collect();
    let (function, wanted, result) = if let Some(operator) = name.strip_prefix("op:") {
        let (left, right) = if types.len() == 2 { (Some(types[0]), types[1]) } else { (None, types[0]) };
        let found = resolve_operator(operator, left, right)?;
        (found.operator.function, found.left.into_iter().chain([found.right]).collect(), found.result)
    } else {
        let found = resolve_function(name, &types, false)?;
        let Target::Function(function) = found.target else { return Err(SqlError::internal("not a function")) };
        (function, found.arg_types, found.result)
    };
    let args = args.into_iter().zip(wanted).map(|(arg, ty)| coerce(arg, ty)).collect();
    let ty = DataType::new(result);
    Ok((Expr::Call { function, args, ty }, ty))
}

fn run(name: &str, args: &[&str]) -> Result<String> {
    let (expr, ty) = bind(name, args.iter().map(|arg| constant(arg)).collect())?;
    let Expr::Call { function, args, .. } = &expr else { return Err(SqlError::internal("a call")) };
    with_context(&[], |ctx| match function.body {
        FunctionBody::Scalar(_) => Ok(shown(&eval(&expr, &[], ctx)?, ty)),
        FunctionBody::Set(body) => {
            let values = args.iter().map(|arg| eval(arg, &[], ctx)).collect::<Result<Vec<_>>>()?;
            let arg_types: Vec<DataType> = args.iter().map(Expr::data_type).collect();
            let rows: Vec<Row> = body(&Call { ctx, args: &values, arg_types: &arg_types, result: ty })?;
            Ok(rows.iter().map(|row| shown(&row[0], ty)).collect::<Vec<_>>().join(";"))
        }
    })
}

/// (function, or `op:` and an operator; arguments; result)
#[rustfmt::skip]
const CALLS: &[(&str, &[&str], &str)] = &[
    ("lower", &["text:ABC"], "abc"),
    ("initcap", &["text:hello wORLD x1y"], "Hello World X1y"),
    ("length", &["bpchar:ab   "], "2"),
    ("substr", &["text:alphabet", "int4:3", "int4:2"], "ph"),
    ("substring", &["text:Thomas", "int4:-1", "int4:5"], "Tho"),
    ("substring", &["text:Thomas", "text:...$"], "mas"),
    ("substring", &["text:foobar", "text:o(.)b"], "o"),
    ("substring", &["text:abcdefg", "text:a#\"%#\"g", "text:#"], "bcdef"),
    ("overlay", &["text:Txxxxas", "text:hom", "int4:2", "int4:4"], "Thomas"),
    ("position", &["text:Thomas", "text:om"], "3"),
    ("replace", &["text:abcdefabcdef", "text:cd", "text:XX"], "abXXefabXXef"),
    ("translate", &["text:12345", "text:143", "text:ax"], "a2x5"),
    ("btrim", &["text:xyxtrimyyx", "text:xyz"], "trim"),
    ("ltrim", &["text:  a "], "a "),
    ("lpad", &["text:hi", "int4:5", "text:xy"], "xyxhi"),
    ("rpad", &["text:hi", "int4:5"], "hi   "),
    ("lpad", &["text:hello", "int4:2"], "he"),
    ("left", &["text:abcde", "int4:-2"], "abc"),
    ("right", &["text:abcde", "int4:-2"], "cde"),
    ("left", &["text:äöü", "int4:2"], "äö"),
    ("concat_ws", &["text:,", "text:a", "int4:1", "bool:t"], "a,1,t"),
    ("concat", &["text:a", "bool:t", "float8:1.5"], "at1.5"),
    ("split_part", &["text:a,b,c", "text:,", "int4:-1"], "c"),
    ("repeat", &["text:Pg", "int4:3"], "PgPgPg"),
    ("reverse", &["text:abcde"], "edcba"),
    ("ascii", &["text:x"], "120"),
    ("chr", &["int4:228"], "ä"),
    ("md5", &["text:abc"], "900150983cd24fb0d6963f7d28e17f72"),
    ("encode", &["bytea:\\x1234", "text:base64"], "EjQ="),
    ("encode", &["bytea:\\x00ff41", "text:escape"], "\\000\\377A"),
    ("decode", &["text:MTIz", "text:base64"], "\\x313233"),
    ("sha256", &["bytea:abc"], "\\xba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"),
    ("to_hex", &["int4:-1"], "ffffffff"),
    ("to_hex", &["int8:255"], "ff"),
    ("format", &["text:%s %I %L %%", "text:a", "text:B c", "text:it's"], "a \"B c\" 'it''s' %"),
    ("format", &["text:%2$s-%1$s", "text:x", "text:y"], "y-x"),
    ("format", &["text:[%5s][%-5s]", "text:x", "text:y"], "[    x][y    ]"),
    ("quote_ident", &["text:select"], "\"select\""),
    ("quote_ident", &["text:a b"], "\"a b\""),
    ("quote_literal", &["text:a\\b"], "E'a\\\\b'"),
    ("quote_nullable", &["text:x"], "'x'"),
    ("regexp_replace", &["text:foobarbaz", "text:b..", "text:X", "text:g"], "fooXX"),
    ("regexp_replace", &["text:foobarbaz", "text:b(..)", "text:X\\1Y", "text:g"], "fooXarYXazY"),
    ("regexp_replace", &["text:Thomas", "text:.[mN]a.", "text:M"], "ThM"),
    ("regexp_match", &["text:foobarbequebaz", "text:(bar)(beque)"], "{bar,beque}"),
    ("regexp_matches", &["text:foobarbequebazilbarfbonk", "text:(b[^b]+)(b[^b]+)", "text:g"], "{bar,beque};{bazil,barf}"),
    ("regexp_split_to_array", &["text:hello world", "text:\\s+"], "{hello,world}"),
    ("regexp_split_to_array", &["text:abc", "text:"], "{a,b,c}"),
    ("regexp_split_to_table", &["text:the quick  fox", "text:\\s+"], "the;quick;fox"),
    ("regexp_count", &["text:123456789012", "text:\\d\\d\\d", "int4:2"], "3"),
    ("regexp_instr", &["text:ABCDEF", "text:c(.)(..)", "int4:1", "int4:1", "int4:0", "text:i"], "3"),
    ("regexp_substr", &["text:ABCDEF", "text:c(.)(..)", "int4:1", "int4:1", "text:i", "int4:2"], "EF"),
    ("regexp_like", &["text:Hello", "text:hello", "text:i"], "t"),
    ("starts_with", &["text:alphabet", "text:alph"], "t"),
    ("string_to_array", &["text:xx~~yy~~zz", "text:~~", "text:yy"], "{xx,NULL,zz}"),
    ("array_to_string", &["_int4:{1,2,NULL,5}", "text:,", "text:*"], "1,2,*,5"),
    ("like_escape", &["text:a#%b", "text:#"], "a\\%b"),
    ("parse_ident", &["text:\"SomeSchema\".someTable"], "{SomeSchema,sometable}"),
    ("unistr", &["text:d\\0061t\\+000061"], "data"),
    ("bit_length", &["text:jose"], "32"),
    ("octet_length", &["text:jösé"], "6"),
    ("abs", &["int4:-5"], "5"),
    ("abs", &["numeric:-5.50"], "5.50"),
    ("ceil", &["float8:-42.8"], "-42"),
    ("floor", &["numeric:-42.8"], "-43"),
    ("round", &["numeric:2.5"], "3"),
    ("round", &["float8:2.5"], "2"),
    ("round", &["numeric:42.4382", "int4:2"], "42.44"),
    ("trunc", &["numeric:-42.4382", "int4:2"], "-42.43"),
    ("mod", &["int4:-7", "int4:3"], "-1"),
    ("mod", &["numeric:7.5", "numeric:2"], "1.5"),
    ("power", &["float8:9", "float8:3"], "729"),
    ("power", &["numeric:2", "numeric:0.5"], "1.4142135623730950"),
    ("sqrt", &["numeric:2"], "1.414213562373095"),
    ("sqrt", &["float8:2"], "1.4142135623730951"),
    ("exp", &["numeric:1"], "2.7182818284590452"),
    ("ln", &["numeric:2"], "0.6931471805599453"),
    ("log", &["numeric:2", "numeric:64"], "6.0000000000000000"),
    ("log", &["float8:100"], "2"),
    ("sign", &["numeric:-8.4"], "-1"),
    ("div", &["numeric:9", "numeric:4"], "2"),
    ("gcd", &["int4:1071", "int4:462"], "21"),
    ("lcm", &["int4:1071", "int4:462"], "23562"),
    ("factorial", &["int8:20"], "2432902008176640000"),
    ("scale", &["numeric:8.4100"], "4"),
    ("min_scale", &["numeric:8.4100"], "2"),
    ("trim_scale", &["numeric:8.4100"], "8.41"),
    ("width_bucket", &["float8:5.35", "float8:0.024", "float8:10.06", "int4:5"], "3"),
    ("sind", &["float8:30"], "0.5"),
    ("cosd", &["float8:60"], "0.5"),
    ("atan2d", &["float8:1", "float8:1"], "45"),
    ("degrees", &["float8:0.5"], "28.64788975654116"),
    ("extract", &["text:epoch", "timestamptz:2001-02-16 20:38:40.12+00"], "982355920.120000"),
    ("extract", &["text:century", "timestamp:2000-12-16 12:21:13"], "20"),
    ("extract", &["text:dow", "timestamp:2001-02-16 20:38:40"], "5"),
    ("extract", &["text:week", "date:2005-01-02"], "53"),
    ("extract", &["text:isoyear", "date:2006-01-01"], "2005"),
    ("extract", &["text:second", "time:17:12:28.5"], "28.500000"),
    ("extract", &["text:epoch", "interval:5 days 3 hours"], "442800.000000"),
    ("extract", &["text:month", "interval:2 years 13 months"], "1"),
    ("extract", &["text:julian", "timestamp:2006-01-01 12:00"], "2453737.50000000000000000000"),
    ("extract", &["text:year", "date:0044-03-15 BC"], "-44"),
    ("extract", &["text:century", "date:0044-03-15 BC"], "-1"),
    ("extract", &["text:decade", "date:0044-03-15 BC"], "-5"),
    ("extract", &["text:quarter", "date:2001-02-16"], "1"),
    ("extract", &["text:millisecond", "time:17:12:28.5"], "28500.000"),
    ("extract", &["text:timezone", "timestamptz:2001-02-16 20:38:40+02"], "0"),
    ("extract", &["text:epoch", "date:2001-02-16"], "982281600"),
    ("date_part", &["text:hour", "date:2001-02-16"], "0"),
    ("date_part", &["text:epoch", "timestamp:2001-02-16 20:38:40.12"], "982355920.12"),
    ("date_trunc", &["text:hour", "timestamp:2001-02-16 20:38:40"], "2001-02-16 20:00:00"),
    ("date_trunc", &["text:week", "timestamptz:2001-02-16 20:38:40+00"], "2001-02-12 00:00:00+00"),
    ("date_trunc", &["text:day", "timestamptz:2001-02-16 20:38:40+00", "text:Australia/Sydney"], "2001-02-16 13:00:00+00"),
    ("date_trunc", &["text:hour", "interval:3 days 02:47:33"], "3 days 02:00:00"),
    ("date_bin", &["interval:15 minutes", "timestamp:2020-02-11 15:44:17", "timestamp:2001-01-01"], "2020-02-11 15:30:00"),
    ("age", &["timestamp:2001-04-10", "timestamp:1957-06-13"], "43 years 9 mons 27 days"),
    ("make_date", &["int4:2013", "int4:7", "int4:15"], "2013-07-15"),
    ("make_time", &["int4:8", "int4:15", "float8:23.5"], "08:15:23.5"),
    ("make_timestamp", &["int4:2013", "int4:7", "int4:15", "int4:8", "int4:15", "float8:23.5"], "2013-07-15 08:15:23.5"),
    ("make_timestamptz", &["int4:2013", "int4:7", "int4:15", "int4:8", "int4:15", "float8:23.5", "text:America/New_York"], "2013-07-15 12:15:23.5+00"),
    ("make_interval", &["int4:1", "int4:2", "int4:3", "int4:4"], "1 year 2 mons 25 days"),
    ("justify_interval", &["interval:1 mon -1 hour"], "29 days 23:00:00"),
    ("to_timestamp", &["float8:1284352323.5"], "2010-09-13 04:32:03.5+00"),
    ("timezone", &["text:America/Denver", "timestamp:2001-02-16 20:38:40"], "2001-02-17 03:38:40+00"),
    ("timezone", &["text:America/Denver", "timestamptz:2001-02-16 20:38:40-05"], "2001-02-16 18:38:40"),
    ("timezone", &["interval:-08:00", "timestamptz:2001-02-16 20:38:40-05"], "2001-02-16 17:38:40"),
    ("timezone", &["text:+02:00", "timestamptz:2001-02-16 20:38:40+00"], "2001-02-16 18:38:40"),
    ("overlaps", &["date:2001-02-16", "date:2001-12-21", "date:2001-10-30", "date:2002-10-30"], "t"),
    ("isfinite", &["timestamp:infinity"], "f"),
    ("to_char", &["timestamp:2002-04-20 17:31:12.66", "text:HH12:MI:SS"], "05:31:12"),
    ("to_char", &["timestamp:2002-04-20 17:31:12.66", "text:Day, DD  HH12:MI:SS"], "Saturday , 20  05:31:12"),
    ("to_char", &["timestamp:2002-04-20 17:31:12.66", "text:FMDay, FMDD  HH12:MI:SS AM"], "Saturday, 20  05:31:12 PM"),
    ("to_char", &["timestamp:2002-04-20 17:31:12.66", "text:YYYY-MM-DD HH24:MI:SS.MS US"], "2002-04-20 17:31:12.660 660000"),
    ("to_char", &["timestamp:2002-04-01 07:31:12.66", "text:Month MON mon DDth Dy D ID DDD IDDD WW IW W Q CC J RM"], "April     APR apr 01st Mon 2 1 091 092 13 14 1 2 21 2452366 IV  "),
    ("to_char", &["timestamp:2002-04-01 07:31:12.66", "text:Y,YYY YYY YY Y IYYY IY BC SSSS FF1 FF3"], "2,002 002 02 2 2002 02 AD 27072 6 660"),
    ("to_char", &["timestamptz:2002-04-01 07:31:12.66+00", "text:YYYY-MM-DD\"T\"HH24:MI:SS TZ OF TZH:TZM"], "2002-04-01T07:31:12 UTC +00 +00:00"),
    ("to_char", &["interval:15h 2m 12s", "text:HH24:MI:SS"], "15:02:12"),
    ("to_char", &["int4:125", "text:999"], " 125"),
    ("to_char", &["float8:125.8", "text:999D9"], " 125.8"),
    ("to_char", &["numeric:-125.8", "text:999D99S"], "125.80-"),
    ("to_char", &["numeric:-0.1", "text:99.99"], "  -.10"),
    ("to_char", &["numeric:-0.1", "text:FM9.99"], "-.1"),
    ("to_char", &["numeric:0.1", "text:0.9"], " 0.1"),
    ("to_char", &["numeric:12", "text:9990999.9"], "    0012.0"),
    ("to_char", &["numeric:12", "text:FM9990999.9"], "0012."),
    ("to_char", &["int4:485", "text:999"], " 485"),
    ("to_char", &["int4:-485", "text:999"], "-485"),
    ("to_char", &["int4:485", "text:9 9 9"], " 4 8 5"),
    ("to_char", &["int4:1485", "text:9,999"], " 1,485"),
    ("to_char", &["int4:1485", "text:9G999"], " 1,485"),
    ("to_char", &["numeric:148.5", "text:999.999"], " 148.500"),
    ("to_char", &["numeric:148.5", "text:FM999.999"], "148.5"),
    ("to_char", &["numeric:148.5", "text:FM999.990"], "148.500"),
    ("to_char", &["int4:-485", "text:999S"], "485-"),
    ("to_char", &["int4:-485", "text:999MI"], "485-"),
    ("to_char", &["int4:485", "text:999MI"], "485 "),
    ("to_char", &["int4:485", "text:FM999MI"], "485"),
    ("to_char", &["int4:485", "text:PL999"], "+ 485"),
    ("to_char", &["int4:485", "text:SG999"], "+485"),
    ("to_char", &["int4:-485", "text:SG999"], "-485"),
    ("to_char", &["int4:-485", "text:9SG99"], "4-85"),
    ("to_char", &["int4:-485", "text:999PR"], "<485>"),
    ("to_char", &["int4:485", "text:RN"], "        CDLXXXV"),
    ("to_char", &["int4:485", "text:FMRN"], "CDLXXXV"),
    ("to_char", &["int4:482", "text:999th"], " 482nd"),
    ("to_char", &["int4:485", "text:\"Good number:\"999"], "Good number: 485"),
    ("to_char", &["numeric:485.8", "text:\"Pre:\"999\" Post:\" .999"], "Pre: 485 Post: .800"),
    ("to_char", &["int4:12", "text:99V999"], " 12000"),
    ("to_char", &["numeric:12.4", "text:99V999"], " 12400"),
    ("to_char", &["numeric:0.0004859", "text:9.99EEEE"], " 4.86e-04"),
    ("to_char", &["int4:1234567", "text:FM999,999,999"], "1,234,567"),
    ("to_char", &["int4:1234", "text:999"], " ###"),
    ("to_char", &["numeric:1234.5", "text:FM0000000.00"], "0001234.50"),
    ("to_char", &["int4:0", "text:FM999.99"], "0."),
    ("to_char", &["int4:5", "text:00"], " 05"),
    ("to_char", &["int4:-5", "text:S00"], "-05"),
    ("to_char", &["numeric:1.5", "text:FM$9,990.00"], "$1.50"),
    ("to_number", &["text:12,454.8-", "text:99G999D9S"], "-12454.8"),
    ("to_number", &["text:-1.50", "text:9.99"], "-1.50"),
    ("to_number", &["text:$1,234.56", "text:L9,999.99"], "1234.56"),
    ("to_date", &["text:05 Dec 2000", "text:DD Mon YYYY"], "2000-12-05"),
    ("to_date", &["text:20000102", "text:YYYYMMDD"], "2000-01-02"),
    ("to_timestamp", &["text:2000-06-05 13:14:15.678", "text:YYYY-MM-DD HH24:MI:SS.MS"], "2000-06-05 13:14:15.678+00"),
    ("to_timestamp", &["text:05/12/00 01:30 PM", "text:DD/MM/YY HH12:MI PM"], "2000-12-05 13:30:00+00"),
    ("to_date", &["text:2005-45-3", "text:IYYY-IW-ID"], "2005-11-09"),
    ("array_append", &["_int4:{1,2}", "int4:3"], "{1,2,3}"),
    ("array_prepend", &["int4:0", "_int4:{1,2}"], "{0,1,2}"),
    ("array_cat", &["_int4:{1,2}", "_int4:{3}"], "{1,2,3}"),
    ("array_cat", &["_int4:{{1,2}}", "_int4:{3,4}"], "{{1,2},{3,4}}"),
    ("array_dims", &["_int4:{{1,2},{3,4}}"], "[1:2][1:2]"),
    ("array_lower", &["_int4:[0:2]={1,2,3}", "int4:1"], "0"),
    ("array_upper", &["_int4:{1,2,3}", "int4:1"], "3"),
    ("array_length", &["_int4:{}", "int4:1"], "NULL"),
    ("cardinality", &["_int4:{{1,2},{3,4}}"], "4"),
    ("array_position", &["_text:{sun,mon,tue}", "text:mon"], "2"),
    ("array_positions", &["_text:{A,A,B,A}", "text:A"], "{1,2,4}"),
    ("array_remove", &["_int4:{1,2,3,2}", "int4:2"], "{1,3}"),
    ("array_replace", &["_int4:{1,2,5,4}", "int4:5", "int4:3"], "{1,2,3,4}"),
    ("array_fill", &["int4:11", "_int4:{2,3}"], "{{11,11,11},{11,11,11}}"),
    ("trim_array", &["_int4:{1,2,3,4,5,6}", "int4:2"], "{1,2,3,4}"),
    ("unnest", &["_int4:{1,2}"], "1;2"),
    ("generate_series", &["int4:2", "int4:4"], "2;3;4"),
    ("generate_series", &["int4:5", "int4:1", "int4:-2"], "5;3;1"),
    ("generate_series", &["numeric:1.1", "numeric:2.3", "numeric:0.5"], "1.1;1.6;2.1"),
    ("generate_series", &["timestamp:2008-03-01", "timestamp:2008-03-02", "interval:10 hours"], "2008-03-01 00:00:00;2008-03-01 10:00:00;2008-03-01 20:00:00"),
    ("generate_subscripts", &["_int4:{5,6}", "int4:1"], "1;2"),
    ("num_nulls", &["int4:1", "text:x"], "0"),
    ("num_nonnulls", &["int4:1", "text:x"], "2"),
    ("json_build_object", &["text:a", "int4:1", "text:b", "bool:t"], "{\"a\" : 1, \"b\" : true}"),
    ("jsonb_build_object", &["text:a", "int4:1", "text:b", "bool:t"], "{\"a\": 1, \"b\": true}"),
    ("json_build_array", &["int4:1", "text:x", "numeric:1.50"], "[1, \"x\", 1.50]"),
    ("jsonb_build_array", &["int4:1", "text:x", "float8:1.5"], "[1, \"x\", 1.5]"),
    ("to_json", &["text:Fred said \"Hi.\""], "\"Fred said \\\"Hi.\\\"\""),
    ("to_jsonb", &["timestamptz:2001-02-16 20:38:40.5+00"], "\"2001-02-16T20:38:40.5+00:00\""),
    ("to_json", &["_int4:{{1,2},{3,4}}"], "[[1,2],[3,4]]"),
    ("to_json", &["date:2001-02-16"], "\"2001-02-16\""),
    ("json_object", &["_text:{a,1,b,def}"], "{\"a\" : \"1\", \"b\" : \"def\"}"),
    ("jsonb_object", &["_text:{a,b}", "_text:{1,2}"], "{\"a\": \"1\", \"b\": \"2\"}"),
    ("json_array_length", &["json:[1,2,3,{\"f1\":1},4]"], "5"),
    ("jsonb_array_length", &["jsonb:[1,2]"], "2"),
    ("json_object_keys", &["json:{\"f1\":\"abc\",\"f2\":{\"f3\":\"a\"}}"], "f1;f2"),
    ("json_typeof", &["json:-123.4"], "number"),
    ("jsonb_typeof", &["jsonb:null"], "null"),
    ("jsonb_set", &["jsonb:[{\"f1\":1,\"f2\":null},2]", "_text:{0,f1}", "jsonb:[2,3,4]", "bool:f"], "[{\"f1\": [2, 3, 4], \"f2\": null}, 2]"),
    ("jsonb_set", &["jsonb:[{\"f1\":1,\"f2\":null},2]", "_text:{0,f3}", "jsonb:[2,3,4]"], "[{\"f1\": 1, \"f2\": null, \"f3\": [2, 3, 4]}, 2]"),
    ("jsonb_insert", &["jsonb:{\"a\": [0,1,2]}", "_text:{a, 1}", "jsonb:\"new_value\""], "{\"a\": [0, \"new_value\", 1, 2]}"),
    ("jsonb_insert", &["jsonb:{\"a\": [0,1,2]}", "_text:{a, 1}", "jsonb:\"new_value\"", "bool:t"], "{\"a\": [0, 1, \"new_value\", 2]}"),
    ("json_strip_nulls", &["json:[{\"f1\":1,\"f2\":null}, 2, null, 3]"], "[{\"f1\":1},2,null,3]"),
    ("jsonb_strip_nulls", &["jsonb:{\"a\":{\"b\":null},\"c\":1}"], "{\"a\": {}, \"c\": 1}"),
    ("jsonb_pretty", &["jsonb:[{\"f1\":1},2]"], "[\n    {\n        \"f1\": 1\n    },\n    2\n]"),
    ("json_array_elements", &["json:[1,true, [2,false]]"], "1;true;[2,false]"),
    ("jsonb_array_elements_text", &["jsonb:[\"foo\", \"bar\"]"], "foo;bar"),
    ("json_extract_path", &["json:{\"f2\":{\"f3\":1},\"f4\":{\"f5\":99,\"f6\":\"foo\"}}", "text:f4", "text:f6"], "\"foo\""),
    ("jsonb_extract_path_text", &["jsonb:{\"f4\":{\"f6\":\"foo\"}}", "text:f4", "text:f6"], "foo"),
    ("pg_size_pretty", &["int8:123456789"], "118 MB"),
    ("pg_size_pretty", &["numeric:1.5"], "1.5 bytes"),
    ("to_hex", &["int4:2147483647"], "7fffffff"),
    ("op:+", &["int4:1", "int8:2"], "3"),
    ("op:/", &["int4:-7", "int4:2"], "-3"),
    ("op:%", &["int4:-7", "int4:2"], "-1"),
    ("op:/", &["numeric:1", "numeric:3"], "0.33333333333333333333"),
    ("op:*", &["numeric:1.50", "numeric:2.0"], "3.000"),
    ("op:^", &["float8:2", "float8:3"], "8"),
    ("op:^", &["numeric:2", "numeric:-2"], "0.2500000000000000"),
    ("op:|/", &["float8:25"], "5"),
    ("op:-", &["int4:5"], "-5"),
    ("op:@", &["numeric:-5.5"], "5.5"),
    ("op:~", &["int4:1"], "-2"),
    ("op:<<", &["int4:1", "int4:4"], "16"),
    ("op:#", &["int4:17", "int4:5"], "20"),
    ("op:+", &["date:2001-09-28", "int4:7"], "2001-10-05"),
    ("op:+", &["date:2001-09-28", "interval:1 hour"], "2001-09-28 01:00:00"),
    ("op:+", &["date:2001-09-28", "time:03:00"], "2001-09-28 03:00:00"),
    ("op:-", &["date:2001-10-01", "date:2001-09-28"], "3"),
    ("op:-", &["timestamp:2001-09-29 03:00", "timestamp:2001-07-27 12:00"], "63 days 15:00:00"),
    ("op:-", &["time:05:00", "time:03:00"], "02:00:00"),
    ("op:+", &["timestamptz:2001-01-31 10:00+00", "interval:1 month"], "2001-02-28 10:00:00+00"),
    ("op:*", &["interval:1 day 01:30", "float8:3.5"], "3 days 17:15:00"),
    ("op:/", &["interval:1 hour", "float8:1.5"], "00:40:00"),
    ("op:*", &["float8:900", "interval:1 second"], "00:15:00"),
    ("op:=", &["int4:1", "int8:1"], "t"),
    ("op:<", &["date:2001-01-01", "timestamptz:2001-01-01 00:00:01+00"], "t"),
    ("op:=", &["bpchar:a  ", "bpchar:a"], "t"),
    ("op:=", &["name:abc", "text:abc"], "t"),
    ("op:>", &["numeric:NaN", "numeric:5"], "t"),
    ("op:<", &["_int4:{1,2}", "_int4:{1,3}"], "t"),
    ("op:<", &["jsonb:{\"a\":1}", "jsonb:{\"a\":2}"], "t"),
    ("op:=", &["interval:1 day", "interval:24 hours"], "t"),
    ("op:~~", &["text:abc", "text:_b%"], "t"),
    ("op:!~~*", &["text:aBC", "text:Ab_"], "f"),
    ("op:~*", &["text:Foo", "text:fo+$"], "t"),
    ("op:!~", &["text:foo", "text:^b"], "t"),
    ("op:~", &["text:foo.bar", "text:\\."], "t"),
    ("op:^@", &["text:alphabet", "text:alph"], "t"),
    ("op:||", &["text:a", "text:b"], "ab"),
    ("op:@>", &["_int4:{1,4,3}", "_int4:{3,1}"], "t"),
    ("op:&&", &["_int4:{1,4,3}", "_int4:{2,1}"], "t"),
    ("op:<@", &["_int4:{2,2,7}", "_int4:{1,7,4,2,6}"], "t"),
    ("op:->", &["json:[{\"a\":\"foo\"},{\"b\":\"bar\"},{\"c\":\"baz\"}]", "int4:-3"], "{\"a\":\"foo\"}"),
    ("op:->", &["json:{\"a\": {\"b\":\"foo\"}}", "text:a"], "{\"b\":\"foo\"}"),
    ("op:->>", &["json:[1,2,3]", "int4:2"], "3"),
    ("op:#>", &["json:{\"a\": {\"b\": [\"foo\",\"bar\"]}}", "_text:{a,b,1}"], "\"bar\""),
    ("op:#>>", &["jsonb:{\"a\": {\"b\": [\"foo\",\"bar\"]}}", "_text:{a,b,1}"], "bar"),
    ("op:@>", &["jsonb:{\"a\":1, \"b\":2}", "jsonb:{\"b\":2}"], "t"),
    ("op:?", &["jsonb:{\"a\":1, \"b\":2}", "text:b"], "t"),
    ("op:?|", &["jsonb:{\"a\":1, \"b\":2}", "_text:{b,d}"], "t"),
    ("op:-", &["jsonb:[\"a\", \"b\", \"c\", \"b\"]", "text:b"], "[\"a\", \"c\"]"),
    ("op:-", &["jsonb:{\"a\":1}", "_text:{a}"], "{}"),
    ("op:-", &["jsonb:[\"a\",\"b\"]", "int4:1"], "[\"a\"]"),
    ("op:#-", &["jsonb:[\"a\", {\"b\":1}]", "_text:{1,b}"], "[\"a\", {}]"),
];

// PG-113, PG-114, PG-115, PG-116, PG-117, PG-119, PG-120
#[test]
fn calls_give_what_postgresql_gives() {
    let mut wrong = Vec::new();
    for (name, args, expected) in CALLS {
        match run(name, args) {
            Ok(result) if result == *expected => {}
            other => wrong.push(format!("{name}{args:?}: {other:?}, PostgreSQL {expected:?}")),
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

fn op(name: &str, left: Oid, right: Oid) -> std::result::Result<(Oid, Oid, Oid), SqlState> {
    let found = resolve_operator(name, Some(left), right).map_err(|error| error.state())?;
    Ok((found.left.unwrap_or(0), found.right, found.result))
}

// PG-100, PG-102, PG-103
#[test]
fn operators_resolve_as_in_postgresql() {
    use oid::{
        BPCHAR, DATE, FLOAT8, INT2, INT4, INT8, INTERVAL, JSONB, NUMERIC, TEXT, TIMESTAMP, TIMESTAMPTZ, UNKNOWN,
        VARCHAR,
    };
    const TEXTS: Oid = 1009;
    for (name, left, right, expected) in [
        ("=", UNKNOWN, UNKNOWN, Ok((TEXT, TEXT, oid::BOOL))),
        ("+", UNKNOWN, UNKNOWN, Err(SqlState::AMBIGUOUS_FUNCTION)),
        ("+", DATE, UNKNOWN, Err(SqlState::AMBIGUOUS_FUNCTION)),
        ("+", TIMESTAMP, UNKNOWN, Ok((TIMESTAMP, INTERVAL, TIMESTAMP))),
        ("-", TIMESTAMP, UNKNOWN, Ok((TIMESTAMP, TIMESTAMP, INTERVAL))),
        ("-", TIMESTAMPTZ, UNKNOWN, Ok((TIMESTAMPTZ, TIMESTAMPTZ, INTERVAL))),
        ("||", UNKNOWN, UNKNOWN, Ok((TEXT, TEXT, TEXT))),
        ("||", TEXT, INT4, Ok((TEXT, INT4, TEXT))),
        ("||", 1007, UNKNOWN, Ok((1007, 1007, 1007))),
        ("||", 1007, INT4, Ok((1007, INT4, 1007))),
        ("||", JSONB, UNKNOWN, Ok((JSONB, JSONB, JSONB))),
        ("=", VARCHAR, UNKNOWN, Ok((TEXT, TEXT, oid::BOOL))),
        ("=", BPCHAR, UNKNOWN, Ok((BPCHAR, BPCHAR, oid::BOOL))),
        ("~~", TEXT, UNKNOWN, Ok((TEXT, TEXT, oid::BOOL))),
        ("->", JSONB, UNKNOWN, Ok((JSONB, TEXT, JSONB))),
        ("->", JSONB, INT4, Ok((JSONB, INT4, JSONB))),
        ("#>", JSONB, UNKNOWN, Ok((JSONB, TEXTS, JSONB))),
        ("@>", JSONB, UNKNOWN, Ok((JSONB, JSONB, oid::BOOL))),
        ("?", JSONB, UNKNOWN, Ok((JSONB, TEXT, oid::BOOL))),
        ("@>", 1007, UNKNOWN, Ok((1007, 1007, oid::BOOL))),
        ("<", INT2, UNKNOWN, Ok((INT2, INT2, oid::BOOL))),
        (">", NUMERIC, UNKNOWN, Ok((NUMERIC, NUMERIC, oid::BOOL))),
        ("=", INT4, INT8, Ok((INT4, INT8, oid::BOOL))),
        ("=", INT4, NUMERIC, Ok((NUMERIC, NUMERIC, oid::BOOL))),
        ("+", INT4, FLOAT8, Ok((FLOAT8, FLOAT8, FLOAT8))),
        ("^", INT4, INT4, Ok((FLOAT8, FLOAT8, FLOAT8))),
        ("+", INT4, TEXT, Err(SqlState::UNDEFINED_FUNCTION)),
        ("*", INT4, INTERVAL, Ok((FLOAT8, INTERVAL, INTERVAL))),
        ("-", DATE, DATE, Ok((DATE, DATE, INT4))),
    ] {
        assert_eq!(op(name, left, right), expected, "{left} {name} {right}");
    }
    assert!(resolve_operator("-", None, UNKNOWN).is_err_and(|error| error.state() == SqlState::AMBIGUOUS_FUNCTION));
    let error = resolve_operator("+", Some(INT4), TEXT).expect_err("no such operator");
    assert_eq!(error.message(), "operator does not exist: integer + text");
}

// PG-100, PG-102
#[test]
fn functions_resolve_as_in_postgresql() {
    use oid::{FLOAT8, INT4, INT8, NUMERIC, TEXT, TIMESTAMPTZ, UNKNOWN};
    let resolve = |name: &str, args: &[Oid]| {
        resolve_function(name, args, false).map(|found| (found.arg_types, found.result)).map_err(|error| error.state())
    };
    assert_eq!(resolve("substring", &[UNKNOWN, UNKNOWN, UNKNOWN]), Ok((vec![TEXT, TEXT, TEXT], TEXT)));
    assert_eq!(resolve("generate_series", &[INT4, UNKNOWN]), Ok((vec![INT4, INT4], INT4)));
    assert_eq!(resolve("generate_series", &[UNKNOWN, UNKNOWN]), Err(SqlState::AMBIGUOUS_FUNCTION));
    assert_eq!(resolve("pg_advisory_lock", &[UNKNOWN]), Ok((vec![INT8], oid::VOID)));
    assert_eq!(resolve("set_config", &[UNKNOWN; 3]), Ok((vec![TEXT, TEXT, oid::BOOL], TEXT)));
    assert_eq!(resolve("to_char", &[TIMESTAMPTZ, UNKNOWN]), Ok((vec![TIMESTAMPTZ, TEXT], TEXT)));
    assert_eq!(resolve("nextval", &[UNKNOWN]), Ok((vec![oid::REGCLASS], INT8)));
    assert_eq!(resolve("round", &[FLOAT8, INT4]), Err(SqlState::UNDEFINED_FUNCTION));
    assert_eq!(resolve("round", &[INT4]), Ok((vec![FLOAT8], FLOAT8)));
    assert_eq!(resolve("coalesce_all", &[INT4]), Err(SqlState::UNDEFINED_FUNCTION));
    assert_eq!(resolve("sum", &[INT4]), Ok((vec![INT4], INT8)));
    assert_eq!(resolve("avg", &[INT8]), Ok((vec![INT8], NUMERIC)));
    assert_eq!(resolve("count", &[]), Ok((vec![], INT8)));
    assert_eq!(resolve("max", &[oid::VARCHAR]), Ok((vec![TEXT], TEXT)));
    assert_eq!(resolve("array_agg", &[INT4]), Ok((vec![INT4], 1007)));
    assert_eq!(resolve("unnest", &[1007]), Ok((vec![1007], INT4)));
    assert_eq!(resolve("lag", &[TEXT, INT4, UNKNOWN]), Ok((vec![TEXT, INT4, TEXT], TEXT)));
    assert_eq!(resolve("array_position", &[1009, UNKNOWN]), Ok((vec![1009, TEXT], INT4)));
    let found = resolve_function("concat_ws", &[TEXT, 1007], true).expect("concat_ws takes VARIADIC");
    let Target::Function(function) = found.target else { panic!("concat_ws is a function") };
    let args = vec![constant("text:-"), constant("_int4:{1,2}")];
    let call = Expr::Call { function, args, ty: DataType::TEXT };
    assert_eq!(with_context(&[], |ctx| eval(&call, &[], ctx)).ok(), Some(Value::text("1-2")));
    assert_eq!(common_type(&[INT4, UNKNOWN, NUMERIC]).ok(), Some(NUMERIC));
    assert_eq!(common_type(&[UNKNOWN, UNKNOWN]).ok(), Some(TEXT));
    assert_eq!(common_type(&[INT4, TEXT]).map_err(|error| error.state()), Err(SqlState::DATATYPE_MISMATCH));
    let error = resolve_function("f", &[INT4], false).expect_err("no such function");
    assert_eq!(error.message(), "function f(integer) does not exist");
}

fn aggregate(name: &str, rows: &[&[&str]]) -> String {
    let rows: Vec<Vec<Expr>> = rows.iter().map(|row| row.iter().map(|text| constant(text)).collect()).collect();
    let types: Vec<Oid> = rows[0].iter().map(|expr| expr.data_type().oid).collect();
    let found = resolve_function(name, &types, false).expect(name);
    let Target::Aggregate(function) = found.target else { panic!("{name} is no aggregate") };
    let result = DataType::new(found.result);
    let info = AggregateInfo {
        arg_types: found.arg_types.iter().map(|ty| DataType::new(*ty)).collect(),
        result,
        style: TextStyle::default(),
    };
    let mut state = (function.make)(&info);
    for row in rows {
        let values: Vec<Value> = row
            .into_iter()
            .zip(&found.arg_types)
            .map(|(expr, ty)| with_context(&[], |ctx| eval(&coerce(expr, *ty), &[], ctx)).expect("a value"))
            .collect();
        state.add(&values).expect(name);
    }
    shown(&state.result().expect(name), result)
}

// PG-95, PG-118
#[test]
fn aggregates_give_what_postgresql_gives() {
    let ints: &[&[&str]] = &[&["int4:1"], &["int4:2"], &["int4:NULL"], &["int4:4"]];
    for (name, expected) in [
        ("sum", "7"),
        ("avg", "2.3333333333333333"),
        ("count", "3"),
        ("min", "1"),
        ("max", "4"),
        ("variance", "2.3333333333333333"),
        ("stddev", "1.5275252316519467"),
        ("var_pop", "1.5555555555555556"),
        ("stddev_pop", "1.2472191289246471"),
        ("array_agg", "{1,2,NULL,4}"),
        ("json_agg", "[1, 2, null, 4]"),
        ("bit_or", "7"),
    ] {
        assert_eq!(aggregate(name, ints), expected, "{name}");
    }
    let numerics: &[&[&str]] = &[&["numeric:1.50"], &["numeric:2.5"]];
    assert_eq!(aggregate("sum", numerics), "4.00");
    assert_eq!(aggregate("avg", numerics), "2.0000000000000000");
    assert_eq!(aggregate("string_agg", &[&["text:a", "text:,"], &["text:b", "text:,"]]), "a,b");
    assert_eq!(
        aggregate("json_object_agg", &[&["text:a", "int4:1"], &["text:b", "int4:2"]]),
        r#"{ "a" : 1, "b" : 2 }"#
    );
    assert_eq!(aggregate("jsonb_object_agg", &[&["text:b", "int4:1"], &["text:a", "int4:2"]]), r#"{"a": 2, "b": 1}"#);
    assert_eq!(aggregate("percentile_cont", &[&["float8:0.5", "float8:1"], &["float8:0.5", "float8:2"]]), "1.5");
    assert_eq!(aggregate("mode", &[&["text:a"], &["text:b"], &["text:b"]]), "b");
}

#[test]
fn three_valued_logic_and_lists() {
    let yes = || Expr::Const(Value::Bool(true), DataType::BOOL);
    let unknown = || Expr::Const(Value::Null, DataType::BOOL);
    let int = |n: i32| Expr::Const(Value::Int4(n), DataType::INT4);
    with_context(&[], |ctx| {
        let value = |expr: &Expr| eval(expr, &[Value::Int4(7)], ctx).expect("a value");
        assert_eq!(value(&Expr::And(vec![yes(), unknown()])), Value::Null);
        assert_eq!(value(&Expr::Or(vec![unknown(), yes()])), Value::Bool(true));
        for length in [3, 40] {
            let list = |with_null: bool| {
                let mut list: Vec<Expr> = (0..length).map(|n| int(n * 7)).collect();
                if with_null {
                    list.push(Expr::Const(Value::Null, DataType::INT4));
                }
                Arc::new(list)
            };
            let column = || Box::new(Expr::Column(0, DataType::INT4));
            let within = Expr::InList { input: column(), list: list(true), negated: false };
            assert_eq!(value(&within), Value::Bool(true));
            let absent = Expr::InList { input: Box::new(int(8)), list: list(true), negated: true };
            assert_eq!(value(&absent), Value::Null);
            let absent = Expr::InList { input: Box::new(int(8)), list: list(false), negated: true };
            assert_eq!(value(&absent), Value::Bool(true));
        }
        let mut deep = int(1);
        for _ in 0..100_000 {
            deep = Expr::Coalesce(vec![deep], DataType::INT4);
        }
        let error = eval(&deep, &[], ctx).expect_err("too deep");
        assert_eq!(error.state(), SqlState::STATEMENT_TOO_COMPLEX);
        // Dropped piece by piece: a drop of the whole would nest as deeply as the expression.
        while let Expr::Coalesce(mut items, _) = deep {
            deep = items.pop().expect("one item");
        }
    });
}

// PG-110: every operator has its function, every OID is used once.
#[test]
fn the_tables_are_whole() {
    let known = scalar::all_operators();
    assert_eq!(known.len(), operators().len());
    let mut oids: Vec<Oid> = functions().iter().map(|function| function.oid).collect();
    let count = oids.len();
    assert_eq!(count, scalar::all_functions().len(), "an OID stands twice");
    oids.sort_unstable();
    oids.dedup();
    assert_eq!(oids.len(), count);
    assert_eq!(function_by_oid(870).map(|function| function.name), Some("lower"));
}
