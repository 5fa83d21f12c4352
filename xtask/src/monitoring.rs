//! `deployments/monitoring` beside the pages of metrics and runbooks: alerts and the dashboard ask for what is exposed, and each
//! alert has a section that says what to do.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use serde_json::Value;

use crate::metrics::{self, Metric};
use crate::promql::{self, Selector};

/// The alerts, from the root.
pub(crate) const RULES: &str = "deployments/monitoring/rules.yaml";
/// The dashboard, from the root.
pub(crate) const DASHBOARD: &str = "deployments/monitoring/dashboard.json";
/// What to do about each alert, from the root.
const RUNBOOKS: &str = "docs/runbooks.md";
/// Unit tests of the alerts, from the root.
const TESTS: &str = "tests/alerts/tests.yaml";
/// What says who is scraped, and as which job.
const MONITORS: [&str; 3] = ["operator", "plugins", "webhooks"];

/// Labels that scraping adds: Prometheus itself, its operator, and the relabelings of the monitors.
const TARGET: [&str; 8] = ["container", "endpoint", "instance", "job", "namespace", "node", "pod", "service"];
/// Parts that the section of an alert has.
const PARTS: [&str; 3] = ["**Impact**", "**Look**", "**Do**"];
const SEVERITIES: [&str; 3] = ["critical", "warning", "info"];

/// What is wrong in the repository, each with its file.
pub(crate) fn run(root: &Path) -> Result<Vec<(&'static str, String)>, String> {
    let read = |path: &str| fs::read_to_string(root.join(path)).map_err(|error| format!("{path}: {error}"));
    let parse = |path: &str| {
        serde_saphyr::from_str::<Value>(&read(path)?).map_err(|error| format!("{path}: {error}"))
    };
    let mut jobs = BTreeSet::new();
    for monitor in MONITORS {
        each_string(&parse(&format!("deployments/monitoring/{monitor}.yaml"))?, &mut |key, text| {
            if key == "replacement" {
                jobs.insert(text.to_owned());
            }
        });
    }
    let exposed = Exposed::new(&read(metrics::PAGE)?, jobs);
    let (rules, dashboard, tests) = (parse(RULES)?, parse(DASHBOARD)?, parse(TESTS)?);
    let alerts = check_rules(&rules, &exposed);
    let sections = check_runbooks(&rules, &read(RUNBOOKS)?);
    let untested = check_tests(&rules, &tests);
    let panels = check_dashboard(&dashboard, &exposed);
    let all = [(RULES, alerts), (RUNBOOKS, sections), (TESTS, untested), (DASHBOARD, panels)];
    Ok(all.into_iter().flat_map(|(path, found)| found.into_iter().map(move |what| (path, what))).collect())
}

/// What Prometheus has of this project.
struct Exposed {
    metrics: BTreeMap<String, Metric>,
}

impl Exposed {
    /// The metrics of a page, and `up` with the values of its label `job`.
    fn new(page: &str, jobs: BTreeSet<String>) -> Self {
        let mut metrics: BTreeMap<String, Metric> =
            metrics::table(page).map(|(_, name, metric)| (name.to_owned(), metric)).collect();
        let up = Metric { values: Some(("job".to_owned(), jobs)), ..Metric::default() };
        metrics.insert("up".to_owned(), up);
        Self { metrics }
    }

    /// The metric by a name of its series, and whether that is a bucket of a histogram.
    fn find(&self, series: &str) -> Option<(&Metric, bool)> {
        let parts = ["_bucket", "_sum", "_count"];
        match parts.iter().find_map(|part| Some((series.strip_suffix(part)?, *part == "_bucket"))) {
            Some((name, is_bucket)) if self.metrics.get(name).is_some_and(|of| of.kind == "histogram") => {
                Some((self.metrics.get(name)?, is_bucket))
            }
            _ => Some((self.metrics.get(series).filter(|metric| metric.kind != "histogram")?, false)),
        }
    }

