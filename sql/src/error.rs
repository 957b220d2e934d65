//! Errors as PostgreSQL reports them: severity, SQLSTATE, message and the optional fields.
//!
//! One type for the whole engine, boxed inside so that a `Result` stays one word wide. The SQLSTATE comes first
//! and is what tests check. A library's error becomes a `SqlError` in the one file that calls the library.

use std::fmt;

/// Result of anything that a client statement can fail with.
pub type Result<T, E = SqlError> = std::result::Result<T, E>;

/// A five-character SQLSTATE.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct SqlState(pub [u8; 5]);

impl SqlState {
    /// Makes a code from its text; a text that is not five ASCII characters does not compile.
    #[must_use]
    pub const fn new(code: &str) -> SqlState {
        let bytes = code.as_bytes();
        assert!(bytes.len() == 5, "a SQLSTATE has five characters");
        SqlState([bytes[0], bytes[1], bytes[2], bytes[3], bytes[4]])
    }

    /// The code as text, `42P01` for one.
    #[must_use]
    pub fn as_str(&self) -> &str {
        std::str::from_utf8(&self.0).unwrap_or("XX000")
    }

    /// The two-character class, `42` for one.
    #[must_use]
    pub fn class(&self) -> &str {
        &self.as_str()[..2]
    }
}

impl fmt::Debug for SqlState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

macro_rules! states {
    ($($name:ident = $code:literal;)*) => {
        #[allow(missing_docs, reason = "the names are PostgreSQL's, from appendix A of its manual")]
        impl SqlState { $(pub const $name: SqlState = SqlState::new($code);)* }
    };
}

