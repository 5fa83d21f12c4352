//! What can be set, in the order in which it must be written (`Documentation/ABI/stable/sysfs-driver-dma-idxd`,
//! `drivers/dma/idxd/sysfs.c`).

use std::fmt;

use crate::accelerator::BUS;

/// A part of an accelerator that has attributes; the order is the one of writing. The numbers are those after the dot.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Part {
    Device,
    Group(u32),
    Engine(u32),
    Queue(u32),
}

/// What a value must look like, and what it is compared as.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Form {
    /// A whole number between the two.
    Number(i64, i64),
    /// A number up to what this attribute of the device says.
    UpTo(&'static str),
    /// As `UpTo`, but not 0; the kernel rounds it up to a power of two.
    PowerUpTo(&'static str),
    /// The number of a group; -1 is none.
    Group,
    /// One of these words.
    Word(&'static [&'static str]),
    /// Any text that is not empty, of at most so many bytes.
    Text(usize),
    /// 256 bits as the kernel prints them: hexadecimal, a comma between each 32.
    Bits,
}

/// An attribute that can be written.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Attribute {
    /// In sysfs and in files.
    pub(crate) name: &'static str,
    /// Before Linux 5.17.
    pub(crate) former_name: Option<&'static str>,
    pub(crate) form: Form,
    /// What the kernel sets when the device is disabled, where all kernels set the same.
    pub(crate) default: Option<&'static str>,
    /// The value for which the attribute need not be there: hardware or a kernel without it does just that.
    pub(crate) if_missing: Option<&'static str>,
}

const fn attribute(name: &'static str, form: Form) -> Attribute {
    Attribute { name, former_name: None, form, default: None, if_missing: None }
}

impl Attribute {
    const fn formerly(self, name: &'static str) -> Self {
        Self { former_name: Some(name), ..self }
    }

    /// The value is the default, and that of hardware or a kernel without the attribute.
    const fn default(self, value: &'static str) -> Self {
        Self { default: Some(value), if_missing: Some(value), ..self }
    }

    const fn if_missing(self, value: &'static str) -> Self {
        Self { if_missing: Some(value), ..self }
    }
}

const SWITCH: Form = Form::Number(0, 1);

static DEVICE: [Attribute; 2] = [
    attribute("read_buffer_limit", Form::UpTo("max_read_buffers")).formerly("token_limit").if_missing("0"),
    // IDXD_EVL_SIZE_MIN and _MAX; the least is what the driver starts with.
    attribute("event_log_size", Form::Number(64, 0xffff)).if_missing("64"),
];

static GROUP: [Attribute; 7] = [
    attribute("read_buffers_reserved", Form::UpTo("max_read_buffers"))
        .formerly("tokens_reserved")
        .default("0"),
    attribute("use_read_buffer_limit", SWITCH).formerly("use_token_limit").default("0"),
    attribute("read_buffers_allowed", Form::UpTo("max_read_buffers"))
        .formerly("tokens_allowed")
        .if_missing("0"),
    attribute(TRAFFIC_CLASSES[0], Form::Number(0, 7)),
    attribute(TRAFFIC_CLASSES[1], Form::Number(0, 7)),
    attribute("desc_progress_limit", Form::Number(0, 3)).default("0"),
    attribute("batch_progress_limit", Form::Number(0, 3)).default("0"),
];

static ENGINE: [Attribute; 1] = [attribute("group_id", Form::Group).default("-1")];

static QUEUE: [Attribute; 14] = [
    attribute("group_id", Form::Group).default("-1"),
    attribute("mode", Form::Word(&["dedicated", "shared"])).default("shared"),
    attribute("size", Form::UpTo("max_work_queues_size")).default("0"),
    attribute("priority", Form::Number(1, 15)).default("0"),
    attribute("threshold", Form::UpTo("max_work_queues_size")).default("0"),
    // A new type clears the name.
    attribute("type", Form::Word(&["user", "kernel", "mdev"])).default("none"),
    attribute("name", Form::Text(1024)).default(""),
    attribute("driver_name", Form::Text(128)),
    // This one clears block_on_fault.
    attribute("prs_disable", SWITCH).default("0"),
    attribute("block_on_fault", SWITCH).default("0"),
    attribute("max_batch_size", Form::PowerUpTo("max_batch_size")).default("32"),
    attribute("max_transfer_size", Form::PowerUpTo("max_transfer_size")).default("2097152"),
    attribute("ats_disable", SWITCH).default("0"),
    attribute("op_config", Form::Bits),
];

