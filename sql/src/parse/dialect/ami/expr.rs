//! AMI expressions as standard SQL text (AMI-25 to AMI-35).
//!
//! What an operator means depends on the types of its operands, which only binding knows: so most operators become calls
//! of a schema `ami` that exists nowhere else, `ami.eq(a, b)`, and `plan/bind/ami.rs` gives each its meaning. Comparisons
//! answer as SQL's do, where a null is as good as false; where the answer is a value and not a condition, `ami.value`
//! makes it false (AMI-27).

use super::cursor::{literal, quoted};
use super::lexer::Token;
use super::translate::Translator;
use crate::error::{Result, SqlError};

/// A translated expression.
pub(super) struct Out {
    pub(super) sql: String,
    /// A comparison or logical operator: null stands for false.
    logic: bool,
    /// The function that it calls, for the name of a result column.
    pub(super) call: Option<String>,
}

impl Out {
    fn plain(sql: impl Into<String>) -> Out {
        Out { sql: sql.into(), logic: false, call: None }
    }

    fn logic(sql: impl Into<String>) -> Out {
        Out { sql: sql.into(), logic: true, call: None }
    }

    /// As a value: never null for an unknown comparison.
    pub(super) fn value(self) -> String {
        if self.logic { format!("ami.value({})", self.sql) } else { self.sql }
    }
}

/// Deepest nesting of an expression.
const DEPTH_MAX: usize = 400;

/// Binary operators by rising precedence: their marks (longest first) and what binding calls them.
const LEVELS: &[&[(&str, &str)]] = &[
    &[("|", "bit_or")],
    &[("^", "bit_xor")],
    &[("&", "bit_and")],
    &[("==", "eq"), ("=~", "match"), ("!~", "no_match"), ("~~", "like"), ("!=", "ne"), ("<>", "ne"), ("=", "eq")],
    &[("<=", "le"), (">=", "ge"), ("<", "lt"), (">", "gt")],
    &[("<<", "shl"), (">>>", "ushr"), (">>", "shr")],
    &[("+", "add"), ("-", "sub")],
    &[("*", "mul"), ("/", "div"), ("%", "mod")],
];