states! {
    SUCCESSFUL_COMPLETION = "00000";
    WARNING = "01000";
    CONNECTION_EXCEPTION = "08000";
    CONNECTION_FAILURE = "08006";
    PROTOCOL_VIOLATION = "08P01";
    TRIGGERED_ACTION_EXCEPTION = "09000";
    FEATURE_NOT_SUPPORTED = "0A000";
    CARDINALITY_VIOLATION = "21000";
    DATA_EXCEPTION = "22000";
    STRING_DATA_RIGHT_TRUNCATION = "22001";
    NUMERIC_VALUE_OUT_OF_RANGE = "22003";
    NULL_VALUE_NOT_ALLOWED = "22004";
    INVALID_DATETIME_FORMAT = "22007";
    DATETIME_FIELD_OVERFLOW = "22008";
    INVALID_TIME_ZONE_DISPLACEMENT_VALUE = "22009";
    INTERVAL_FIELD_OVERFLOW = "22015";
    STRING_DATA_LENGTH_MISMATCH = "22026";
    SUBSTRING_ERROR = "22011";
    DIVISION_BY_ZERO = "22012";
    INVALID_ESCAPE_CHARACTER = "22019";
    INVALID_ESCAPE_SEQUENCE = "22025";
    INVALID_REGULAR_EXPRESSION = "2201B";
    INVALID_ARGUMENT_FOR_LOGARITHM = "2201E";
    INVALID_ARGUMENT_FOR_POWER_FUNCTION = "2201F";
    INVALID_ARGUMENT_FOR_WIDTH_BUCKET = "2201G";
    INVALID_ROW_COUNT_IN_LIMIT_CLAUSE = "2201W";
    INVALID_ROW_COUNT_IN_OFFSET_CLAUSE = "2201X";
    SEQUENCE_GENERATOR_LIMIT_EXCEEDED = "2200H";
    CHARACTER_NOT_IN_REPERTOIRE = "22021";
    INVALID_PARAMETER_VALUE = "22023";
    ARRAY_SUBSCRIPT_ERROR = "2202E";
    INVALID_TABLESAMPLE_REPEAT = "2202G";
    INVALID_TABLESAMPLE_ARGUMENT = "2202H";
    DUPLICATE_JSON_OBJECT_KEY_VALUE = "22030";
    INVALID_TEXT_REPRESENTATION = "22P02";
    INVALID_BINARY_REPRESENTATION = "22P03";
    BAD_COPY_FILE_FORMAT = "22P04";
    UNTRANSLATABLE_CHARACTER = "22P05";
    INTEGRITY_CONSTRAINT_VIOLATION = "23000";
    RESTRICT_VIOLATION = "23001";
    NOT_NULL_VIOLATION = "23502";
    FOREIGN_KEY_VIOLATION = "23503";
    UNIQUE_VIOLATION = "23505";
    CHECK_VIOLATION = "23514";
    EXCLUSION_VIOLATION = "23P01";
    INVALID_CURSOR_STATE = "24000";
    INVALID_TRANSACTION_STATE = "25000";
    ACTIVE_SQL_TRANSACTION = "25001";
    READ_ONLY_SQL_TRANSACTION = "25006";
    NO_ACTIVE_SQL_TRANSACTION = "25P01";
    IN_FAILED_SQL_TRANSACTION = "25P02";
    IDLE_IN_TRANSACTION_SESSION_TIMEOUT = "25P03";
    INVALID_SQL_STATEMENT_NAME = "26000";
    INVALID_AUTHORIZATION_SPECIFICATION = "28000";
    INVALID_PASSWORD = "28P01";
    DEPENDENT_OBJECTS_STILL_EXIST = "2BP01";
    INVALID_CURSOR_NAME = "34000";
    INVALID_SAVEPOINT_SPECIFICATION = "3B001";
    INVALID_CATALOG_NAME = "3D000";
    INVALID_SCHEMA_NAME = "3F000";
    SERIALIZATION_FAILURE = "40001";
    DEADLOCK_DETECTED = "40P01";
    SYNTAX_ERROR_OR_ACCESS_RULE_VIOLATION = "42000";
    SYNTAX_ERROR = "42601";
    INSUFFICIENT_PRIVILEGE = "42501";
    CANNOT_COERCE = "42846";
    GROUPING_ERROR = "42803";
    WINDOWING_ERROR = "42P20";
    INVALID_RECURSION = "42P19";
    INVALID_FOREIGN_KEY = "42830";
    INVALID_NAME = "42602";
    NAME_TOO_LONG = "42622";
    RESERVED_NAME = "42939";
    DATATYPE_MISMATCH = "42804";
    INDETERMINATE_DATATYPE = "42P18";
    COLLATION_MISMATCH = "42P21";
    WRONG_OBJECT_TYPE = "42809";
    GENERATED_ALWAYS = "428C9";
    UNDEFINED_COLUMN = "42703";
    UNDEFINED_FUNCTION = "42883";
    UNDEFINED_TABLE = "42P01";
    UNDEFINED_PARAMETER = "42P02";
    UNDEFINED_OBJECT = "42704";
    DUPLICATE_COLUMN = "42701";
    DUPLICATE_CURSOR = "42P03";
    DUPLICATE_DATABASE = "42P04";
    DUPLICATE_FUNCTION = "42723";
    DUPLICATE_PREPARED_STATEMENT = "42P05";
    DUPLICATE_SCHEMA = "42P06";
    DUPLICATE_TABLE = "42P07";
    DUPLICATE_ALIAS = "42712";
    DUPLICATE_OBJECT = "42710";
    AMBIGUOUS_COLUMN = "42702";
    AMBIGUOUS_FUNCTION = "42725";
    AMBIGUOUS_PARAMETER = "42P08";
    AMBIGUOUS_ALIAS = "42P09";
    INVALID_COLUMN_REFERENCE = "42P10";
    INVALID_COLUMN_DEFINITION = "42611";
    INVALID_CURSOR_DEFINITION = "42P11";
    INVALID_DATABASE_DEFINITION = "42P12";
    INVALID_FUNCTION_DEFINITION = "42P13";
    INVALID_PREPARED_STATEMENT_DEFINITION = "42P14";
    INVALID_SCHEMA_DEFINITION = "42P15";
    INVALID_TABLE_DEFINITION = "42P16";
    INVALID_OBJECT_DEFINITION = "42P17";
    WITH_CHECK_OPTION_VIOLATION = "44000";
    INSUFFICIENT_RESOURCES = "53000";
    DISK_FULL = "53100";
    OUT_OF_MEMORY = "53200";
    TOO_MANY_CONNECTIONS = "53300";
    CONFIGURATION_LIMIT_EXCEEDED = "53400";
    PROGRAM_LIMIT_EXCEEDED = "54000";
    STATEMENT_TOO_COMPLEX = "54001";
    TOO_MANY_COLUMNS = "54011";
    TOO_MANY_ARGUMENTS = "54023";
    OBJECT_NOT_IN_PREREQUISITE_STATE = "55000";
    OBJECT_IN_USE = "55006";
    CANT_CHANGE_RUNTIME_PARAM = "55P02";
    LOCK_NOT_AVAILABLE = "55P03";
    QUERY_CANCELED = "57014";
    ADMIN_SHUTDOWN = "57P01";
    CRASH_SHUTDOWN = "57P02";
    CANNOT_CONNECT_NOW = "57P03";
    IDLE_SESSION_TIMEOUT = "57P05";
    SYSTEM_ERROR = "58000";
    IO_ERROR = "58030";
    UNDEFINED_FILE = "58P01";
    CONFIG_FILE_ERROR = "F0000";
    RAISE_EXCEPTION = "P0001";
    NO_DATA_FOUND = "P0002";
    INTERNAL_ERROR = "XX000";
    DATA_CORRUPTED = "XX001";
    INDEX_CORRUPTED = "XX002";
}

