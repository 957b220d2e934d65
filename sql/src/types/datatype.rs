//! `DataType`: an OID with its type modifier; and the table of built-in types.

use std::collections::HashMap;
use std::sync::LazyLock;

use serde::{Deserialize, Serialize};

use super::builtin::BUILTIN_TYPES;

/// A PostgreSQL object identifier.
pub type Oid = u32;

/// A type with its modifier (`varchar(10)`); -1 is no modifier. Encodings of modifiers are PostgreSQL's (PG-94).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct DataType {
    /// OID of the type in pg_type.
    pub oid: Oid,
    /// Type modifier, -1 for none.
    pub typmod: i32,
}

impl DataType {
    /// The type without a modifier.
    #[must_use]
    pub const fn new(oid: Oid) -> DataType {
        DataType { oid, typmod: -1 }
    }

    /// AMI's Byte: a smallint of eight bits (AMI-15). PostgreSQL gives smallint no modifier.
    pub const AMI_BYTE: DataType = DataType { oid: oid::INT2, typmod: 1 };
    /// AMI's Complex: a text of the form `a+bi` (AMI-15).
    pub const AMI_COMPLEX: DataType = DataType { oid: oid::TEXT, typmod: 1 };

    /// The type with a modifier.
    #[must_use]
    pub const fn with_typmod(oid: Oid, typmod: i32) -> DataType {
        DataType { oid, typmod }
    }
}

macro_rules! type_constants {
    ($($name:ident = $oid:literal, $array:literal;)*) => {
        /// OIDs of built-in types, named as in PostgreSQL's pg_type.
        pub mod oid {
            #![allow(missing_docs, reason = "the names are PostgreSQL's")]
            use super::Oid;
            $(pub const $name: Oid = $oid;)*
            /// (element type, array type) of every built-in type that has an array type.
            #[cfg(test)]
            pub(in crate::types) const ARRAY_TYPES: &[(Oid, Oid)] = &[$(($oid, $array)),*];
        }
        #[allow(missing_docs, reason = "the names are PostgreSQL's")]
        impl DataType { $(pub const $name: DataType = DataType::new($oid);)* }
    };
}

type_constants! {
    BOOL = 16, 1000; BYTEA = 17, 1001; CHAR = 18, 1002; NAME = 19, 1003; INT8 = 20, 1016; INT2 = 21, 1005;
    INT2VECTOR = 22, 1006; INT4 = 23, 1007; REGPROC = 24, 1008; TEXT = 25, 1009; OID = 26, 1028; TID = 27, 1010;
    XID = 28, 1011; CID = 29, 1012; OIDVECTOR = 30, 1013; JSON = 114, 199; XML = 142, 143; PG_NODE_TREE = 194, 0;
    FLOAT4 = 700, 1021; FLOAT8 = 701, 1022; UNKNOWN = 705, 0; MONEY = 790, 791; MACADDR = 829, 1040;
    INET = 869, 1041; CIDR = 650, 651; ACLITEM = 1033, 1034; BPCHAR = 1042, 1014; VARCHAR = 1043, 1015;
    DATE = 1082, 1182; TIME = 1083, 1183; TIMESTAMP = 1114, 1115; TIMESTAMPTZ = 1184, 1185; INTERVAL = 1186, 1187;
    TIMETZ = 1266, 1270; BIT = 1560, 1561; VARBIT = 1562, 1563; NUMERIC = 1700, 1231; REFCURSOR = 1790, 2201;
    REGPROCEDURE = 2202, 2207; REGOPER = 2203, 2208; REGOPERATOR = 2204, 2209; REGCLASS = 2205, 2210;
    REGTYPE = 2206, 2211; RECORD = 2249, 2287; CSTRING = 2275, 1263; ANY = 2276, 0; ANYARRAY = 2277, 0;
    VOID = 2278, 0; TRIGGER = 2279, 0; LANGUAGE_HANDLER = 2280, 0; INTERNAL = 2281, 0; ANYELEMENT = 2283, 0;
    ANYNONARRAY = 2776, 0; UUID = 2950, 2951; PG_LSN = 3220, 3221; ANYENUM = 3500, 0; JSONB = 3802, 3807;
    REGCONFIG = 3734, 3735; REGDICTIONARY = 3769, 3770; REGNAMESPACE = 4089, 4090; REGROLE = 4096, 4097;
    REGCOLLATION = 4191, 4192; XID8 = 5069, 271; ANYCOMPATIBLE = 5077, 0; ANYCOMPATIBLEARRAY = 5078, 0;
    ANYCOMPATIBLENONARRAY = 5079, 0; ANYRANGE = 3831, 0; INT4RANGE = 3904, 3905; NUMRANGE = 3906, 3907;
    TSRANGE = 3908, 3909; TSTZRANGE = 3910, 3911; DATERANGE = 3912, 3913; INT8RANGE = 3926, 3927;
}

