//! TABLESAMPLE: a condition on the ids of a table's rows. A row is in a sample or not by chance that its id (of SYSTEM: the
//! number of its block of 128) and the seed decide, so REPEATABLE gives the same rows for as long as they live.

use sqlparser::ast;

use super::Binder;
use super::from::{Found, Source};
use crate::error::{Result, SqlError, SqlState};
use crate::expr::Expr;
use crate::expr::scalar::ROW_SAMPLED;
use crate::plan::Node;
use crate::types::{CastContext, DataType, Value};

impl Binder<'_> {
    /// A table of which a part is read. Errors: 42704 an unknown method, 0A000 what is no table.
    pub(super) fn sampled_table(
        &mut self,
        name: &ast::ObjectName,
        alias: Option<&ast::TableAlias>,
        sample: &ast::TableSampleKind,
    ) -> Result<Source> {
        let (ast::TableSampleKind::BeforeTableAlias(sample) | ast::TableSampleKind::AfterTableAlias(sample)) = sample;
        let method = match (&sample.name, &sample.quantity) {
            (Some(ast::TableSampleMethod::Bernoulli), _) => "bernoulli",
            (Some(ast::TableSampleMethod::System), _) => "system",
            (Some(other), _) => return Err(no_method(&other.to_string())),
            (None, Some(ast::TableSampleQuantity { value: ast::Expr::Function(call), .. })) => {
                return Err(no_method(&call.name.to_string()));
            }
            (None, _) => return Err(SqlError::syntax("syntax error at or near \"TABLESAMPLE\"")),
        };
        let quantity = sample.quantity.as_ref().filter(|quantity| quantity.parenthesized && quantity.unit.is_none());
        let plain = sample.modifier == ast::TableSampleModifier::TableSample
            && sample.bucket.is_none()
            && sample.offset.is_none()
            && !matches!(&sample.seed, Some(seed) if seed.modifier == ast::TableSampleSeedModifier::Seed);
        let (Some(quantity), true) = (quantity, plain) else {
            return Err(SqlError::syntax("syntax error at or near \"TABLESAMPLE\""));
        };
        if !matches!(self.find_relation(name)?, Found::Table(_)) {
            return Err(SqlError::new(
                SqlState::FEATURE_NOT_SUPPORTED,
                "TABLESAMPLE clause can only be applied to tables and materialized views",
            )
            .at(self.name_position(name)));
        }
        let percent = self.sample_argument(&quantity.value)?;
        let (seed, method) = match &sample.seed {
            Some(seed) => (self.sample_argument(&ast::Expr::Value(seed.value.clone()))?, method.to_owned()),
            None => {
                let own = alias.map_or_else(|| name.to_string(), |alias| alias.name.value.clone());
                (Expr::Const(Value::Null, DataType::FLOAT8), format!("{method} {own}"))
            }
        };
        let mut source = self.named_table(name, alias, true)?;
        let row = Expr::Column(source.width - 1, DataType::INT8);
        let method = Expr::Const(Value::text(&method), DataType::TEXT);
        let args = vec![row, percent, seed, method];
        let predicate = Expr::Call { function: &ROW_SAMPLED, args, ty: DataType::BOOL };
        // The filter of the scan itself sees no row ids.
        let scan = std::mem::replace(&mut source.node, Node::Values { rows: Vec::new() });
        source.node = Node::Filter { input: Box::new(scan), predicate };
        Ok(source)
    }

    fn sample_argument(&mut self, ast: &ast::Expr) -> Result<Expr> {
        let value = self.expr(ast)?;
        self.coerce(value, DataType::FLOAT8, CastContext::Assignment)
    }
}

fn no_method(name: &str) -> SqlError {
    SqlError::new(
        SqlState::UNDEFINED_OBJECT,
        format!("tablesample method {} does not exist", name.to_ascii_lowercase()),
    )
}