    /// What is wrong with an expression, and the labels that what it selects may have.
    fn check(&self, expression: &str) -> (Vec<String>, BTreeSet<String>) {
        let mut labels: BTreeSet<String> = TARGET.map(str::to_owned).into();
        let names = match promql::names(expression) {
            Ok(names) => names,
            Err(error) => return (vec![error], labels),
        };
        let mut offences = Vec::new();
        for selector in &names.selectors {
            let Some((metric, is_bucket)) = self.find(&selector.metric) else {
                offences.push(format!("there is no metric {}", selector.metric));
                continue;
            };
            let mut of_it = metric.labels.clone();
            of_it.extend(is_bucket.then(|| "le".to_owned()));
            offences.extend(self.check_matchers(selector, metric, &of_it));
            labels.extend(of_it);
        }
        let unknown = names.grouped.iter().filter(|label| !labels.contains(*label));
        offences.extend(unknown.map(|label| format!("no metric in it has the label {label}")));
        (offences, labels)
    }

    fn check_matchers(&self, selector: &Selector, metric: &Metric, labels: &BTreeSet<String>) -> Vec<String> {
        let Selector { metric: name, matchers } = selector;
        let jobs = self.metrics.get("up").and_then(|up| up.values.as_ref());
        let mut offences = Vec::new();
        for (label, pattern) in matchers {
            if !labels.contains(label) && !TARGET.contains(&label.as_str()) {
                offences.push(format!("{name} has no label {label}"));
            }
            let known = metric.values.iter().chain(jobs).find(|(known, _)| known == label);
            let Some((_, values)) = known else { continue };
            let wanted = pattern.split('|').filter(|value| !value.starts_with('$'));
            let unknown = wanted.filter(|value| !values.contains(*value));
            offences.extend(unknown.map(|value| format!("{label} of {name} is never {value}")));
        }
        offences
    }
}

/// The rules of all groups, by the names of their alerts.
fn alerts(rules: &Value) -> impl Iterator<Item = (&str, &Value)> {
    let groups = rules.pointer("/spec/groups").and_then(Value::as_array).into_iter().flatten();
    let rules = groups.flat_map(|group| group.get("rules").and_then(Value::as_array).into_iter().flatten());
    rules.map(|rule| (text(rule, "/alert"), rule))
}

fn text<'a>(value: &'a Value, pointer: &str) -> &'a str {
    value.pointer(pointer).and_then(Value::as_str).unwrap_or_default()
}

fn check_rules(rules: &Value, exposed: &Exposed) -> Vec<String> {
    let mut offences = Vec::new();
    for (alert, rule) in alerts(rules) {
        let (mut found, labels) = exposed.check(text(rule, "/expr"));
        if !SEVERITIES.contains(&text(rule, "/labels/severity")) {
            found.push(format!("its severity is none of {}", SEVERITIES.join(", ")));
        }
        let runbook = format!("{RUNBOOKS}#{}", alert.to_lowercase());
        if text(rule, "/annotations/runbook_url") != runbook {
            found.push(format!("its runbook_url is not {runbook}"));
        }
        for annotation in ["summary", "description"] {
            let text = text(rule, &format!("/annotations/{annotation}"));
            if text.is_empty() {
                found.push(format!("it has no {annotation}"));
            }
            found.extend(unknown_labels(text, "$labels.", &labels));
        }
        offences.extend(found.into_iter().map(|what| format!("{alert}: {what}")));
    }
    offences
}

/// The labels of a template's `{{…}}`, there with this before them, that there are not.
fn unknown_labels(template: &str, before: &str, labels: &BTreeSet<String>) -> Vec<String> {
    let fields = template.split("{{").skip(1).filter_map(|rest| rest.split("}}").next());
    let names = fields.filter_map(|field| field.trim().strip_prefix(before)?.split(' ').next());
    let unknown = names.filter(|name| !labels.contains(*name));
    unknown.map(|name| format!("no metric in it has the label {name}")).collect()
}

/// Each alert has a section, with its parts, and each section an alert.
fn check_runbooks(rules: &Value, page: &str) -> Vec<String> {
    let mut sections: BTreeMap<&str, &str> = page
        .split("\n## ")
        .skip(1)
        .map(|section| section.split_once('\n').unwrap_or((section, "")))
        .collect();
    let mut offences = Vec::new();
    for (alert, _) in alerts(rules) {
        let Some(section) = sections.remove(alert) else {
            offences.push(format!("no section {alert}"));
            continue;
        };
        let missing = PARTS.iter().filter(|part| !section.contains(*part));
        offences.extend(missing.map(|part| format!("{alert} has no part {part}")));
    }
    offences.extend(sections.keys().map(|section| format!("there is no alert {section}")));
    offences
}

