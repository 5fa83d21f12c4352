//! What an expression of Prometheus names: metrics, and labels. Whether it is right otherwise is for Prometheus' own `promtool` to
//! say. The language: <https://prometheus.io/docs/prometheus/latest/querying/basics/>.

/// What an expression names.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Names {
    pub(crate) selectors: Vec<Selector>,
    /// The labels of `by (…)`, `on (…)` and the like.
    pub(crate) grouped: Vec<String>,
}

/// A metric, and what its labels must be.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Selector {
    pub(crate) metric: String,
    /// A label, and the value or the pattern.
    pub(crate) matchers: Vec<(String, String)>,
}

/// Words before a list of labels.
const GROUPINGS: [&str; 6] = ["by", "without", "on", "ignoring", "group_left", "group_right"];
/// Words that are nothing else.
const OPERATORS: [&str; 7] = ["and", "or", "unless", "bool", "offset", "inf", "nan"];

#[derive(Debug, Clone, PartialEq, Eq)]
enum Token {
    Word(String),
    Text(String),
    /// Numbers, durations and variables of a dashboard, which name nothing.
    Other,
    Symbol(char),
}

/// Reads an expression.
pub(crate) fn names(expression: &str) -> Result<Names, String> {
    let tokens = tokens(expression)?;
    let mut rest = tokens.as_slice();
    let mut names = Names::default();
    while let Some((token, after)) = rest.split_first() {
        rest = after;
        match token {
            Token::Symbol('{') => return Err("a selector without a metric's name".to_owned()),
            Token::Word(word) if OPERATORS.contains(&word.to_lowercase().as_str()) => {}
            Token::Word(word) if GROUPINGS.contains(&word.as_str()) => {
                if let Some(list) = after.strip_prefix(&[Token::Symbol('(')]) {
                    let (labels, after) = until(list, ')')?;
                    names.grouped.extend(labels.iter().filter_map(word_of));
                    rest = after;
                }
            }
            // A function, or an aggregation: `sum(…)`, `sum by (…) (…)`.
            Token::Word(_) if after.first() == Some(&Token::Symbol('(')) => {}
            Token::Word(_)
                if after.first().and_then(word_of).is_some_and(|next| GROUPINGS[..2].contains(&&*next)) => {}
            Token::Word(metric) => {
                let mut matchers = Vec::new();
                if let Some(list) = after.strip_prefix(&[Token::Symbol('{')]) {
                    let (found, after) = until(list, '}')?;
                    for matcher in found.split(|token| *token == Token::Symbol(',')) {
                        match matcher {
                            [] => {}
                            [Token::Word(label), Token::Symbol(_), .., Token::Text(value)] => {
                                matchers.push((label.clone(), value.clone()));
                            }
                            _ => return Err(format!("no matcher of {metric}: {matcher:?}")),
                        }
                    }
                    rest = after;
                }
                names.selectors.push(Selector { metric: metric.clone(), matchers });
            }
            Token::Text(_) | Token::Other | Token::Symbol(_) => {}
        }
    }
    Ok(names)
}

fn word_of(token: &Token) -> Option<String> {
    if let Token::Word(word) = token { Some(word.clone()) } else { None }
}

/// The tokens before the symbol, and those behind it.
fn until(tokens: &[Token], end: char) -> Result<(&[Token], &[Token]), String> {
    let at = tokens.iter().position(|token| *token == Token::Symbol(end)).ok_or(format!("no {end}"))?;
    let (list, rest) = tokens.split_at(at);
    Ok((list, rest.split_first().map_or(rest, |(_, rest)| rest)))
}

fn tokens(expression: &str) -> Result<Vec<Token>, String> {
    let mut tokens = Vec::new();
    let mut rest = expression;
    while let Some(first) = rest.chars().next() {
        let run = |is_in: fn(char) -> bool| rest.find(|c| !is_in(c)).unwrap_or(rest.len());
        let (token, length) = match first {
            '#' => (None, rest.find('\n').unwrap_or(rest.len())),
            '"' | '\'' | '`' => {
                let (text, length) = quoted(rest, first).ok_or_else(|| format!("no end of {rest}"))?;
                (Some(Token::Text(text)), length)
            }
            c if c.is_whitespace() => (None, run(char::is_whitespace)),
            c if c.is_ascii_digit() || c == '$' => {
                (Some(Token::Other), run(|c| c.is_ascii_alphanumeric() || "$_.:".contains(c)))
            }
            c if c.is_ascii_alphabetic() || c == '_' || c == ':' => {
                let length = run(|c| c.is_ascii_alphanumeric() || c == '_' || c == ':');
                (rest.get(..length).map(|word| Token::Word(word.to_owned())), length)
            }
            c => (Some(Token::Symbol(c)), c.len_utf8()),
        };
        tokens.extend(token);
        rest = rest.get(length..).unwrap_or_default();
    }
    Ok(tokens)
}

/// What stands between the quotes that a text begins with, and the bytes up to behind the second.
fn quoted(text: &str, quote: char) -> Option<(String, usize)> {
    let mut value = String::new();
    let mut characters = text.char_indices().skip(1);
    while let Some((at, c)) = characters.next() {
        match c {
            c if c == quote => return Some((value, at + 1)),
            '\\' if quote != '`' => value.push(characters.next()?.1),
            c => value.push(c),
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `METRIC{LABEL VALUE}` of all, then the labels of groupings.
    fn told(expression: &str) -> Vec<String> {
        let names = names(expression).unwrap();
        let selectors = names.selectors.into_iter().map(|Selector { metric, matchers }| {
            let matchers: Vec<String> =
                matchers.into_iter().map(|(label, value)| format!("{label} {value}")).collect();
            format!("{metric}{{{}}}", matchers.join(","))
        });
        selectors.chain(names.grouped).collect()
    }

    #[test]
    fn metrics_matchers_and_groupings_are_told_from_functions_operators_and_durations() {
        for (expression, expected) in [
            ("up == 0", &["up{}"][..]),
            (r#"up{job=~"a|b", x!='}"'} > 1e3"#, &["up{job a|b,x }\"}"]),
            (r#"increase(a_total{r="x\"y",}[10m] offset 5m) > 0"#, &["a_total{r x\"y}"]),
            (
                "sum by (a, b) (rate(c[$__rate_interval])) / sum(d) without (e)",
                &["c{}", "d{}", "a", "b", "e"],
            ),
            ("a and on (x) group_left (y) b OR c unless d # e", &["a{}", "b{}", "c{}", "d{}", "x", "y"]),
            ("time() - a > 7 * 86400 and -Inf < b:c", &["a{}", "b:c{}"]),
            ("max(max_over_time(a[1h:1m])) > bool 2.5", &["a{}"]),
            (r#"topk(5, count_values("version", a))"#, &["a{}"]),
        ] {
            assert_eq!(told(expression), expected, "{expression}");
        }
    }

    #[test]
    fn what_cannot_be_read_is_an_error() {
        for expression in [r#"{job="a"}"#, "a{b=\"c\"", "sum by (a", "a{b}", "a{b=\"c}", "a{\"b\"}"] {
            assert!(names(expression).is_err(), "{expression}");
        }
    }
}