impl Translator<'_> {
    /// An expression as a condition.
    pub(super) fn condition(&mut self) -> Result<String> {
        Ok(self.expr()?.sql)
    }

    /// An expression as a value.
    pub(super) fn value(&mut self) -> Result<String> {
        Ok(self.expr()?.value())
    }

    pub(super) fn expr(&mut self) -> Result<Out> {
        self.depth += 1;
        if self.depth > DEPTH_MAX {
            return Err(SqlError::new(crate::error::SqlState::STATEMENT_TOO_COMPLEX, "stack depth limit exceeded"));
        }
        let out = stacker::maybe_grow(96 * 1024, 1024 * 1024, || self.ternary());
        self.depth -= 1;
        out
    }

    fn ternary(&mut self) -> Result<Out> {
        let condition = self.or()?;
        if !self.c.mark('?') {
            return Ok(condition);
        }
        let then = self.value()?;
        self.c.expect_mark(':')?;
        let other = self.value()?;
        Ok(Out::plain(format!("(CASE WHEN {} THEN {then} ELSE {other} END)", condition.sql)))
    }

    fn or(&mut self) -> Result<Out> {
        let mut terms = vec![self.and()?];
        while self.c.marks("||") || self.c.word("or") {
            terms.push(self.and()?);
        }
        Ok(joined(terms, " OR "))
    }

    fn and(&mut self) -> Result<Out> {
        let mut terms = vec![self.level(0)?];
        while self.c.marks("&&") || self.c.word("and") {
            terms.push(self.level(0)?);
        }
        Ok(joined(terms, " AND "))
    }

    fn level(&mut self, level: usize) -> Result<Out> {
        let Some(operators) = LEVELS.get(level) else { return self.unary() };
        let mut left = self.level(level + 1)?;
        loop {
            if level == 3
                && let Some(out) = self.membership(&mut left)?
            {
                left = out;
                continue;
            }
            let Some((marks, name)) = operators.iter().find(|(marks, _)| self.operator(marks)) else {
                return Ok(left);
            };
            self.c.at += marks.len();
            let right = self.level(level + 1)?.value();
            let sql = format!("ami.{name}({}, {right})", left.value());
            left = if (3..=4).contains(&level) { Out::logic(sql) } else { Out::plain(sql) };
        }
    }

    /// Whether these marks stand here as an operator of their own.
    fn operator(&self, marks: &str) -> bool {
        if !self.c.is_marks(marks) {
            return false;
        }
        // `||` and `&&` are no bit operators, `<>` is not less.
        match marks {
            "|" | "&" => !self.c.is_marks(&marks.repeat(2)),
            "<" => !self.c.is_marks("<>"),
            _ => true,
        }
    }

    /// `[NOT] IN (…)` and `IS [NOT] NULL` after an operand.
    fn membership(&mut self, left: &mut Out) -> Result<Option<Out>> {
        let not = self.c.is(0, "not") && self.c.is(1, "in");
        if !not && !self.c.is(0, "in") {
            return Ok(None);
        }
        self.c.at += 1 + usize::from(not);
        self.c.expect_mark('(')?;
        let value = std::mem::replace(left, Out::plain("")).value();
        let sql = if self.c.is(0, "select") {
            let query = self.query()?;
            format!("{value} IN ({query})")
        } else {
            let mut terms = Vec::new();
            if !self.c.is_mark(0, ')') {
                loop {
                    terms.push(format!("ami.eq({value}, {})", self.value()?));
                    if !self.c.mark(',') {
                        break;
                    }
                }
            }
            if terms.is_empty() { "false".to_owned() } else { terms.join(" OR ") }
        };
        self.c.expect_mark(')')?;
        Ok(Some(Out::logic(if not { format!("(NOT ami.value({sql}))") } else { format!("({sql})") })))
    }

    fn unary(&mut self) -> Result<Out> {
        self.depth += 1;
        if self.depth > DEPTH_MAX {
            return Err(SqlError::new(crate::error::SqlState::STATEMENT_TOO_COMPLEX, "stack depth limit exceeded"));
        }
        let out = self.unary_inner();
        self.depth -= 1;
        out
    }

    fn unary_inner(&mut self) -> Result<Out> {
        if self.c.mark('!') || self.c.word("not") {
            let inner = self.unary()?;
            let sql = if inner.logic { format!("ami.value({})", inner.sql) } else { inner.sql };
            return Ok(Out::logic(format!("(NOT {sql})")));
        }
        if self.c.mark('-') {
            let inner = self.unary()?.value();
            return Ok(Out::plain(format!("(- {inner})")));
        }
        if self.c.mark('+') {
            return self.unary();
        }
        if self.c.mark('~') {
            let inner = self.unary()?.value();
            return Ok(Out::plain(format!("(~ {inner})")));
        }
        if self.c.is_mark(0, '(')
            && self.c.is_mark(2, ')')
            && let Some(Token::Word(word)) = self.c.ahead(1)
            && super::grammar::data_type(word).is_some()
            && matches!(
                self.c.ahead(3),
                Some(Token::Word(_) | Token::Name(_) | Token::Text(_) | Token::Number(_) | Token::Mark('(' | '$'))
            )
        {
            let ty = word.clone();
            self.c.at += 3;
            let inner = self.unary()?.value();
            return Ok(Out::plain(super::grammar::conversion(&inner, &ty).unwrap_or(inner)));
        }
        self.postfix()
    }

    fn postfix(&mut self) -> Result<Out> {
        let mut out = self.primary()?;
        while self.c.is_mark(0, '.') && self.c.is_mark(2, '(') {
            self.c.at += 1;
            let name = self.c.name()?;
            self.c.expect_mark('(')?;
            let args = self.arguments()?;
            out =
                Out::plain(method(&name, &out.value(), &args).ok_or_else(|| {
                    SqlError::unsupported(format!("the method {name} over columns in an AMI statement"))
                })?);
        }
        Ok(out)
    }

    /// The arguments of a call behind its parenthesis.
    fn arguments(&mut self) -> Result<Vec<String>> {
        let mut args = Vec::new();
        if self.c.mark(')') {
            return Ok(args);
        }
        loop {
            if self.c.is_mark(0, '*') && self.c.is_mark(1, ')') {
                self.c.at += 1;
                args.push("*".to_owned());
            } else {
                args.push(self.value()?);
            }
            if !self.c.mark(',') {
                break;
            }
        }
        self.c.expect_mark(')')?;
        Ok(args)
    }

    fn primary(&mut self) -> Result<Out> {
        let Some(token) = self.c.peek().cloned() else { return Err(self.c.error()) };
        match token {
            Token::Number(number) => {
                let at = self.c.offset();
                self.c.at += 1;
                number_text(&number)
                    .map(Out::plain)
                    .ok_or_else(|| crate::parse::syntax_at(format!("invalid number \"{number}\""), at))
            }
            Token::Text(text) => {
                self.c.at += 1;
                Ok(Out::plain(literal(&text.replace("\\$", "$"))))
            }
            Token::Mark('$') if matches!(self.c.ahead(1), Some(Token::Number(_))) => {
                let Some(Token::Number(number)) = self.c.ahead(1) else { return Err(self.c.error()) };
                let sql = format!("${number}");
                self.c.at += 2;
                Ok(Out::plain(sql))
            }
            Token::Mark('(') => self.parenthesis(),
            Token::Name(_) => self.name_or_call(),
            Token::Word(word) => {
                let lower = word.to_ascii_lowercase();
                match lower.as_str() {
                    "null" | "true" | "false" => {
                        self.c.at += 1;
                        Ok(Out::plain(lower))
                    }
                    _ if self.c.reserved() => Err(self.c.error()),
                    _ => self.name_or_call(),
                }
            }
            Token::Mark(_) => Err(self.c.error()),
        }
    }

    fn parenthesis(&mut self) -> Result<Out> {
        self.c.expect_mark('(')?;
        if self.c.is(0, "select") {
            let query = self.query()?;
            self.c.expect_mark(')')?;
            return Ok(Out::plain(format!("({query})")));
        }
        let first = self.expr()?;
        if !self.c.is_mark(0, ',') {
            self.c.expect_mark(')')?;
            return Ok(Out { sql: format!("({})", first.sql), ..first });
        }
        let mut items = vec![first.value()];
        while self.c.mark(',') {
            items.push(self.value()?);
        }
        self.c.expect_mark(')')?;
        Ok(Out::plain(format!("({})", items.join(", "))))
    }

    fn name_or_call(&mut self) -> Result<Out> {
        let backticks = matches!(self.c.peek(), Some(Token::Name(_)));
        let name = self.c.name()?;
        if !backticks && self.c.mark('(') {
            let args = self.arguments()?;
            let sql = call(&name, &args);
            return Ok(Out { sql, logic: false, call: Some(name) });
        }
        let mut sql = quoted(&name);
        // A method call is left to `postfix`.
        while self.c.is_mark(0, '.') && !self.c.is_mark(2, '(') {
            self.c.at += 1;
            sql.push('.');
            sql.push_str(&quoted(&self.c.name()?));
        }
        Ok(Out::plain(sql))
    }
}

