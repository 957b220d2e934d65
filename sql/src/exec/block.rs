//! DO: runs a block of `parse::block`. A block with handlers is a subtransaction: what it did is undone before one runs.

use super::backend::Backend;
use super::statement::run_text;
use crate::error::{Result, Severity, SqlError, SqlState};
use crate::parse::{Block, BlockStatement, parse_block};
use crate::types::Value;

/// Deepest nesting of blocks and conditions.
const DEPTH_MAX: usize = 50;

/// Runs the body of DO. Errors: 0A000 for another language, and what its statements say.
pub(super) fn run(backend: &Backend, language: &str, body: &str, depth: u32) -> Result<()> {
    match language.to_ascii_lowercase().as_str() {
        "plpgsql" => {}
        "sql" => {
            return Err(SqlError::unsupported("language \"sql\" does not support inline code execution"));
        }
        other => {
            return Err(SqlError::new(SqlState::UNDEFINED_OBJECT, format!("language \"{other}\" does not exist")));
        }
    }
    block(backend, &parse_block(body)?, depth, 0)
}

fn block(backend: &Backend, block: &Block, depth: u32, level: usize) -> Result<()> {
    if level > DEPTH_MAX {
        return Err(SqlError::new(SqlState::STATEMENT_TOO_COMPLEX, "stack depth limit exceeded"));
    }
    if block.handlers.is_empty() {
        return statements(backend, &block.body, depth, level);
    }
    let savepoint = backend.with_txn(|txn| Ok(txn.savepoint()))?;
    let error = match statements(backend, &block.body, depth, level) {
        Ok(()) => {
            return backend.with_txn(|txn| {
                txn.release(savepoint);
                Ok(())
            });
        }
        Err(error) => error,
    };
    let handler = block.handlers.iter().find(|(conditions, _)| conditions.iter().any(|own| catches(own, &error)));
    backend.with_txn(|txn| txn.rollback_to(savepoint))?;
    match handler {
        Some((_, body)) => statements(backend, body, depth, level),
        None => Err(error),
    }
}

/// Whether a condition of a handler means this error. `others` leaves out cancellation, as in PostgreSQL.
fn catches(condition: &str, error: &SqlError) -> bool {
    let code = error.state();
    let wanted = match condition {
        "others" => return code != SqlState::QUERY_CANCELED,
        "duplicate_object" => "42710",
        "duplicate_table" => "42P07",
        "duplicate_column" => "42701",
        "duplicate_schema" => "42P06",
        "duplicate_function" => "42723",
        "duplicate_database" => "42P04",
        "unique_violation" => "23505",
        "foreign_key_violation" => "23503",
        "not_null_violation" => "23502",
        "check_violation" => "23514",
        "undefined_table" => "42P01",
        "undefined_column" => "42703",
        "undefined_object" => "42704",
        "undefined_function" => "42883",
        "invalid_schema_name" => "3F000",
        "insufficient_privilege" => "42501",
        "dependent_objects_still_exist" => "2BP01",
        "division_by_zero" => "22012",
        "invalid_table_definition" => "42P16",
        "wrong_object_type" => "42809",
        "feature_not_supported" => "0A000",
        "syntax_error" => "42601",
        "raise_exception" => "P0001",
        "no_data_found" => "P0002",
        code => code,
    };
    code.as_str() == wanted
}

fn statements(backend: &Backend, body: &[BlockStatement], depth: u32, level: usize) -> Result<()> {
    body.iter().try_for_each(|one| statement(backend, one, depth, level + 1))
}

fn statement(backend: &Backend, one: &BlockStatement, depth: u32, level: usize) -> Result<()> {
    let run = |text: &str| run_text(backend, text, &[], &[], depth);
    match one {
        BlockStatement::Null => Ok(()),
        BlockStatement::Sql(text) => {
            let result = run(text)?;
            if !result.columns.is_empty() && result.tag.starts_with("SELECT") {
                return Err(SqlError::syntax("query has no destination for result data")
                    .hint("If you want to discard the results of a SELECT, use PERFORM instead."));
            }
            Ok(())
        }
        BlockStatement::Perform(text) => run(&format!("SELECT {text}")).map(|_| ()),
        BlockStatement::Execute(expression) => {
            let given = run(&format!("SELECT ({expression})::text"))?;
            match given.rows.first().and_then(|row| row.first()) {
                Some(Value::Text(text)) => run(text).map(|_| ()),
                _ => Err(SqlError::new(SqlState::NULL_VALUE_NOT_ALLOWED, "query string argument of EXECUTE is null")),
            }
        }
        BlockStatement::Raise(level, text) => match level.as_str() {
            "exception" => Err(SqlError::new(SqlState::RAISE_EXCEPTION, text.clone())),
            other => {
                let severity = match other {
                    "warning" => Severity::Warning,
                    "info" => Severity::Info,
                    "log" => Severity::Log,
                    "debug" => Severity::Debug,
                    _ => Severity::Notice,
                };
                let state =
                    if severity == Severity::Warning { SqlState::WARNING } else { SqlState::SUCCESSFUL_COMPLETION };
                backend.notice(SqlError::notice(severity, state, text.clone()));
                Ok(())
            }
        },
        BlockStatement::If(branches, otherwise) => {
            for (condition, body) in branches {
                let result = run(&format!("SELECT ({condition})::bool"))?;
                if result.rows.first().and_then(|row| row.first()) == Some(&Value::Bool(true)) {
                    return statements(backend, body, depth, level);
                }
            }
            statements(backend, otherwise, depth, level)
        }
        BlockStatement::Block(inner) => block(backend, inner, depth, level),
    }
}
