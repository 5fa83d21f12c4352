//! Takes out of a text what says whose machine it is: names of hosts, serial numbers, addresses, ids and secrets become
//! placeholders. The same value has the same placeholder, so that it can still be seen where it is twice.

mod forms;

use std::collections::BTreeMap;

use host::{Host, pci};

use forms::{ends_in_word, form_of, goes_on};

/// Files of the node that hold its names.
const NAMES: [&str; 3] = ["/proc/sys/kernel/hostname", "/etc/hostname", "/proc/sys/kernel/domainname"];
/// Files of the node that hold its serial numbers and ids. Most of them only root may read.
const SERIALS: [&str; 6] = [
    "/sys/class/dmi/id/product_serial",
    "/sys/class/dmi/id/board_serial",
    "/sys/class/dmi/id/chassis_serial",
    "/sys/class/dmi/id/product_uuid",
    "/etc/machine-id",
    "/proc/sys/kernel/random/boot_id",
];
/// What attributes of a device that hold one are called.
const SERIAL_ATTRIBUTES: [&str; 4] = ["serial", "serial_number", "unique_id", "board_serial"];
/// What placeholders are called after.
const KINDS: [&str; 7] = ["host", "id", "ip", "mac", "secret", "serial", "uuid"];
/// What no name says.
const NOBODY: [&str; 3] = ["localhost", "(none)", ""];
/// The value after such a word is nobody's business.
const SECRETS: [&str; 9] =
    ["token", "password", "passwd", "secret", "bearer", "authorization", "apikey", "api_key", "credential"];

/// Redacts texts, one after the other.
#[derive(Debug, Default)]
pub struct Redactor {
    /// Words that are known, in lower case, and what they are. The longest are tried first.
    known: Vec<(String, &'static str)>,
    /// The numbers of placeholders that were given out, by kind and value.
    given: BTreeMap<&'static str, BTreeMap<String, usize>>,
}

impl Redactor {
    /// With what the node says of itself, and `names` beside.
    pub fn new(host: &Host, names: &[String]) -> Self {
        let mut redactor = Self::default();
        for name in names.iter().cloned().chain(NAMES.iter().filter_map(|path| host.read(path).ok())) {
            redactor.know_host(&name);
        }
        for path in SERIALS {
            let kind = if path.ends_with("id") { "id" } else { "serial" };
            if let Ok(value) = host.read(path) {
                redactor.know(&value, kind);
            }
        }
        for address in pci::addresses(host).unwrap_or_default() {
            for name in SERIAL_ATTRIBUTES {
                if let Ok(value) = host.read(format!("/sys/bus/pci/devices/{address}/{name}")) {
                    redactor.know(&value, "serial");
                }
            }
        }
        redactor
    }

    /// The name of a host, and its first part, which stands for it in many places.
    fn know_host(&mut self, name: &str) {
        self.know(name, "host");
        if let Some((first, _)) = name.split_once('.') {
            self.know(first, "host");
        }
    }

    fn know(&mut self, value: &str, kind: &'static str) {
        let value = value.trim().to_lowercase();
        // What firmware says where nobody has entered anything: "Not Specified", "0", "None", "0000".
        let is_real = value.len() > 3
            && value.bytes().any(|byte| byte.is_ascii_digit())
            && value.chars().any(|letter| !value.starts_with(letter));
        let says_nothing = kind == "serial" && !is_real;
        if NOBODY.contains(&value.as_str())
            || says_nothing
            || self.known.iter().any(|(known, _)| *known == value)
        {
            return;
        }
        self.known.push((value, kind));
        self.known.sort_by_key(|(value, _)| std::cmp::Reverse(value.len()));
    }

    /// The text with placeholders.
    pub fn redact(&mut self, text: &str) -> String {
        settled(text, |line| {
            let line = self.known_words(line);
            let line = self.secrets(&line);
            self.forms(&line)
        })
    }

    /// The same of a text in which names of hosts have no place: one may be called as a driver is.
    pub fn redact_unknown(&mut self, text: &str) -> String {
        settled(text, |line| {
            let line = self.secrets(line);
            self.forms(&line)
        })
    }