/// How bad a message is. ERROR ends the statement, FATAL the session; the others are notices.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Severity {
    /// Ends the server's work on all sessions.
    Panic,
    /// Ends the session.
    Fatal,
    /// Ends the statement.
    Error,
    /// Notice levels, most urgent first.
    Warning,
    /// See `Warning`.
    Notice,
    /// See `Warning`.
    Info,
    /// See `Warning`.
    Log,
    /// See `Warning`.
    Debug,
}

impl Severity {
    /// The word of the protocol's S and V fields.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Severity::Panic => "PANIC",
            Severity::Fatal => "FATAL",
            Severity::Error => "ERROR",
            Severity::Warning => "WARNING",
            Severity::Notice => "NOTICE",
            Severity::Info => "INFO",
            Severity::Log => "LOG",
            Severity::Debug => "DEBUG",
        }
    }
}

/// Where in a statement's text something stands: a 0-based byte offset. `None` in an error when unknown.
#[derive(Clone, Copy, PartialEq, Eq, Debug, PartialOrd, Ord)]
pub struct Span(pub u32);

/// The fields of an error or notice. All texts are what the client may see.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ErrorFields {
    /// S and V.
    pub severity: Severity,
    /// C.
    pub state: SqlState,
    /// M: lower case, no full stop, names in double quotes.
    pub message: String,
    /// D: whole sentences.
    pub detail: Option<String>,
    /// H: whole sentences.
    pub hint: Option<String>,
    /// P: byte offset in the statement; the front end turns it into a 1-based character position.
    pub position: Option<Span>,
    /// W: the trigger, script line or COPY line that the error passed through, innermost first.
    pub context: Option<String>,
    /// s.
    pub schema: Option<String>,
    /// t.
    pub table: Option<String>,
    /// c.
    pub column: Option<String>,
    /// d.
    pub data_type: Option<String>,
    /// n.
    pub constraint: Option<String>,
}

/// An error or notice with its SQLSTATE and fields; one word wide.
#[derive(Clone, PartialEq, Eq)]
pub struct SqlError(Box<ErrorFields>);

impl SqlError {
    /// An ERROR with this code and message.
    #[must_use]
    pub fn new(state: SqlState, message: impl Into<String>) -> SqlError {
        SqlError(Box::new(ErrorFields {
            severity: Severity::Error,
            state,
            message: message.into(),
            detail: None,
            hint: None,
            position: None,
            context: None,
            schema: None,
            table: None,
            column: None,
            data_type: None,
            constraint: None,
        }))
    }

