//! Comparison operators over every pair of types that PostgreSQL compares, and the btree support functions.
//!
//! One body per operator serves all pairs: it brings both sides to one representation and asks `types::compare`.
use std::cmp::Ordering;

use super::OperatorRow;
use crate::error::Result;
use crate::expr::CompareOp;
use crate::expr::CompareOp::{Equal, Greater, GreaterEqual, Less, LessEqual, NotEqual};
use crate::expr::function::{Call, Function, ScalarFn};
use crate::types::oid::{
    ANYARRAY, ANYENUM, ANYRANGE, BIT, BOOL, BPCHAR, BYTEA, CHAR, CID, DATE, FLOAT4, FLOAT8, INET, INT2, INT4, INT8,
    INTERVAL, JSONB, MACADDR, NAME, NUMERIC, OID, OIDVECTOR, PG_LSN, RECORD, TEXT, TID, TIME, TIMESTAMP, TIMESTAMPTZ,
    TIMETZ, UUID, VARBIT, XID, XID8,
};
use crate::types::{DataType, Oid, TimeZone, Value, compare};

/// (OID of the function, its name, OID of the operator, operator, left type, right type)
type Row = (Oid, &'static str, Oid, CompareOp, Oid, Oid);

/// Orders two non-NULL values of the types that a comparison operator takes.
pub(in crate::expr) fn compare_across(left: &Value, right: &Value, ty: Oid, zone: &TimeZone) -> Ordering {
    const DAY: i64 = 86_400_000_000;
    let date = |days: i32| match days {
        i32::MIN => i64::MIN,
        i32::MAX => i64::MAX,
        days => i64::from(days).saturating_mul(DAY),
    };
    match (left, right) {
        (Value::Text(left), Value::Text(right)) if ty == BPCHAR => {
            left.trim_end_matches(' ').as_bytes().cmp(right.trim_end_matches(' ').as_bytes())
        }
        (Value::Float4(left), Value::Float8(right)) => {
            compare(&Value::Float8(f64::from(*left)), &Value::Float8(*right))
        }
        (Value::Float8(left), Value::Float4(right)) => {
            compare(&Value::Float8(*left), &Value::Float8(f64::from(*right)))
        }
        (Value::Date(left), Value::Timestamp(right)) => date(*left).cmp(right),
        (Value::Timestamp(left), Value::Date(right)) => left.cmp(&date(*right)),
        (Value::Date(left), Value::TimestampTz(right)) => zone.to_utc(date(*left)).cmp(right),
        (Value::TimestampTz(left), Value::Date(right)) => left.cmp(&zone.to_utc(date(*right))),
        (Value::Timestamp(left), Value::TimestampTz(right)) => zone.to_utc(*left).cmp(right),
        (Value::TimestampTz(left), Value::Timestamp(right)) => left.cmp(&zone.to_utc(*right)),
        _ => compare(left, right),
    }
}

impl CompareOp {
    /// Whether the operator holds for this ordering.
    #[must_use]
    #[inline]
    pub fn holds(self, ordering: Ordering) -> bool {
        match self {
            Equal => ordering == Ordering::Equal,
            NotEqual => ordering != Ordering::Equal,
            Less => ordering == Ordering::Less,
            LessEqual => ordering != Ordering::Greater,
            Greater => ordering == Ordering::Greater,
            GreaterEqual => ordering != Ordering::Less,
        }
    }

    /// The operator's name.
    #[must_use]
    pub fn symbol(self) -> &'static str {
        match self {
            Equal => "=",
            NotEqual => "<>",
            Less => "<",
            LessEqual => "<=",
            Greater => ">",
            GreaterEqual => ">=",
        }
    }

    /// The comparison operator of this name.
    #[must_use]
    pub fn from_symbol(name: &str) -> Option<CompareOp> {
        Some(match name {
            "=" => Equal,
            "<>" | "!=" => NotEqual,
            "<" => Less,
            "<=" => LessEqual,
            ">" => Greater,
            ">=" => GreaterEqual,
            _ => return None,
        })
    }
}

fn order(call: &Call<'_>) -> Result<Ordering> {
    let ty = call.arg_types.first().map_or(0, |ty: &DataType| ty.oid);
    match call.args {
        [left, right] => Ok(compare_across(left, right, ty, &call.ctx.style.time_zone)),
        _ => Err(crate::error::SqlError::internal("a comparison takes two values")),
    }
}

