//! The rows of pg_cast between built-in types, ordered by source and target: data only.
use super::cast::CastContext::{self, Assignment, Explicit, Implicit};
use super::cast::CastKind::{self, Binary, Function, Text};
use super::datatype::Oid;

/// (source, target, weakest context, method).
#[rustfmt::skip]
pub(in crate::types) static CASTS: &[(Oid, Oid, CastContext, CastKind)] = &[
    (16, 23, Explicit, Function), // boolean to integer
    (16, 25, Assignment, Function), // boolean to text
    (16, 1042, Assignment, Function), // boolean to character
    (16, 1043, Assignment, Function), // boolean to character varying
    (18, 23, Explicit, Function), // "char" to integer
    (18, 25, Implicit, Function), // "char" to text
    (18, 1042, Assignment, Function), // "char" to character
    (18, 1043, Assignment, Function), // "char" to character varying
    (19, 25, Implicit, Function), // name to text
    (19, 1042, Assignment, Function), // name to character
    (19, 1043, Assignment, Function), // name to character varying
    (20, 21, Assignment, Function), // bigint to smallint
    (20, 23, Assignment, Function), // bigint to integer
    (20, 24, Implicit, Function), // bigint to regproc
    (20, 26, Implicit, Function), // bigint to oid
    (20, 700, Implicit, Function), // bigint to real
    (20, 701, Implicit, Function), // bigint to double precision
    (20, 790, Assignment, Function), // bigint to money
    (20, 1560, Explicit, Function), // bigint to bit
    (20, 1700, Implicit, Function), // bigint to numeric
    (20, 2202, Implicit, Function), // bigint to regprocedure
    (20, 2203, Implicit, Function), // bigint to regoper
    (20, 2204, Implicit, Function), // bigint to regoperator
    (20, 2205, Implicit, Function), // bigint to regclass
    (20, 2206, Implicit, Function), // bigint to regtype
    (20, 3734, Implicit, Function), // bigint to regconfig
    (20, 3769, Implicit, Function), // bigint to regdictionary
    (20, 4089, Implicit, Function), // bigint to regnamespace
    (20, 4096, Implicit, Function), // bigint to regrole
    (20, 4191, Implicit, Function), // bigint to regcollation
    (21, 20, Implicit, Function), // smallint to bigint
    (21, 23, Implicit, Function), // smallint to integer
    (21, 24, Implicit, Function), // smallint to regproc
    (21, 26, Implicit, Function), // smallint to oid
    (21, 700, Implicit, Function), // smallint to real
    (21, 701, Implicit, Function), // smallint to double precision
    (21, 1700, Implicit, Function), // smallint to numeric
    (21, 2202, Implicit, Function), // smallint to regprocedure
    (21, 2203, Implicit, Function), // smallint to regoper
    (21, 2204, Implicit, Function), // smallint to regoperator
    (21, 2205, Implicit, Function), // smallint to regclass
    (21, 2206, Implicit, Function), // smallint to regtype
    (21, 3734, Implicit, Function), // smallint to regconfig
    (21, 3769, Implicit, Function), // smallint to regdictionary
    (21, 4089, Implicit, Function), // smallint to regnamespace
    (21, 4096, Implicit, Function), // smallint to regrole
    (21, 4191, Implicit, Function), // smallint to regcollation
    (23, 16, Explicit, Function), // integer to boolean
    (23, 18, Explicit, Function), // integer to "char"
    (23, 20, Implicit, Function), // integer to bigint
    (23, 21, Assignment, Function), // integer to smallint
    (23, 24, Implicit, Binary), // integer to regproc
    (23, 26, Implicit, Binary), // integer to oid
    (23, 700, Implicit, Function), // integer to real
    (23, 701, Implicit, Function), // integer to double precision
    (23, 790, Assignment, Function), // integer to money
    (23, 1560, Explicit, Function), // integer to bit
    (23, 1700, Implicit, Function), // integer to numeric
    (23, 2202, Implicit, Binary), // integer to regprocedure
    (23, 2203, Implicit, Binary), // integer to regoper
    (23, 2204, Implicit, Binary), // integer to regoperator
    (23, 2205, Implicit, Binary), // integer to regclass
    (23, 2206, Implicit, Binary), // integer to regtype
    (23, 3734, Implicit, Binary), // integer to regconfig
    (23, 3769, Implicit, Binary), // integer to regdictionary
    (23, 4089, Implicit, Binary), // integer to regnamespace
    (23, 4096, Implicit, Binary), // integer to regrole
    (23, 4191, Implicit, Binary), // integer to regcollation
    (24, 20, Assignment, Function), // regproc to bigint
    (24, 23, Assignment, Binary), // regproc to integer
    (24, 26, Implicit, Binary), // regproc to oid
    (24, 2202, Implicit, Binary), // regproc to regprocedure
    (25, 18, Assignment, Function), // text to "char"
    (25, 19, Implicit, Function), // text to name
    (25, 142, Explicit, Function), // text to xml
    (25, 1042, Implicit, Binary), // text to character
    (25, 1043, Implicit, Binary), // text to character varying
    (25, 2205, Implicit, Function), // text to regclass
    (26, 20, Assignment, Function), // oid to bigint
    (26, 23, Assignment, Binary), // oid to integer
    (26, 24, Implicit, Binary), // oid to regproc
    (26, 2202, Implicit, Binary), // oid to regprocedure
    (26, 2203, Implicit, Binary), // oid to regoper
    (26, 2204, Implicit, Binary), // oid to regoperator
    (26, 2205, Implicit, Binary), // oid to regclass
    (26, 2206, Implicit, Binary), // oid to regtype
    (26, 3734, Implicit, Binary), // oid to regconfig
    (26, 3769, Implicit, Binary), // oid to regdictionary
    (26, 4089, Implicit, Binary), // oid to regnamespace
    (26, 4096, Implicit, Binary), // oid to regrole
    (26, 4191, Implicit, Binary), // oid to regcollation
    (114, 3802, Assignment, Text), // json to jsonb
    (142, 25, Assignment, Binary), // xml to text
    (142, 1042, Assignment, Binary), // xml to character
    (142, 1043, Assignment, Binary), // xml to character varying
    (194, 25, Implicit, Binary), // pg_node_tree to text
    (650, 25, Assignment, Function), // cidr to text
    (650, 869, Implicit, Binary), // cidr to inet
    (650, 1042, Assignment, Function), // cidr to character
    (650, 1043, Assignment, Function), // cidr to character varying
    (700, 20, Assignment, Function), // real to bigint
    (700, 21, Assignment, Function), // real to smallint
    (700, 23, Assignment, Function), // real to integer
    (700, 701, Implicit, Function), // real to double precision
    (700, 1700, Assignment, Function), // real to numeric
    (701, 20, Assignment, Function), // double precision to bigint
    (701, 21, Assignment, Function), // double precision to smallint
    (701, 23, Assignment, Function), // double precision to integer
    (701, 700, Assignment, Function), // double precision to real
    (701, 1700, Assignment, Function), // double precision to numeric
    (790, 1700, Assignment, Function), // money to numeric
    (869, 25, Assignment, Function), // inet to text
    (869, 650, Assignment, Function), // inet to cidr
    (869, 1042, Assignment, Function), // inet to character
    (869, 1043, Assignment, Function), // inet to character varying
    (1042, 18, Assignment, Function), // character to "char"
    (1042, 19, Implicit, Function), // character to name
    (1042, 25, Implicit, Function), // character to text
    (1042, 142, Explicit, Function), // character to xml
    (1042, 1042, Implicit, Function), // character to character
    (1042, 1043, Implicit, Function), // character to character varying
    (1043, 18, Assignment, Function), // character varying to "char"
    (1043, 19, Implicit, Function), // character varying to name
    (1043, 25, Implicit, Binary), // character varying to text
    (1043, 142, Explicit, Function), // character varying to xml
    (1043, 1042, Implicit, Binary), // character varying to character
    (1043, 1043, Implicit, Function), // character varying to character varying
    (1043, 2205, Implicit, Function), // character varying to regclass
    (1082, 1114, Implicit, Function), // date to timestamp without time zone
    (1082, 1184, Implicit, Function), // date to timestamp with time zone
    (1083, 1083, Implicit, Function), // time without time zone to time without time zone
    (1083, 1186, Implicit, Function), // time without time zone to interval
    (1083, 1266, Implicit, Function), // time without time zone to time with time zone
    (1114, 1082, Assignment, Function), // timestamp without time zone to date
    (1114, 1083, Assignment, Function), // timestamp without time zone to time without time zone
    (1114, 1114, Implicit, Function), // timestamp without time zone to timestamp without time zone
    (1114, 1184, Implicit, Function), // timestamp without time zone to timestamp with time zone
    (1184, 1082, Assignment, Function), // timestamp with time zone to date
    (1184, 1083, Assignment, Function), // timestamp with time zone to time without time zone
    (1184, 1114, Assignment, Function), // timestamp with time zone to timestamp without time zone
    (1184, 1184, Implicit, Function), // timestamp with time zone to timestamp with time zone
    (1184, 1266, Assignment, Function), // timestamp with time zone to time with time zone
    (1186, 1083, Assignment, Function), // interval to time without time zone
    (1186, 1186, Implicit, Function), // interval to interval
    (1266, 1083, Assignment, Function), // time with time zone to time without time zone
    (1266, 1266, Implicit, Function), // time with time zone to time with time zone
    (1560, 20, Explicit, Function), // bit to bigint
    (1560, 23, Explicit, Function), // bit to integer
    (1560, 1560, Implicit, Function), // bit to bit
    (1560, 1562, Implicit, Binary), // bit to bit varying
    (1562, 1560, Implicit, Binary), // bit varying to bit
    (1562, 1562, Implicit, Function), // bit varying to bit varying
    (1700, 20, Assignment, Function), // numeric to bigint
    (1700, 21, Assignment, Function), // numeric to smallint
    (1700, 23, Assignment, Function), // numeric to integer
    (1700, 700, Implicit, Function), // numeric to real
    (1700, 701, Implicit, Function), // numeric to double precision
    (1700, 790, Assignment, Function), // numeric to money
    (1700, 1700, Implicit, Function), // numeric to numeric
    (2202, 20, Assignment, Function), // regprocedure to bigint
    (2202, 23, Assignment, Binary), // regprocedure to integer
    (2202, 24, Implicit, Binary), // regprocedure to regproc
    (2202, 26, Implicit, Binary), // regprocedure to oid
    (2203, 20, Assignment, Function), // regoper to bigint
    (2203, 23, Assignment, Binary), // regoper to integer
    (2203, 26, Implicit, Binary), // regoper to oid
    (2203, 2204, Implicit, Binary), // regoper to regoperator
    (2204, 20, Assignment, Function), // regoperator to bigint
    (2204, 23, Assignment, Binary), // regoperator to integer
    (2204, 26, Implicit, Binary), // regoperator to oid
    (2204, 2203, Implicit, Binary), // regoperator to regoper
    (2205, 20, Assignment, Function), // regclass to bigint
    (2205, 23, Assignment, Binary), // regclass to integer
    (2205, 26, Implicit, Binary), // regclass to oid
    (2206, 20, Assignment, Function), // regtype to bigint
    (2206, 23, Assignment, Binary), // regtype to integer
    (2206, 26, Implicit, Binary), // regtype to oid
    (3734, 20, Assignment, Function), // regconfig to bigint
    (3734, 23, Assignment, Binary), // regconfig to integer
    (3734, 26, Implicit, Binary), // regconfig to oid
    (3769, 20, Assignment, Function), // regdictionary to bigint
    (3769, 23, Assignment, Binary), // regdictionary to integer
    (3769, 26, Implicit, Binary), // regdictionary to oid
    (3802, 16, Explicit, Function), // jsonb to boolean
    (3802, 20, Explicit, Function), // jsonb to bigint
    (3802, 21, Explicit, Function), // jsonb to smallint
    (3802, 23, Explicit, Function), // jsonb to integer
    (3802, 114, Assignment, Text), // jsonb to json
    (3802, 700, Explicit, Function), // jsonb to real
    (3802, 701, Explicit, Function), // jsonb to double precision
    (3802, 1700, Explicit, Function), // jsonb to numeric
    (4089, 20, Assignment, Function), // regnamespace to bigint
    (4089, 23, Assignment, Binary), // regnamespace to integer
    (4089, 26, Implicit, Binary), // regnamespace to oid
    (4096, 20, Assignment, Function), // regrole to bigint
    (4096, 23, Assignment, Binary), // regrole to integer
    (4096, 26, Implicit, Binary), // regrole to oid
    (4191, 20, Assignment, Function), // regcollation to bigint
    (4191, 23, Assignment, Binary), // regcollation to integer
    (4191, 26, Implicit, Binary), // regcollation to oid
    (5069, 28, Explicit, Function), // xid8 to xid
];