    fn placeholder(&mut self, kind: &'static str, value: &str) -> String {
        let value = match kind {
            // With its domain or without, it is the same.
            "host" => value.split('.').next().unwrap_or_default(),
            _ => value,
        };
        let given = self.given.entry(kind).or_default();
        let next = given.len() + 1;
        let number = given.entry(value.to_lowercase()).or_insert(next);
        format!("<{kind}-{number}>")
    }

    /// Wherever a word stands that is known, unless it is a part of a longer one.
    fn known_words(&mut self, line: &str) -> String {
        // ASCII only, so that places in the two texts are the same.
        let (mut line, mut lower) = (line.to_owned(), line.to_ascii_lowercase());
        for (word, kind) in self.known.clone() {
            let mut from = 0;
            while let Some(found) = lower.get(from..).and_then(|rest| rest.find(&word)) {
                let (start, end) = (from + found, from + found + word.len());
                let is_inner = line.get(..start).is_some_and(ends_in_word);
                if is_inner || goes_on(&line, end, char::is_alphanumeric) {
                    from = end;
                    continue;
                }
                // A host may be called `ip`.
                let opening = line.get(..start).and_then(|text| text.rfind('<')).unwrap_or(start);
                let placeholder = placeholder_length(line.get(opening..).unwrap_or_default());
                if placeholder.is_some_and(|length| opening + length > start) {
                    from = end;
                    continue;
                }
                let placeholder = self.placeholder(kind, &word);
                line.replace_range(start..end, &placeholder);
                lower.replace_range(start..end, &placeholder);
                from = start + placeholder.len();
            }
        }
        line
    }

    /// Values after a word such as `token`: `token=X`, `"token": "X"`, `Bearer X`.
    fn secrets(&mut self, line: &str) -> String {
        let (mut line, mut lower) = (line.to_owned(), line.to_ascii_lowercase());
        let words = SECRETS.iter().map(|word| (*word, "secret")).chain([("serial", "serial")]);
        for (word, kind) in words {
            let mut from = 0;
            while let Some(found) = lower.get(from..).and_then(|rest| rest.find(word)) {
                from += found + word.len();
                let rest = line.get(from..).unwrap_or_default();
                // The end of the name, as in `token_file=` or `serial_number: `.
                let name = rest.find(|letter: char| !letter.is_alphanumeric() && !"_-".contains(letter));
                let rest = rest.get(name.unwrap_or(rest.len())..).unwrap_or_default();
                // With backslashes where a text is quoted that has quotes.
                let gap = |text: &str| {
                    text.find(|letter: char| !" \t\"'=:\\".contains(letter)).unwrap_or(text.len())
                };
                let (between, value) = rest.split_at(gap(rest));
                let is_assigned = between.contains(['=', ':']) || ["bearer", "authorization"].contains(&word);
                // `Basic X`, `Bearer X`.
                let scheme = ["basic ", "bearer "].iter().find(|scheme| {
                    value.get(..scheme.len()).is_some_and(|text| text.eq_ignore_ascii_case(scheme))
                });
                let value = value.get(scheme.map_or(0, |scheme| scheme.len())..).unwrap_or_default();
                let value = value.split_at(gap(value)).1;
                let quote = between.chars().next_back().filter(|letter| "\"'".contains(*letter));
                let quoted = quote.filter(|_| scheme.is_none()).and_then(|quote| value.find(quote));
                let ends = |letter: char| letter.is_whitespace() || "\"',;}".contains(letter);
                let end = quoted.or_else(|| value.find(ends)).unwrap_or(value.len());
                let start = line.len() - value.len();
                let value = value.get(..end).unwrap_or_default().to_owned();
                if !is_assigned || value.is_empty() || placeholder_length(&value) == Some(value.len()) {
                    continue;
                }
                let placeholder = self.placeholder(kind, &value);
                line.replace_range(start..start + value.len(), &placeholder);
                lower.replace_range(start..start + value.len(), &placeholder);
                from = start + placeholder.len();
            }
        }
        line
    }