/// A type category of PostgreSQL's pg_type.typcategory: decides preference in function and operator resolution.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TypeCategory {
    /// A
    Array,
    /// B
    Boolean,
    /// C
    Composite,
    /// D
    DateTime,
    /// E
    Enum,
    /// I
    Network,
    /// N
    Numeric,
    /// P
    Pseudo,
    /// R
    Range,
    /// S
    String,
    /// T
    Timespan,
    /// U
    UserDefined,
    /// V
    BitString,
    /// X
    Unknown,
    /// Z
    Internal,
}

impl TypeCategory {
    /// The letter of pg_type.typcategory.
    #[must_use]
    pub fn letter(self) -> u8 {
        match self {
            TypeCategory::Array => b'A',
            TypeCategory::Boolean => b'B',
            TypeCategory::Composite => b'C',
            TypeCategory::DateTime => b'D',
            TypeCategory::Enum => b'E',
            TypeCategory::Network => b'I',
            TypeCategory::Numeric => b'N',
            TypeCategory::Pseudo => b'P',
            TypeCategory::Range => b'R',
            TypeCategory::String => b'S',
            TypeCategory::Timespan => b'T',
            TypeCategory::UserDefined => b'U',
            TypeCategory::BitString => b'V',
            TypeCategory::Unknown => b'X',
            TypeCategory::Internal => b'Z',
        }
    }
}

/// One row of the table of built-in types: what pg_type says and what resolution needs.
#[derive(Clone, Copy, Debug)]
pub struct TypeInfo {
    /// OID of the type.
    pub oid: Oid,
    /// pg_type.typname: `int4`, `_int4`.
    pub name: &'static str,
    /// What format_type prints: `integer`, `character varying`.
    pub sql_name: &'static str,
    /// pg_type.typlen: bytes of a fixed-length type, -1 variable, -2 cstring.
    pub len: i16,
    /// pg_type.typtype: b, p …
    pub kind: u8,
    /// Category.
    pub category: TypeCategory,
    /// Preferred in its category.
    pub preferred: bool,
    /// Element type of an array (or vector) type, else 0.
    pub element: Oid,
    /// The array type over this type, else 0.
    pub array: Oid,
}

/// Other spellings of SQL names, as the grammar of PostgreSQL accepts them.
const ALIASES: &[(&str, Oid)] = &[
    ("int", oid::INT4),
    ("decimal", oid::NUMERIC),
    ("dec", oid::NUMERIC),
    ("float", oid::FLOAT8),
    ("character", oid::BPCHAR),
    ("nchar", oid::BPCHAR),
    ("national character", oid::BPCHAR),
    ("national char", oid::BPCHAR),
    ("char varying", oid::VARCHAR),
    ("nchar varying", oid::VARCHAR),
    ("national character varying", oid::VARCHAR),
    ("national char varying", oid::VARCHAR),
    ("timestamp", oid::TIMESTAMP),
    ("time", oid::TIME),
    ("varbit", oid::VARBIT),
];

/// All built-in types, ordered by OID.
#[must_use]
pub fn builtin_types() -> &'static [TypeInfo] {
    BUILTIN_TYPES
}

/// The built-in type with this OID.
#[must_use]
pub fn type_info(oid: Oid) -> Option<&'static TypeInfo> {
    BUILTIN_TYPES.binary_search_by_key(&oid, |info| info.oid).ok().map(|index| &BUILTIN_TYPES[index])
}