/// Each alert is seen to fire in a unit test, and not to.
fn check_tests(rules: &Value, tests: &Value) -> Vec<String> {
    let mut seen = BTreeSet::new();
    for test in tests.get("tests").and_then(Value::as_array).into_iter().flatten() {
        for moment in test.get("alert_rule_test").and_then(Value::as_array).into_iter().flatten() {
            let fires = moment.get("exp_alerts").and_then(Value::as_array).is_some_and(|all| !all.is_empty());
            seen.insert((text(moment, "/alertname"), fires));
        }
    }
    let missing = alerts(rules).flat_map(|(alert, _)| [(alert, true), (alert, false)]);
    let missing = missing.filter(|wanted| !seen.contains(wanted));
    missing
        .map(|(alert, fires)| {
            format!("{alert} is not seen to be {}", if fires { "firing" } else { "silent" })
        })
        .collect()
}

fn check_dashboard(dashboard: &Value, exposed: &Exposed) -> Vec<String> {
    let mut offences = Vec::new();
    for panel in panels(dashboard) {
        let title = text(panel, "/title");
        if panel.get("type").is_some_and(|kind| kind != "row")
            && text(panel, "/datasource/uid") != "${datasource}"
        {
            offences.push(format!("{title}: its datasource is not ${{datasource}}"));
        }
        for target in panel.get("targets").and_then(Value::as_array).into_iter().flatten() {
            let (mut found, labels) = exposed.check(text(target, "/expr"));
            found.extend(unknown_labels(text(target, "/legendFormat"), "", &labels));
            offences.extend(found.into_iter().map(|what| format!("{title}: {what}")));
        }
    }
    for variable in dashboard.pointer("/templating/list").and_then(Value::as_array).into_iter().flatten() {
        let query = text(variable, "/query/query");
        let Some(query) = query.strip_prefix("label_values(").and_then(|rest| rest.strip_suffix(')')) else {
            continue;
        };
        let (expression, label) = query.rsplit_once(',').unwrap_or((query, ""));
        let (mut found, labels) = exposed.check(expression);
        if !labels.contains(label.trim()) {
            found.push(format!("no metric in it has the label {}", label.trim()));
        }
        offences
            .extend(found.into_iter().map(|what| format!("variable {}: {what}", text(variable, "/name"))));
    }
    offences
}

/// All panels, in rows and below.
fn panels(dashboard: &Value) -> Vec<&Value> {
    let own = dashboard.get("panels").and_then(Value::as_array).into_iter().flatten();
    own.flat_map(|panel| [vec![panel], panels(panel)].concat()).collect()
}