    /// What is an address, an id or a key by its form.
    fn forms(&mut self, line: &str) -> String {
        let mut result = String::with_capacity(line.len());
        let mut at = 0;
        while let Some((before, text)) = line.split_at_checked(at).filter(|(_, text)| !text.is_empty()) {
            let first = text.chars().next().map_or(1, char::len_utf8);
            let (length, kind) = form_of(text, before).unwrap_or((first, None));
            let word = text.get(..length).unwrap_or_default();
            match kind {
                Some(kind) => result.push_str(&self.placeholder(kind, &word.replace('_', "-"))),
                None => result.push_str(word),
            }
            at += length;
        }
        result
    }
}

/// Each line as it is when nothing changes any more: what is taken out can leave something beside it that is a word of its own now.
fn settled(text: &str, mut redact: impl FnMut(&str) -> String) -> String {
    let line = |line: &str| {
        let mut before = line.to_owned();
        loop {
            let line = redact(&before);
            if line == before {
                return line;
            }
            before = line;
        }
    };
    text.split_inclusive('\n').map(line).collect()
}

/// The length of the placeholder that `text` begins with.
fn placeholder_length(text: &str) -> Option<usize> {
    let (inner, _) = text.strip_prefix('<')?.split_once('>')?;
    let (kind, number) = inner.split_once('-')?;
    let is_number = !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit());
    (KINDS.contains(&kind) && is_number).then_some(inner.len() + 2)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn redacted(names: &[&str], text: &str) -> String {
        let mut redactor = Redactor::default();
        for name in names {
            redactor.know_host(name);
        }
        redactor.know("SN-4711", "serial");
        redactor.know("None", "serial");
        redactor.know("0000", "serial");
        redactor.redact(text)
    }

    #[test]
    fn names_are_found_wherever_they_stand_as_a_word() {
        for (text, expected) in [
            ("on node7.example.com.", "on <host-1>."),
            ("NODE7 and node7", "<host-1> and <host-1>"),
            ("/var/log/node7/x, node7-a, node7_b", "/var/log/<host-1>/x, <host-1>-a, <host-1>_b"),
            ("node70 and xnode7 are others", "node70 and xnode7 are others"),
            (r"a\nnode7\tnode7 \u001bnode7", r"a\n<host-1>\t<host-1> \u001b<host-1>"),
            ("n\u{f6}de7 node7\u{e9} node7", "n\u{f6}de7 node7\u{e9} <host-1>"),
            ("board sn-4711, None", "board <serial-1>, None"),
            ("nothing\nat node7\n", "nothing\nat <host-1>\n"),
        ] {
            assert_eq!(redacted(&["node7.example.com"], text), expected, "{text}");
        }
    }

    #[test]
    fn the_same_value_has_the_same_placeholder() {
        let text = "10.0.0.1 10.0.0.2 10.0.0.1 fe80::1";
        assert_eq!(redacted(&[], text), "<ip-1> <ip-2> <ip-1> <ip-3>");
    }