/// A built-in type by pg_type name or SQL name: `int4`, `integer`, `character varying`; without modifier or `[]`.
/// The name is matched as written (the parser folds case). `char` alone is pg_type's one-byte type: the SQL keyword
/// `char` is `sql_type_by_name`'s.
#[must_use]
pub fn type_by_name(name: &str) -> Option<&'static TypeInfo> {
    static NAMES: LazyLock<HashMap<&'static str, Oid>> = LazyLock::new(|| {
        let mut names = HashMap::with_capacity(BUILTIN_TYPES.len() * 2 + ALIASES.len());
        for info in BUILTIN_TYPES {
            names.insert(info.sql_name, info.oid);
        }
        names.extend(ALIASES.iter().copied());
        // The names of pg_type win over SQL spellings.
        for info in BUILTIN_TYPES {
            names.insert(info.name, info.oid);
        }
        names
    });
    NAMES.get(name).and_then(|oid| type_info(*oid))
}

/// Like `type_by_name`, but the name is an unquoted keyword of SQL: `char` means `character`.
#[must_use]
pub fn sql_type_by_name(name: &str) -> Option<&'static TypeInfo> {
    if name == "char" { type_info(oid::BPCHAR) } else { type_by_name(name) }
}

/// Set in the OID of an array type over a type that a user made: `element | USER_ARRAY`.
pub const USER_ARRAY: Oid = 1 << 28;
/// Set in the OID of every enum type, so that resolution knows one without asking the catalog.
pub const USER_ENUM: Oid = 1 << 29;
/// Set in the OID of every domain.
pub const USER_DOMAIN: Oid = 1 << 30;

/// Whether it is an enum type.
#[must_use]
pub const fn is_enum(ty: Oid) -> bool {
    ty & (USER_ENUM | USER_ARRAY | USER_DOMAIN) == USER_ENUM && ty >> 31 == 0
}

/// Whether it is a domain.
#[must_use]
pub const fn is_domain(ty: Oid) -> bool {
    ty & (USER_ENUM | USER_ARRAY | USER_DOMAIN) == USER_DOMAIN && ty >> 31 == 0
}

const fn is_user_array(ty: Oid) -> bool {
    ty & USER_ARRAY != 0 && ty >> 31 == 0
}

/// The array type over a type, built in or a user's.
#[must_use]
pub fn array_type_of(element: Oid) -> Option<Oid> {
    match type_info(element) {
        Some(info) => Some(info.array).filter(|array| *array != 0),
        None => (element >= crate::catalog::FIRST_USER_OID && !is_user_array(element)).then_some(element | USER_ARRAY),
    }
}

/// The element type of an array or vector type.
#[must_use]
pub fn element_type_of(array: Oid) -> Option<Oid> {
    if is_user_array(array) {
        return Some(array & !USER_ARRAY);
    }
    type_info(array).map(|info| info.element).filter(|element| *element != 0)
}

/// The category of a type: of one that is not built in an enum's, an array's or, for row types, a composite's.
#[must_use]
pub fn category_of(ty: Oid) -> TypeCategory {
    match type_info(ty) {
        Some(info) => info.category,
        None if is_enum(ty) => TypeCategory::Enum,
        None if is_user_array(ty) => TypeCategory::Array,
        None => TypeCategory::Composite,
    }
}

/// pg_type.typlen of any type.
#[must_use]
pub fn type_length(ty: Oid) -> i16 {
    type_info(ty).map_or(if is_enum(ty) { 4 } else { -1 }, |info| info.len)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_sorted_and_names_are_found() {
        assert!(BUILTIN_TYPES.windows(2).all(|pair| pair[0].oid < pair[1].oid));
        for (element, array) in oid::ARRAY_TYPES {
            assert_eq!(type_info(*element).map(|info| info.array), Some(*array));
        }
        for (name, expected) in [
            ("int", oid::INT4),
            ("integer", oid::INT4),
            ("int8", oid::INT8),
            ("double precision", oid::FLOAT8),
            ("decimal", oid::NUMERIC),
            ("character varying", oid::VARCHAR),
            ("character", oid::BPCHAR),
            ("char", oid::CHAR),
            ("timestamp with time zone", oid::TIMESTAMPTZ),
            ("bool", oid::BOOL),
            ("_int4", 1007),
        ] {
            assert_eq!(type_by_name(name).map(|info| info.oid), Some(expected), "{name}");
        }
        assert_eq!(sql_type_by_name("char").map(|info| info.oid), Some(oid::BPCHAR));
        assert!(type_by_name("no such type").is_none());
        assert_eq!(array_type_of(oid::TEXT), Some(1009));
        assert_eq!(element_type_of(1007), Some(oid::INT4));
    }
}