fn joined(mut terms: Vec<Out>, word: &str) -> Out {
    if terms.len() == 1 {
        return terms.remove(0);
    }
    let terms: Vec<String> = terms.into_iter().map(|term| term.sql).collect();
    Out::logic(format!("({})", terms.join(word)))
}

/// A number with its suffix (AMI-22, AMI-23).
fn number_text(number: &str) -> Option<String> {
    let lower = number.to_ascii_lowercase();
    if let Some(digits) = lower.strip_prefix("0x") {
        let (digits, long) = digits.strip_suffix('l').map_or((digits, false), |digits| (digits, true));
        let value = i64::from_str_radix(digits, 16).ok()?;
        return Some(if long { format!("{value}::int8") } else { value.to_string() });
    }
    let plain = |text: &str| text.bytes().all(|b| b.is_ascii_digit()) && !text.is_empty();
    let float = |text: &str| text.parse::<f64>().is_ok_and(f64::is_finite);
    for (suffix, ty) in [('l', "int8"), ('s', "int2"), ('b', "int2")] {
        if let Some(digits) = lower.strip_suffix(suffix) {
            return plain(digits).then(|| format!("{digits}::{ty}"));
        }
    }
    for (suffix, ty) in [('f', "float4"), ('d', "float8")] {
        if let Some(digits) = lower.strip_suffix(suffix) {
            return float(digits).then(|| format!("{digits}::{ty}"));
        }
    }
    if plain(&lower) {
        if lower.len() > 1 && lower.starts_with('0') {
            return i64::from_str_radix(&lower, 8).ok().map(|value| value.to_string());
        }
        return Some(lower);
    }
    float(&lower).then(|| format!("{lower}::float8"))
}