fn body(op: CompareOp) -> ScalarFn {
    match op {
        Equal => |call| Ok(Value::Bool(Equal.holds(order(call)?))),
        NotEqual => |call| Ok(Value::Bool(NotEqual.holds(order(call)?))),
        Less => |call| Ok(Value::Bool(Less.holds(order(call)?))),
        LessEqual => |call| Ok(Value::Bool(LessEqual.holds(order(call)?))),
        Greater => |call| Ok(Value::Bool(Greater.holds(order(call)?))),
        GreaterEqual => |call| Ok(Value::Bool(GreaterEqual.holds(order(call)?))),
    }
}

/// The comparison functions.
pub(super) fn functions() -> Vec<Function> {
    let mut all = Vec::with_capacity(COMPARISONS.len());
    for (oid, name, _, op, left, right) in COMPARISONS {
        // The argument slices live as long as the program, so each pair of types is made once.
        let args: &'static [Oid] = Box::leak(Box::new([*left, *right]));
        all.push(Function::new(*oid, name, args, BOOL, body(*op)));
    }
    all
}

/// The comparison operators.
pub(super) fn operators() -> Vec<OperatorRow> {
    COMPARISONS
        .iter()
        .map(|(function, _, oid, op, left, right)| (*oid, op.symbol(), *left, *right, *function))
        .collect()
}