    #[test]
    fn addresses_ids_and_keys_are_known_by_their_form() {
        let random = "aB3".repeat(17);
        for (text, expected) in [
            ("inet 192.168.1.10/24,", "inet <ip-1>/24,"),
            ("https://10.96.0.1:443/x", "https://<ip-1>:443/x"),
            ("[2001:db8::1]:80", "[<ip-1>]:80"),
            ("ip=fd00:1:2:3:4:5:6:7", "ip=<ip-1>"),
            ("52:54:00:12:34:56", "<mac-1>"),
            ("52-54-00-12-34-56 x", "<mac-1> x"),
            (
                "ip=10.0.0.5::10.0.0.1:255.255.255.0:myhost:eth0:none",
                "ip=<ip-1>::<ip-2>:<ip-3>:myhost:eth0:none",
            ),
            ("ip=[fd00::5]::[fd00::1]:64:h:eth0", "ip=[<ip-1>]::[<ip-2>]:64:h:eth0"),
            ("fd00::5::fd00::1 fe80::/64", "<ip-1>::<ip-2> <ip-3>/64"),
            ("ifname=net0:52:54:00:12:34:56", "ifname=net0:<mac-1>"),
            ("52:54:00:12:34:56:10.0.0.5", "<mac-1>:<ip-1>"),
            ("netroot=iscsi:user:x@10.0.0.5::3260:", "netroot=iscsi:user:x@<ip-1>::3260:"),
            ("BOOTIF=01-52-54-00-12-34-56", "BOOTIF=<mac-1>"),
            ("node.10.0.0.5.example <10.0.0.6>", "node.<ip-1>.example <<ip-2>>"),
            (r"a\n10.0.0.5\u001b52:54:00:12:34:56", r"a\n<ip-1>\u001b<mac-1>"),
            ("root=UUID=6f1c0a9e-0b1d-4c7e-9a52-0123456789ab ro", "root=UUID=<uuid-1> ro"),
            ("kubepods-pod6f1c0a9e_0b1d_4c7e_9a52_0123456789ab.slice", "kubepods-pod<uuid-1>.slice"),
            ("x eyJhbGciOiJSUzI1NiJ9.eyJpc3MiOiJr.c2ln-_x y", "x <secret-1> y"),
            ("join abcdef.0123456789abcdef", "join <secret-1>"),
            (random.as_str(), "<secret-1>"),
            ("token=abc; serial_number: X1", "token=<secret-1>; serial_number: <serial-1>"),
            (r#"{"Token": "abc d", "password":"p"}"#, r#"{"Token": "<secret-1>", "password":"<secret-2>"}"#),
            (r#""{\"token\":\"abc\"}""#, r#""{\"token\":\"<secret-1>"}""#),
            ("proxy=http://me:geheim@10.0.0.5:3128", "proxy=http://<secret-1>@<ip-1>:3128"),
            ("Authorization: Bearer abc", "Authorization: Bearer <secret-1>"),
            ("authorization: basic YWJj x", "authorization: basic <secret-1> x"),
            ("password=<abc token=10.0.0.1-a", "password=<secret-2> token=<secret-1>"),
        ] {
            assert_eq!(redacted(&[], text), expected, "{text}");
        }
    }

    #[test]
    fn what_an_engineer_needs_stays() {
        for text in [
            "/sys/devices/pci0000:6b/0000:6b:00.0/sriov_numvfs 0 10000:00:1f.7",
            "127.0.0.1:9090 0.0.0.0 ::1 ::",
            "6.8.0-45-generic #45 i915 0x4940 c 226:128",
            "2026-11-26T23:41:05Z 12:34:56",
            "fpga.intel.example/af-695.d84.aVKNtusxV3qMNmj5-qCB9thCTcSko8QT-J5DNoP5BAs",
            "rd.driver.pre=vfio-pci intel_iommu=on,sm_on console=ttyS0",
            "a tokenizer, and passwords",
        ] {
            assert_eq!(redacted(&["n"], text), text);
        }
    }

    #[test]
    fn a_text_is_redacted_once() {
        for name in ["node7", "ip", "1", "secret-1"] {
            let once = redacted(&[name], &format!("{name} 10.0.0.1 token=abc 52:54:00:12:34:56{name}"));
            assert_eq!(redacted(&[name], &once), once);
        }
    }

    proptest! {
        #[test]
        fn no_text_around_it_saves_what_was_planted(
            before in r"(.{0,40}[ -/:-@\[-`{-~])?",
            after in r"([ -/:-@\[-`{-~].{0,40})?",
            which in 0..7_usize,
        ) {
            let planted = [
                "node7",
                "sn-4711",
                "10.20.30.40",
                "2001:db8::4711",
                "52:54:00:12:34:56",
                "52-54-00-12-34-56",
                "6f1c0a9e-0b1d-4c7e-9a52-0123456789ab",
            ];
            let found = redacted(&["node7"], &format!("{before}{}{after}", planted[which])).to_lowercase();
            prop_assert!(!found.contains(planted[which]), "{found}");
        }

        #[test]
        fn nor_does_what_it_stands_between(
            before in "([0-9a-f]{1,4}[:.=@/\\[-]{1,2}){0,4}",
            after in "([:.=@/\\]-]{1,2}[0-9a-f]{1,4}){0,4}",
            which in 0..4_usize,
        ) {
            let planted = ["10.20.30.40", "2001:db8::4711", "52:54:00:12:34:56", "52-54-00-12-34-56"];
            let found = redacted(&[], &format!("{before}{}{after}", planted[which]));
            prop_assert!(!found.contains(planted[which]), "{found}");
        }

        #[test]
        fn any_text_can_be_redacted(text in "([a-z0-9:.=_\"-]|token|é|\n){0,60}") {
            redacted(&["a"], &text);
        }
    }
}