/// Only set by a kernel that was told to (`tc_override`), or on newer hardware.
pub(crate) const TRAFFIC_CLASSES: [&str; 2] = ["traffic_class_a", "traffic_class_b"];

/// What the kernel lets be set on a device whose configuration is the firmware's.
const SET_WHEN_NOT_CONFIGURABLE: [&str; 3] = ["type", "name", "driver_name"];

impl Part {
    /// What can be set, in the order of writing.
    pub(crate) fn attributes(self) -> &'static [Attribute] {
        match self {
            Self::Device => &DEVICE,
            Self::Group(_) => &GROUP,
            Self::Engine(_) => &ENGINE,
            Self::Queue(_) => &QUEUE,
        }
    }

    /// Whether an attribute can be set even on a device that the firmware configured.
    pub(crate) fn is_free_of_firmware(self, name: &str) -> bool {
        matches!(self, Self::Queue(_)) && SET_WHEN_NOT_CONFIGURABLE.contains(&name)
    }

    /// The attribute that is, or was, called `name`.
    pub(crate) fn attribute(self, name: &str) -> Option<&'static Attribute> {
        self.attributes().iter().find(|known| known.name == name || known.former_name == Some(name))
    }

    /// `wq0.1`; `device` is `dsa0`, and `index` its number.
    pub(crate) fn name(self, device: &str, index: u32) -> String {
        match self {
            Self::Device => device.to_owned(),
            Self::Group(number) => format!("group{index}.{number}"),
            Self::Engine(number) => format!("engine{index}.{number}"),
            Self::Queue(number) => format!("wq{index}.{number}"),
        }
    }

    /// The part of device number `index` that is called `name`, unless that is the device's own name.
    pub(crate) fn named(name: &str, index: u32) -> Option<Self> {
        let (device, number) = name.split_once('.')?;
        let number = number_of(number)?;
        let parts = [Self::Group(number), Self::Engine(number), Self::Queue(number)];
        let is_named = |part: &Self| part.name("", index).split_once('.').is_some_and(|(of, _)| of == device);
        parts.into_iter().find(is_named)
    }
}

/// The number that `digits` are, written as the kernel writes it.
pub(crate) fn number_of(digits: &str) -> Option<u32> {
    let number: u32 = digits.parse().ok()?;
    (number.to_string() == digits).then_some(number)
}

/// An accelerator of the node.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Name {
    /// `dsa0`
    pub(crate) device: String,
    /// Its number; DSA and IAA are numbered together.
    pub(crate) index: u32,
}

impl Name {
    /// The name of a part.
    pub(crate) fn part(&self, part: Part) -> String {
        part.name(&self.device, self.index)
    }

    /// Where a part is.
    pub(crate) fn folder(&self, part: Part) -> String {
        format!("{BUS}/{}", self.part(part))
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.device)
    }
}

impl Form {
    /// What the kernel shows for this text, to compare with what it does show.
    pub(crate) fn normal(self, text: &str) -> String {
        match self {
            Self::Bits => {
                let words: Vec<String> = text.split(',').map(|word| format!("{word:0>8}")).collect();
                words.concat().trim_start_matches('0').to_ascii_lowercase()
            }
            Self::PowerUpTo(_) => {
                let power = text.parse::<u64>().ok().and_then(u64::checked_next_power_of_two);
                power.map_or_else(|| text.to_owned(), |power| power.to_string())
            }
            _ => text.to_owned(),
        }
    }
}