#[rustfmt::skip]
const COMPARISONS: &[Row] = &[
    (56, "boollt", 58, Less, BOOL, BOOL),
    (1691, "boolle", 1694, LessEqual, BOOL, BOOL),
    (84, "boolne", 85, NotEqual, BOOL, BOOL),
    (60, "booleq", 91, Equal, BOOL, BOOL),
    (57, "boolgt", 59, Greater, BOOL, BOOL),
    (1692, "boolge", 1695, GreaterEqual, BOOL, BOOL),
    (1949, "bytealt", 1957, Less, BYTEA, BYTEA),
    (1950, "byteale", 1958, LessEqual, BYTEA, BYTEA),
    (1953, "byteane", 1956, NotEqual, BYTEA, BYTEA),
    (1948, "byteaeq", 1955, Equal, BYTEA, BYTEA),
    (1951, "byteagt", 1959, Greater, BYTEA, BYTEA),
    (1952, "byteage", 1960, GreaterEqual, BYTEA, BYTEA),
    (1246, "charlt", 631, Less, CHAR, CHAR),
    (72, "charle", 632, LessEqual, CHAR, CHAR),
    (70, "charne", 630, NotEqual, CHAR, CHAR),
    (61, "chareq", 92, Equal, CHAR, CHAR),
    (73, "chargt", 633, Greater, CHAR, CHAR),
    (74, "charge", 634, GreaterEqual, CHAR, CHAR),
    (655, "namelt", 660, Less, NAME, NAME),
    (656, "namele", 661, LessEqual, NAME, NAME),
    (659, "namene", 643, NotEqual, NAME, NAME),
    (62, "nameeq", 93, Equal, NAME, NAME),
    (657, "namegt", 662, Greater, NAME, NAME),
    (658, "namege", 663, GreaterEqual, NAME, NAME),
    (241, "namelttext", 255, Less, NAME, TEXT),
    (242, "nameletext", 256, LessEqual, NAME, TEXT),
    (245, "namenetext", 259, NotEqual, NAME, TEXT),
    (240, "nameeqtext", 254, Equal, NAME, TEXT),
    (244, "namegttext", 258, Greater, NAME, TEXT),
    (243, "namegetext", 257, GreaterEqual, NAME, TEXT),
    (469, "int8lt", 412, Less, INT8, INT8),
    (471, "int8le", 414, LessEqual, INT8, INT8),
    (468, "int8ne", 411, NotEqual, INT8, INT8),
    (467, "int8eq", 410, Equal, INT8, INT8),
    (470, "int8gt", 413, Greater, INT8, INT8),
    (472, "int8ge", 415, GreaterEqual, INT8, INT8),
    (1858, "int82lt", 1870, Less, INT8, INT2),
    (1860, "int82le", 1872, LessEqual, INT8, INT2),
    (1857, "int82ne", 1869, NotEqual, INT8, INT2),
    (1856, "int82eq", 1868, Equal, INT8, INT2),
    (1859, "int82gt", 1871, Greater, INT8, INT2),
    (1861, "int82ge", 1873, GreaterEqual, INT8, INT2),
    (476, "int84lt", 418, Less, INT8, INT4),
    (478, "int84le", 420, LessEqual, INT8, INT4),
    (475, "int84ne", 417, NotEqual, INT8, INT4),
    (474, "int84eq", 416, Equal, INT8, INT4),
    (477, "int84gt", 419, Greater, INT8, INT4),
    (479, "int84ge", 430, GreaterEqual, INT8, INT4),
    (1852, "int28lt", 1864, Less, INT2, INT8),
    (1854, "int28le", 1866, LessEqual, INT2, INT8),
    (1851, "int28ne", 1863, NotEqual, INT2, INT8),
    (1850, "int28eq", 1862, Equal, INT2, INT8),
    (1853, "int28gt", 1865, Greater, INT2, INT8),
    (1855, "int28ge", 1867, GreaterEqual, INT2, INT8),
    (64, "int2lt", 95, Less, INT2, INT2),
    (148, "int2le", 522, LessEqual, INT2, INT2),
    (145, "int2ne", 519, NotEqual, INT2, INT2),
    (63, "int2eq", 94, Equal, INT2, INT2),
    (146, "int2gt", 520, Greater, INT2, INT2),
    (151, "int2ge", 524, GreaterEqual, INT2, INT2),
    (160, "int24lt", 534, Less, INT2, INT4),
    (166, "int24le", 540, LessEqual, INT2, INT4),
    (164, "int24ne", 538, NotEqual, INT2, INT4),
    (158, "int24eq", 532, Equal, INT2, INT4),
    (162, "int24gt", 536, Greater, INT2, INT4),
    (168, "int24ge", 542, GreaterEqual, INT2, INT4),
    (854, "int48lt", 37, Less, INT4, INT8),
    (856, "int48le", 80, LessEqual, INT4, INT8),
    (853, "int48ne", 36, NotEqual, INT4, INT8),
    (852, "int48eq", 15, Equal, INT4, INT8),
    (855, "int48gt", 76, Greater, INT4, INT8),
    (857, "int48ge", 82, GreaterEqual, INT4, INT8),
    (161, "int42lt", 535, Less, INT4, INT2),
    (167, "int42le", 541, LessEqual, INT4, INT2),
    (165, "int42ne", 539, NotEqual, INT4, INT2),
    (159, "int42eq", 533, Equal, INT4, INT2),
    (163, "int42gt", 537, Greater, INT4, INT2),
    (169, "int42ge", 543, GreaterEqual, INT4, INT2),
    (66, "int4lt", 97, Less, INT4, INT4),
    (149, "int4le", 523, LessEqual, INT4, INT4),
    (144, "int4ne", 518, NotEqual, INT4, INT4),
    (65, "int4eq", 96, Equal, INT4, INT4),
    (147, "int4gt", 521, Greater, INT4, INT4),
    (150, "int4ge", 525, GreaterEqual, INT4, INT4),
    (248, "textltname", 261, Less, TEXT, NAME),
    (249, "textlename", 262, LessEqual, TEXT, NAME),
    (252, "textnename", 265, NotEqual, TEXT, NAME),
    (247, "texteqname", 260, Equal, TEXT, NAME),
    (251, "textgtname", 264, Greater, TEXT, NAME),
    (250, "textgename", 263, GreaterEqual, TEXT, NAME),
    (740, "text_lt", 664, Less, TEXT, TEXT),
    (741, "text_le", 665, LessEqual, TEXT, TEXT),
    (157, "textne", 531, NotEqual, TEXT, TEXT),
    (67, "texteq", 98, Equal, TEXT, TEXT),
    (742, "text_gt", 666, Greater, TEXT, TEXT),
    (743, "text_ge", 667, GreaterEqual, TEXT, TEXT),
    (716, "oidlt", 609, Less, OID, OID),
    (717, "oidle", 611, LessEqual, OID, OID),
    (185, "oidne", 608, NotEqual, OID, OID),
    (184, "oideq", 607, Equal, OID, OID),
    (1638, "oidgt", 610, Greater, OID, OID),
    (1639, "oidge", 612, GreaterEqual, OID, OID),
    (2791, "tidlt", 2799, Less, TID, TID),
    (2793, "tidle", 2801, LessEqual, TID, TID),
    (1265, "tidne", 402, NotEqual, TID, TID),
    (1292, "tideq", 387, Equal, TID, TID),
    (2790, "tidgt", 2800, Greater, TID, TID),
    (2792, "tidge", 2802, GreaterEqual, TID, TID),
    (3309, "xidneqint4", 3316, NotEqual, XID, INT4),
    (1319, "xideqint4", 353, Equal, XID, INT4),
    (3308, "xidneq", 3315, NotEqual, XID, XID),
    (68, "xideq", 352, Equal, XID, XID),
    (69, "cideq", 385, Equal, CID, CID),
    (677, "oidvectorlt", 645, Less, OIDVECTOR, OIDVECTOR),
    (678, "oidvectorle", 647, LessEqual, OIDVECTOR, OIDVECTOR),
    (619, "oidvectorne", 644, NotEqual, OIDVECTOR, OIDVECTOR),
    (679, "oidvectoreq", 649, Equal, OIDVECTOR, OIDVECTOR),
    (681, "oidvectorgt", 646, Greater, OIDVECTOR, OIDVECTOR),
    (680, "oidvectorge", 648, GreaterEqual, OIDVECTOR, OIDVECTOR),
    (289, "float4lt", 622, Less, FLOAT4, FLOAT4),
    (290, "float4le", 624, LessEqual, FLOAT4, FLOAT4),
    (288, "float4ne", 621, NotEqual, FLOAT4, FLOAT4),
    (287, "float4eq", 620, Equal, FLOAT4, FLOAT4),
    (291, "float4gt", 623, Greater, FLOAT4, FLOAT4),
    (292, "float4ge", 625, GreaterEqual, FLOAT4, FLOAT4),
    (301, "float48lt", 1122, Less, FLOAT4, FLOAT8),
    (302, "float48le", 1124, LessEqual, FLOAT4, FLOAT8),
    (300, "float48ne", 1121, NotEqual, FLOAT4, FLOAT8),
    (299, "float48eq", 1120, Equal, FLOAT4, FLOAT8),
    (303, "float48gt", 1123, Greater, FLOAT4, FLOAT8),
    (304, "float48ge", 1125, GreaterEqual, FLOAT4, FLOAT8),
    (307, "float84lt", 1132, Less, FLOAT8, FLOAT4),
    (308, "float84le", 1134, LessEqual, FLOAT8, FLOAT4),
    (306, "float84ne", 1131, NotEqual, FLOAT8, FLOAT4),
    (305, "float84eq", 1130, Equal, FLOAT8, FLOAT4),
    (309, "float84gt", 1133, Greater, FLOAT8, FLOAT4),
    (310, "float84ge", 1135, GreaterEqual, FLOAT8, FLOAT4),
    (295, "float8lt", 672, Less, FLOAT8, FLOAT8),
    (296, "float8le", 673, LessEqual, FLOAT8, FLOAT8),
    (294, "float8ne", 671, NotEqual, FLOAT8, FLOAT8),
    (293, "float8eq", 670, Equal, FLOAT8, FLOAT8),
    (297, "float8gt", 674, Greater, FLOAT8, FLOAT8),
    (298, "float8ge", 675, GreaterEqual, FLOAT8, FLOAT8),
    (831, "macaddr_lt", 1222, Less, MACADDR, MACADDR),
    (832, "macaddr_le", 1223, LessEqual, MACADDR, MACADDR),
    (835, "macaddr_ne", 1221, NotEqual, MACADDR, MACADDR),
    (830, "macaddr_eq", 1220, Equal, MACADDR, MACADDR),
    (833, "macaddr_gt", 1224, Greater, MACADDR, MACADDR),
    (834, "macaddr_ge", 1225, GreaterEqual, MACADDR, MACADDR),
    (921, "network_lt", 1203, Less, INET, INET),
    (922, "network_le", 1204, LessEqual, INET, INET),
    (925, "network_ne", 1202, NotEqual, INET, INET),
    (920, "network_eq", 1201, Equal, INET, INET),
    (923, "network_gt", 1205, Greater, INET, INET),
    (924, "network_ge", 1206, GreaterEqual, INET, INET),
    (1049, "bpcharlt", 1058, Less, BPCHAR, BPCHAR),
    (1050, "bpcharle", 1059, LessEqual, BPCHAR, BPCHAR),
    (1053, "bpcharne", 1057, NotEqual, BPCHAR, BPCHAR),
    (1048, "bpchareq", 1054, Equal, BPCHAR, BPCHAR),
    (1051, "bpchargt", 1060, Greater, BPCHAR, BPCHAR),
    (1052, "bpcharge", 1061, GreaterEqual, BPCHAR, BPCHAR),
    (1087, "date_lt", 1095, Less, DATE, DATE),
    (1088, "date_le", 1096, LessEqual, DATE, DATE),
    (1091, "date_ne", 1094, NotEqual, DATE, DATE),
    (1086, "date_eq", 1093, Equal, DATE, DATE),
    (1089, "date_gt", 1097, Greater, DATE, DATE),
    (1090, "date_ge", 1098, GreaterEqual, DATE, DATE),
    (2338, "date_lt_timestamp", 2345, Less, DATE, TIMESTAMP),
    (2339, "date_le_timestamp", 2346, LessEqual, DATE, TIMESTAMP),
    (2343, "date_ne_timestamp", 2350, NotEqual, DATE, TIMESTAMP),
    (2340, "date_eq_timestamp", 2347, Equal, DATE, TIMESTAMP),
    (2341, "date_gt_timestamp", 2349, Greater, DATE, TIMESTAMP),
    (2342, "date_ge_timestamp", 2348, GreaterEqual, DATE, TIMESTAMP),
    (2351, "date_lt_timestamptz", 2358, Less, DATE, TIMESTAMPTZ),
    (2352, "date_le_timestamptz", 2359, LessEqual, DATE, TIMESTAMPTZ),
    (2356, "date_ne_timestamptz", 2363, NotEqual, DATE, TIMESTAMPTZ),
    (2353, "date_eq_timestamptz", 2360, Equal, DATE, TIMESTAMPTZ),
    (2354, "date_gt_timestamptz", 2362, Greater, DATE, TIMESTAMPTZ),
    (2355, "date_ge_timestamptz", 2361, GreaterEqual, DATE, TIMESTAMPTZ),
    (1102, "time_lt", 1110, Less, TIME, TIME),
    (1103, "time_le", 1111, LessEqual, TIME, TIME),
    (1106, "time_ne", 1109, NotEqual, TIME, TIME),
    (1145, "time_eq", 1108, Equal, TIME, TIME),
    (1104, "time_gt", 1112, Greater, TIME, TIME),
    (1105, "time_ge", 1113, GreaterEqual, TIME, TIME),
    (2364, "timestamp_lt_date", 2371, Less, TIMESTAMP, DATE),
    (2365, "timestamp_le_date", 2372, LessEqual, TIMESTAMP, DATE),
    (2369, "timestamp_ne_date", 2376, NotEqual, TIMESTAMP, DATE),
    (2366, "timestamp_eq_date", 2373, Equal, TIMESTAMP, DATE),
    (2367, "timestamp_gt_date", 2375, Greater, TIMESTAMP, DATE),
    (2368, "timestamp_ge_date", 2374, GreaterEqual, TIMESTAMP, DATE),
    (2054, "timestamp_lt", 2062, Less, TIMESTAMP, TIMESTAMP),
    (2055, "timestamp_le", 2063, LessEqual, TIMESTAMP, TIMESTAMP),
    (2053, "timestamp_ne", 2061, NotEqual, TIMESTAMP, TIMESTAMP),
    (2052, "timestamp_eq", 2060, Equal, TIMESTAMP, TIMESTAMP),
    (2057, "timestamp_gt", 2064, Greater, TIMESTAMP, TIMESTAMP),
    (2056, "timestamp_ge", 2065, GreaterEqual, TIMESTAMP, TIMESTAMP),
    (2520, "timestamp_lt_timestamptz", 2534, Less, TIMESTAMP, TIMESTAMPTZ),
    (2521, "timestamp_le_timestamptz", 2535, LessEqual, TIMESTAMP, TIMESTAMPTZ),
    (2525, "timestamp_ne_timestamptz", 2539, NotEqual, TIMESTAMP, TIMESTAMPTZ),
    (2522, "timestamp_eq_timestamptz", 2536, Equal, TIMESTAMP, TIMESTAMPTZ),
    (2523, "timestamp_gt_timestamptz", 2538, Greater, TIMESTAMP, TIMESTAMPTZ),
    (2524, "timestamp_ge_timestamptz", 2537, GreaterEqual, TIMESTAMP, TIMESTAMPTZ),
    (2377, "timestamptz_lt_date", 2384, Less, TIMESTAMPTZ, DATE),
    (2378, "timestamptz_le_date", 2385, LessEqual, TIMESTAMPTZ, DATE),
    (2382, "timestamptz_ne_date", 2389, NotEqual, TIMESTAMPTZ, DATE),
    (2379, "timestamptz_eq_date", 2386, Equal, TIMESTAMPTZ, DATE),
    (2380, "timestamptz_gt_date", 2388, Greater, TIMESTAMPTZ, DATE),
    (2381, "timestamptz_ge_date", 2387, GreaterEqual, TIMESTAMPTZ, DATE),
    (2527, "timestamptz_lt_timestamp", 2540, Less, TIMESTAMPTZ, TIMESTAMP),
    (2528, "timestamptz_le_timestamp", 2541, LessEqual, TIMESTAMPTZ, TIMESTAMP),
    (2532, "timestamptz_ne_timestamp", 2545, NotEqual, TIMESTAMPTZ, TIMESTAMP),
    (2529, "timestamptz_eq_timestamp", 2542, Equal, TIMESTAMPTZ, TIMESTAMP),
    (2530, "timestamptz_gt_timestamp", 2544, Greater, TIMESTAMPTZ, TIMESTAMP),
    (2531, "timestamptz_ge_timestamp", 2543, GreaterEqual, TIMESTAMPTZ, TIMESTAMP),
    (1154, "timestamptz_lt", 1322, Less, TIMESTAMPTZ, TIMESTAMPTZ),
    (1155, "timestamptz_le", 1323, LessEqual, TIMESTAMPTZ, TIMESTAMPTZ),
    (1153, "timestamptz_ne", 1321, NotEqual, TIMESTAMPTZ, TIMESTAMPTZ),
    (1152, "timestamptz_eq", 1320, Equal, TIMESTAMPTZ, TIMESTAMPTZ),
    (1157, "timestamptz_gt", 1324, Greater, TIMESTAMPTZ, TIMESTAMPTZ),
    (1156, "timestamptz_ge", 1325, GreaterEqual, TIMESTAMPTZ, TIMESTAMPTZ),
    (1164, "interval_lt", 1332, Less, INTERVAL, INTERVAL),
    (1165, "interval_le", 1333, LessEqual, INTERVAL, INTERVAL),
    (1163, "interval_ne", 1331, NotEqual, INTERVAL, INTERVAL),
    (1162, "interval_eq", 1330, Equal, INTERVAL, INTERVAL),
    (1167, "interval_gt", 1334, Greater, INTERVAL, INTERVAL),
    (1166, "interval_ge", 1335, GreaterEqual, INTERVAL, INTERVAL),
    (1354, "timetz_lt", 1552, Less, TIMETZ, TIMETZ),
    (1355, "timetz_le", 1553, LessEqual, TIMETZ, TIMETZ),
    (1353, "timetz_ne", 1551, NotEqual, TIMETZ, TIMETZ),
    (1352, "timetz_eq", 1550, Equal, TIMETZ, TIMETZ),
    (1357, "timetz_gt", 1554, Greater, TIMETZ, TIMETZ),
    (1356, "timetz_ge", 1555, GreaterEqual, TIMETZ, TIMETZ),
    (1595, "bitlt", 1786, Less, BIT, BIT),
    (1594, "bitle", 1788, LessEqual, BIT, BIT),
    (1582, "bitne", 1785, NotEqual, BIT, BIT),
    (1581, "biteq", 1784, Equal, BIT, BIT),
    (1593, "bitgt", 1787, Greater, BIT, BIT),
    (1592, "bitge", 1789, GreaterEqual, BIT, BIT),
    (1671, "varbitlt", 1806, Less, VARBIT, VARBIT),
    (1670, "varbitle", 1808, LessEqual, VARBIT, VARBIT),
    (1667, "varbitne", 1805, NotEqual, VARBIT, VARBIT),
    (1666, "varbiteq", 1804, Equal, VARBIT, VARBIT),
    (1669, "varbitgt", 1807, Greater, VARBIT, VARBIT),
    (1668, "varbitge", 1809, GreaterEqual, VARBIT, VARBIT),
    (1722, "numeric_lt", 1754, Less, NUMERIC, NUMERIC),
    (1723, "numeric_le", 1755, LessEqual, NUMERIC, NUMERIC),
    (1719, "numeric_ne", 1753, NotEqual, NUMERIC, NUMERIC),
    (1718, "numeric_eq", 1752, Equal, NUMERIC, NUMERIC),
    (1720, "numeric_gt", 1756, Greater, NUMERIC, NUMERIC),
    (1721, "numeric_ge", 1757, GreaterEqual, NUMERIC, NUMERIC),
    (2983, "record_lt", 2990, Less, RECORD, RECORD),
    (2985, "record_le", 2992, LessEqual, RECORD, RECORD),
    (2982, "record_ne", 2989, NotEqual, RECORD, RECORD),
    (2981, "record_eq", 2988, Equal, RECORD, RECORD),
    (2984, "record_gt", 2991, Greater, RECORD, RECORD),
    (2986, "record_ge", 2993, GreaterEqual, RECORD, RECORD),
    (391, "array_lt", 1072, Less, ANYARRAY, ANYARRAY),
    (393, "array_le", 1074, LessEqual, ANYARRAY, ANYARRAY),
    (390, "array_ne", 1071, NotEqual, ANYARRAY, ANYARRAY),
    (744, "array_eq", 1070, Equal, ANYARRAY, ANYARRAY),
    (392, "array_gt", 1073, Greater, ANYARRAY, ANYARRAY),
    (396, "array_ge", 1075, GreaterEqual, ANYARRAY, ANYARRAY),
    (2954, "uuid_lt", 2974, Less, UUID, UUID),
    (2955, "uuid_le", 2976, LessEqual, UUID, UUID),
    (2959, "uuid_ne", 2973, NotEqual, UUID, UUID),
    (2956, "uuid_eq", 2972, Equal, UUID, UUID),
    (2958, "uuid_gt", 2975, Greater, UUID, UUID),
    (2957, "uuid_ge", 2977, GreaterEqual, UUID, UUID),
    (3231, "pg_lsn_lt", 3224, Less, PG_LSN, PG_LSN),
    (3232, "pg_lsn_le", 3226, LessEqual, PG_LSN, PG_LSN),
    (3236, "pg_lsn_ne", 3223, NotEqual, PG_LSN, PG_LSN),
    (3233, "pg_lsn_eq", 3222, Equal, PG_LSN, PG_LSN),
    (3235, "pg_lsn_gt", 3225, Greater, PG_LSN, PG_LSN),
    (3234, "pg_lsn_ge", 3227, GreaterEqual, PG_LSN, PG_LSN),
    (3510, "enum_lt", 3518, Less, ANYENUM, ANYENUM),
    (3512, "enum_le", 3520, LessEqual, ANYENUM, ANYENUM),
    (3509, "enum_ne", 3517, NotEqual, ANYENUM, ANYENUM),
    (3508, "enum_eq", 3516, Equal, ANYENUM, ANYENUM),
    (3511, "enum_gt", 3519, Greater, ANYENUM, ANYENUM),
    (3513, "enum_ge", 3521, GreaterEqual, ANYENUM, ANYENUM),
    (3871, "range_lt", 3884, Less, ANYRANGE, ANYRANGE),
    (3872, "range_le", 3885, LessEqual, ANYRANGE, ANYRANGE),
    (3856, "range_ne", 3883, NotEqual, ANYRANGE, ANYRANGE),
    (3855, "range_eq", 3882, Equal, ANYRANGE, ANYRANGE),
    (3874, "range_gt", 3887, Greater, ANYRANGE, ANYRANGE),
    (3873, "range_ge", 3886, GreaterEqual, ANYRANGE, ANYRANGE),
    (4039, "jsonb_lt", 3242, Less, JSONB, JSONB),
    (4041, "jsonb_le", 3244, LessEqual, JSONB, JSONB),
    (4038, "jsonb_ne", 3241, NotEqual, JSONB, JSONB),
    (4043, "jsonb_eq", 3240, Equal, JSONB, JSONB),
    (4040, "jsonb_gt", 3243, Greater, JSONB, JSONB),
    (4042, "jsonb_ge", 3245, GreaterEqual, JSONB, JSONB),
    (5034, "xid8lt", 5073, Less, XID8, XID8),
    (5036, "xid8le", 5075, LessEqual, XID8, XID8),
    (5085, "xid8ne", 5072, NotEqual, XID8, XID8),
    (5084, "xid8eq", 5068, Equal, XID8, XID8),
    (5035, "xid8gt", 5074, Greater, XID8, XID8),
    (5037, "xid8ge", 5076, GreaterEqual, XID8, XID8),
];