    /// A notice of the given severity.
    #[must_use]
    pub fn notice(severity: Severity, state: SqlState, message: impl Into<String>) -> SqlError {
        let mut error = SqlError::new(state, message);
        error.0.severity = severity;
        error
    }

    /// 0A000: `what` names the feature.
    #[must_use]
    pub fn unsupported(what: impl fmt::Display) -> SqlError {
        SqlError::new(SqlState::FEATURE_NOT_SUPPORTED, format!("{what} is not supported"))
    }

    /// XX000: a broken invariant of ours that must not take the server down.
    #[must_use]
    pub fn internal(what: impl fmt::Display) -> SqlError {
        SqlError::new(SqlState::INTERNAL_ERROR, format!("internal error: {what}"))
    }

    /// 42601 at a place in the text.
    #[must_use]
    pub fn syntax(message: impl Into<String>) -> SqlError {
        SqlError::new(SqlState::SYNTAX_ERROR, message)
    }

    /// The fields.
    #[must_use]
    pub fn fields(&self) -> &ErrorFields {
        &self.0
    }

    /// The fields, to change one.
    pub fn fields_mut(&mut self) -> &mut ErrorFields {
        &mut self.0
    }

    /// The SQLSTATE.
    #[must_use]
    pub fn state(&self) -> SqlState {
        self.0.state
    }

    /// The primary message.
    #[must_use]
    pub fn message(&self) -> &str {
        &self.0.message
    }

    /// Sets the position unless one is known already (the innermost wins).
    #[must_use]
    pub fn at(mut self, span: impl Into<Option<Span>>) -> SqlError {
        if self.0.position.is_none() {
            self.0.position = span.into();
        }
        self
    }

    /// Sets the detail.
    #[must_use]
    pub fn detail(mut self, text: impl Into<String>) -> SqlError {
        self.0.detail = Some(text.into());
        self
    }

    /// Sets the hint.
    #[must_use]
    pub fn hint(mut self, text: impl Into<String>) -> SqlError {
        self.0.hint = Some(text.into());
        self
    }

    /// Adds an outer line to the context.
    #[must_use]
    pub fn context(mut self, line: impl Into<String>) -> SqlError {
        let line = line.into();
        self.0.context = Some(match self.0.context.take() {
            Some(inner) => format!("{inner}\n{line}"),
            None => line,
        });
        self
    }

    /// Names the table (fields s and t).
    #[must_use]
    pub fn table(mut self, schema: impl Into<String>, table: impl Into<String>) -> SqlError {
        self.0.schema = Some(schema.into());
        self.0.table = Some(table.into());
        self
    }

    /// Names the column (field c).
    #[must_use]
    pub fn column(mut self, column: impl Into<String>) -> SqlError {
        self.0.column = Some(column.into());
        self
    }

    /// Names the data type (field d).
    #[must_use]
    pub fn data_type(mut self, name: impl Into<String>) -> SqlError {
        self.0.data_type = Some(name.into());
        self
    }

    /// Names the constraint (field n).
    #[must_use]
    pub fn constraint(mut self, name: impl Into<String>) -> SqlError {
        self.0.constraint = Some(name.into());
        self
    }

    /// Makes it end the session.
    #[must_use]
    pub fn fatal(mut self) -> SqlError {
        self.0.severity = Severity::Fatal;
        self
    }
}

impl fmt::Debug for SqlError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl fmt::Display for SqlError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {} (SQLSTATE {})", self.0.severity.as_str(), self.0.message, self.0.state.as_str())?;
        for (label, text) in [("DETAIL", &self.0.detail), ("HINT", &self.0.hint), ("CONTEXT", &self.0.context)] {
            if let Some(text) = text {
                write!(f, "\n{label}: {text}")?;
            }
        }
        Ok(())
    }
}

impl std::error::Error for SqlError {}
