//! Script languages: what every one of them has, and the list of them. Kinds use a language; a language knows no kind.

pub mod ami;
pub mod lua;

use tripline_sql::error::Result;

/// Bounds of one run of a script.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Statements and loop turns (AMIScript) or VM instructions (Lua).
    pub steps: u64,
    /// Bytes that it may allocate.
    pub memory_bytes: u64,
}

impl Limits {
    /// Of AMIScript: ended by the statement's timeout long before, as a rule.
    pub const AMI: Limits = Limits { steps: 1_000_000_000, memory_bytes: 256 << 20 };
    /// Of a Lua trigger's call (CDB-213).
    pub const LUA: Limits = Limits { steps: 10_000, memory_bytes: 64 << 20 };
}

/// A script language.
pub trait Language: Sync {
    /// Its name in `FunctionDef::language`.
    fn name(&self) -> &'static str;
    /// Whether a source can be compiled. Errors: 42601.
    fn check(&self, source: &str) -> Result<()>;
}

/// All languages.
pub static LANGUAGES: &[&dyn Language] = &[&lua::comdb2::Lua51, &ami::Ami];