/// A call of one of AMI's functions (AMI-60, AMI-69) as standard SQL.
fn call(name: &str, args: &[String]) -> String {
    let all = args.join(", ");
    let one = args.first().map_or("", String::as_str);
    let floats = || args.iter().map(|arg| format!("({arg})::float8")).collect::<Vec<_>>().join(", ");
    match (name.to_ascii_lowercase().as_str(), args.len()) {
        ("countunique", 1) => format!("count(DISTINCT {one})"),
        ("first", 1) => format!("(array_agg({one}))[1]"),
        ("last", 1) => format!("(array_agg({one}))[count(*)]"),
        ("avg", 1) => format!("avg({})", floats()),
        ("var", 1) => format!("var_pop({})", floats()),
        ("vars", 1) => format!("var_samp({})", floats()),
        ("stdev", 1) => format!("stddev_pop({})", floats()),
        ("stdevs", 1) => format!("stddev_samp({})", floats()),
        ("median", 1) => format!("percentile_cont(0.5) WITHIN GROUP (ORDER BY {})", floats()),
        ("covar", 2) => format!("covar_pop({})", floats()),
        ("covars", 2) => format!("covar_samp({})", floats()),
        ("cor", 2) => format!("corr({})", floats()),
        ("beta", 2) => format!("regr_slope({})", floats()),
        ("cat", 2) => format!("string_agg(ami.text({one}), {})", args[1]),
        ("cat", 3) => format!("array_to_string((array_agg(ami.text({one})))[1:{}], {})", args[2], args[1]),
        ("strlower", 1) => format!("lower({all})"),
        ("strupper", 1) => format!("upper({all})"),
        ("strtrim", 1) => format!("btrim({all})"),
        ("strlength", 1) => format!("length({all})"),
        ("strreplace", 3) => format!("replace({all})"),
        ("strindexof", 2) => format!("(strpos({all}) - 1)"),
        ("strsubstring", 2) => format!("substr({one}, {} + 1)", args[1]),
        ("strsubstring", 3) => format!("substr({one}, {} + 1, {} - {})", args[1], args[2], args[1]),
        ("minimum", 1..) => format!("least({all})"),
        ("maximum", 1..) => format!("greatest({all})"),
        ("nonull", 2) => format!("coalesce({all})"),
        ("power", 2) => format!("power({})", floats()),
        ("sqrt" | "exp" | "floor" | "ceil", 1) => format!("{}({})", name.to_ascii_lowercase(), floats()),
        ("log", 1) => format!("ln({})", floats()),
        ("rand", 0) => "random()".to_owned(),
        ("rand", 1) => format!("floor(random() * ({one}))::int4"),
        ("timestamp", 0) => "floor(extract(epoch FROM clock_timestamp()) * 1000)::int8".to_owned(),
        (lower, _) => format!("{}({all})", quoted(lower)),
    }
}

/// A method of String over an operand (AMI-68).
fn method(name: &str, on: &str, args: &[String]) -> Option<String> {
    Some(match (name, args) {
        ("length", []) => format!("length({on})"),
        ("substring", [from]) => format!("substr({on}, ({from}) + 1)"),
        ("substring", [from, to]) => format!("substr({on}, ({from}) + 1, ({to}) - ({from}))"),
        ("indexOf", [part]) => format!("(strpos({on}, {part}) - 1)"),
        ("contains", [part]) => format!("(strpos({on}, {part}) > 0)"),
        ("startsWith", [part]) => format!("starts_with({on}, {part})"),
        ("endsWith", [part]) => format!("(right({on}, length({part})) = {part})"),
        ("toUpperCase", []) => format!("upper({on})"),
        ("toLowerCase", []) => format!("lower({on})"),
        ("trim", []) => format!("btrim({on})"),
        ("replace", [from, to]) => format!("replace({on}, {from}, {to})"),
        _ => return None,
    })
}