/// Does something with each text below, and the key that it has.
fn each_string(value: &Value, act: &mut impl FnMut(&str, &str)) {
    match value {
        Value::Array(items) => items.iter().for_each(|item| each_string(item, act)),
        Value::Object(fields) => {
            for (key, value) in fields {
                if let Some(text) = value.as_str() {
                    act(key, text);
                }
                each_string(value, act);
            }
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const PAGE: &str =
        "| `devices` | gauge | `resource`, `health`: `Healthy`, `Unhealthy` |\n| `took` | histogram | |\n";

    fn exposed() -> Exposed {
        Exposed::new(PAGE, ["plugins".to_owned()].into())
    }

    fn rules(expression: &str) -> Value {
        json!({"spec": {"groups": [{"rules": [{"alert": "TooHot", "expr": expression, "labels": {"severity": "info"},
            "annotations": {"summary": "Hot.", "description": "{{ $labels.node }} {{ $value }}",
                "runbook_url": "docs/runbooks.md#toohot"}}]}]}})
    }

    #[test]
    fn expressions_name_what_is_exposed() {
        for good in [
            r#"sum by (node, resource) (devices{health="Unhealthy", pod="x"}) > 0"#,
            "histogram_quantile(0.9, sum by (le) (rate(took_bucket[5m])))",
            "rate(took_sum[5m]) / rate(took_count[5m])",
            r#"up{job="plugins"} == 0"#,
            r#"devices{health=~"Healthy|$health"}"#,
        ] {
            assert_eq!(exposed().check(good).0, [""; 0], "{good}");
        }
        for (expression, offence) in [
            ("device > 0", "there is no metric device"),
            ("devices_count", "there is no metric devices_count"),
            ("took", "there is no metric took"),
            (r#"devices{state="x"}"#, "devices has no label state"),
            (r#"devices{health=~"Healthy|Sick"}"#, "health of devices is never Sick"),
            (r#"devices{job="other"}"#, "job of devices is never other"),
            ("sum by (device) (devices)", "no metric in it has the label device"),
            ("sum by (le) (took_sum)", "no metric in it has the label le"),
            ("devices{", "no }"),
        ] {
            assert_eq!(exposed().check(expression).0, [offence], "{expression}");
        }
    }

    #[test]
    fn alerts_are_whole_and_their_texts_name_labels_that_there_are() {
        assert_eq!(check_rules(&rules("devices > 0"), &exposed()), [""; 0]);
        for (pointer, value, offence) in [
            ("/labels/severity", "bad", "its severity is none of critical, warning, info"),
            ("/annotations/summary", "", "it has no summary"),
            ("/annotations/description", "{{ $labels.nodes }}", "no metric in it has the label nodes"),
            ("/annotations/runbook_url", "x", "its runbook_url is not docs/runbooks.md#toohot"),
            ("/expr", "device", "there is no metric device"),
        ] {
            let mut rules = rules("devices > 0");
            *rules.pointer_mut(&format!("/spec/groups/0/rules/0{pointer}")).unwrap() = json!(value);
            assert_eq!(check_rules(&rules, &exposed()), [format!("TooHot: {offence}")]);
        }
    }

    #[test]
    fn each_alert_has_a_section_and_each_section_an_alert() {
        let section = "\n## TooHot\n\n**Impact** a\n**Look** b\n**Do** c\n";
        assert_eq!(check_runbooks(&rules("devices"), &format!("# Runbooks\n{section}")), [""; 0]);
        assert_eq!(check_runbooks(&rules("devices"), "# Runbooks\n"), ["no section TooHot"]);
        let more = format!("{section}\n## TooCold\n");
        assert_eq!(check_runbooks(&rules("devices"), &more), ["there is no alert TooCold"]);
        let part = section.replace("**Do**", "");
        assert_eq!(check_runbooks(&rules("devices"), &part), ["TooHot has no part **Do**"]);
    }

    #[test]
    fn each_alert_is_seen_to_fire_and_not_to() {
        let fires = json!({"alertname": "TooHot", "exp_alerts": [{}]});
        let silent = json!({"alertname": "TooHot", "exp_alerts": []});
        let check = |moments: &[&Value]| {
            check_tests(&rules("devices"), &json!({"tests": [{"alert_rule_test": moments}]}))
        };
        assert_eq!(check(&[&fires, &silent]), [""; 0]);
        assert_eq!(check(&[&fires]), ["TooHot is not seen to be silent"]);
        assert_eq!(check(&[&silent]), ["TooHot is not seen to be firing"]);
    }

    #[test]
    fn panels_and_variables_of_a_dashboard_name_what_is_exposed() {
        let dashboard = |expression: &str, legend: &str, query: &str, datasource: &str| {
            json!({"templating": {"list": [{"name": "resource", "query": {"query": query}}]},
                "panels": [{"type": "row", "title": "All", "panels": [{"type": "stat", "title": "Sum", "datasource": {"uid": datasource},
                    "targets": [{"expr": expression, "legendFormat": legend}]}]}]})
        };
        let query = "label_values(devices{health=\"Healthy\"}, resource)";
        let check = |dashboard: &Value| check_dashboard(dashboard, &exposed());
        let good = dashboard("sum(devices)", "{{resource}} {{node}}", query, "${datasource}");
        assert_eq!(check(&good), [""; 0]);
        for (bad, offence) in [
            (dashboard("device", "", query, "${datasource}"), "Sum: there is no metric device"),
            (
                dashboard("devices", "{{name}}", query, "${datasource}"),
                "Sum: no metric in it has the label name",
            ),
            (dashboard("devices", "", query, "x"), "Sum: its datasource is not ${datasource}"),
            (
                dashboard("devices", "", "label_values(devices, device)", "${datasource}"),
                "variable resource: no metric in it has the label device",
            ),
        ] {
            assert_eq!(check(&bad), [offence]);
        }
    }
}
