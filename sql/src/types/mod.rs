//! What a value is: data types with their OIDs, values, rows; text and binary forms; comparison and casts.
//!
//! A `Value` carries no type: the plan knows every type statically (`DataType`), so a value is only its
//! representation. NULL is a value of every type. Ordering is PostgreSQL's: NULL sorts after everything in
//! ascending order, NaN equals NaN and is above every number, text compares by bytes (collation "C").
//! Types with the same representation share a variant (varchar, text, name: `Text`).

mod binary;
mod builtin;
mod cast;
mod castlist;
mod codec;
mod compare;
mod complex;
mod datatype;
pub mod datetime;
mod format;
pub mod json;
mod key;
mod lenient;
mod network;
mod numeric;
mod range;
mod text;
mod typmod;
mod value;

pub use binary::{from_binary, to_binary, utf8};
pub use cast::{CastContext, CastKind, cast, find_cast};
pub use codec::{decode_column, decode_row, encode_row, row_column_count};
pub use compare::{compare, compare_bpchar, equal, hash_value};
pub use complex::Complex;
pub use datatype::{
    DataType, Oid, TypeCategory, TypeInfo, USER_ARRAY, USER_DOMAIN, USER_ENUM, array_type_of, builtin_types,
    category_of, element_type_of, is_domain, is_enum, oid, sql_type_by_name, type_by_name, type_info, type_length,
};
pub use datetime::{DateFormat, DateOrder, DateStyle, IntervalStyle, TimeZone};
pub use format::{TYPE_MARK, apply_type_modifiers, format_type, shown_type};
pub use json::{JsonNumber, Jsonb};
pub use key::encode_key;
pub use lenient::{ami_text, lenient_cast};
pub use numeric::Numeric;
pub use range::{Bound, RANGE_TYPES, Range, range_element, range_over};
pub use text::{ObjectNames, TextStyle, from_text, parse_array, parse_record, to_text};
pub use typmod::{DecimalFormat, apply_typmod};
pub use value::{Array, EnumLabel, Interval, Record, Row, Value};
