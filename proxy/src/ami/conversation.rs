//! What each line of an AMI connection means (AMI-168 to AMI-176): login, sequence numbers, answers. No socket in here.

use std::time::Duration;

use tripline_sql::change::CommitNo;
use tripline_triggers::relay::message::{Field, Instruction};
use tripline_triggers::relay::{Outcome, Receiver};

/// Longest pause that an instruction can ask for.
const PAUSE_MAX: Duration = Duration::from_secs(3600);
/// Longest text of an answer, in characters.
const ANSWER_TEXT_MAX: usize = 500;
const HELP: &str = "TYPE[#SEQNUM][@NOW]{|key=value}; L: login (I, O); O: object (T, columns); D: delete (T, columns); \
                    P: pause (D); X: exit; S, A, C, R: ignored; values: 1 1L 1.5 1.5F 1.5D 1T \"text\" \"{}\"J \"AQID\"U true null";

/// What comes of a line.
pub(super) struct Reply {
    /// The answer, and the commit that must be durable before it is sent; none under QUIET.
    pub(super) answer: Option<(String, Option<CommitNo>)>,
    /// The connection ends after it.
    pub(super) close: bool,
    /// Nothing more is read for so long.
    pub(super) pause: Option<Duration>,
}

/// One connection's state.
pub(super) struct Conversation {
    receiver: Receiver,
    instance: u64,
    peer: String,
    /// Number of the next instruction.
    next: u64,
    /// Whether one came.
    begun: bool,
    logged_in: bool,
    quiet: bool,
    logs: bool,
    carriage_return: bool,
}

impl Conversation {
    pub(super) fn new(receiver: Receiver, instance: u64, peer: String) -> Conversation {
        Conversation {
            receiver,
            instance,
            peer,
            next: 0,
            begun: false,
            logged_in: false,
            quiet: false,
            logs: false,
            carriage_return: false,
        }
    }

    pub(super) fn logged_in(&self) -> bool {
        self.logged_in
    }

    /// Carries out one line. An empty one is nothing.
    pub(super) fn line(&mut self, line: &[u8]) -> Reply {
        let mut reply = Reply { answer: None, close: false, pause: None };
        if line.is_empty() {
            return reply;
        }
        if self.logs {
            tracing::info!(peer = %self.peer, "> {}", String::from_utf8_lossy(line));
        }
        let instruction = match Instruction::parse(line) {
            Ok(instruction) => instruction,
            Err(error) => {
                let number = self.number(None).unwrap_or_else(|expected| expected);
                reply.answer = self.answer(number, Outcome::new(1, error.0), false);
                return reply;
            }
        };
        let (number, outcome) = match self.number(instruction.sequence) {
            Ok(number) => (number, self.instruction(&instruction, &mut reply)),
            Err(expected) => {
                let number = instruction.sequence.unwrap_or(expected);
                (number, Outcome::new(7, format!("wrong sequence number: {number}, expected {expected}")))
            }
        };
        // An instance that names itself is told our name (AMI-203).
        let greets = instruction.kind == 'L' && outcome.status == 0 && instruction.whole("origin").is_some();
        reply.answer = self.answer(number, outcome, greets);
        if let Some(error) = self.receiver.terminate_reason() {
            tracing::info!(peer = %self.peer, "AMI connection ended: {}", error.message());
            reply.close = true;
        }
        reply
    }

    /// The answer to a line that is longer than allowed.
    pub(super) fn too_long(&mut self) -> Option<(String, Option<CommitNo>)> {
        let number = self.number(None).unwrap_or_else(|expected| expected);
        self.answer(number, Outcome::new(1, "the line is too long"), false)
    }

    /// The number of an instruction; the first may begin anywhere. Error: it should have been this one. What comes next is
    /// counted from what came.
    fn number(&mut self, sent: Option<u64>) -> Result<u64, u64> {
        let expected = self.next;
        let number = sent.unwrap_or(expected);
        self.next = number.wrapping_add(1);
        let first = !std::mem::replace(&mut self.begun, true);
        if number == expected || first { Ok(number) } else { Err(expected) }
    }

    fn answer(&self, number: u64, outcome: Outcome, greets: bool) -> Option<(String, Option<CommitNo>)> {
        if self.quiet {
            return None;
        }
        // An answer that repeats what was sent is no longer than it has to be: many of them may have to wait.
        let text = match outcome.text.char_indices().nth(ANSWER_TEXT_MAX) {
            Some((end, _)) => format!("{}…", &outcome.text[..end]),
            None => outcome.text,
        };
        let mut answer = Instruction::answer(number, outcome.status, &text);
        if greets && self.instance != 0 {
            answer = answer.with("origin", Field::Long(i64::try_from(self.instance).unwrap_or(0)));
        }
        let mut line = answer.to_line();
        if self.logs {
            tracing::info!(peer = %self.peer, "< {}", line.trim_end());
        }
        if self.carriage_return {
            line.insert(line.len() - 1, '\r');
        }
        Some((line, outcome.commit))
    }

    fn instruction(&mut self, instruction: &Instruction, reply: &mut Reply) -> Outcome {
        match instruction.kind {
            'L' => self.login(instruction),
            'X' => {
                reply.close = true;
                Outcome::ok()
            }
            _ if !self.logged_in => Outcome::new(5, "not logged in"),
            'O' | 'D' => self.receiver.apply(instruction),
            'P' => match instruction.whole("D").and_then(|millis| u64::try_from(millis).ok()) {
                Some(millis) => {
                    reply.pause = Some(Duration::from_millis(millis).min(PAUSE_MAX));
                    Outcome::ok()
                }
                None => Outcome::new(1, "Missing required Fields: D"),
            },
            'H' => Outcome::new(0, HELP),
            'S' | 'A' | 'C' | 'R' => Outcome::new(0, "ignored"),
            other => Outcome::new(6, format!("instruction not supported: {other}")),
        }
    }

    fn login(&mut self, login: &Instruction) -> Outcome {
        if login.field("P").is_some() || login.field("PL").is_some() {
            return Outcome::new(6, "plug-ins are not supported");
        }
        let Some(id) = login.text("I") else { return Outcome::new(1, "Missing required Fields: I") };
        let (mut quiet, mut logs, mut carriage_return) = (false, false, false);
        for option in login.text("O").unwrap_or_default().split(',').map(str::trim).filter(|option| !option.is_empty())
        {
            match option.to_ascii_uppercase().as_str() {
                "QUIET" => quiet = true,
                "LOG" => logs = true,
                "WINDOWS" => carriage_return = true,
                "UNIX" => carriage_return = false,
                "TTY" => {}
                _ => return Outcome::new(1, format!("unknown option: {option}")),
            }
        }
        (self.quiet, self.logs, self.carriage_return) = (quiet, logs, carriage_return);
        self.logged_in = true;
        let origin = login.whole("origin").and_then(|id| u64::try_from(id).ok()).unwrap_or(0);
        self.receiver.login(id, origin);
        tracing::debug!(peer = %self.peer, login = id, "AMI login");
        Outcome::ok()
    }
}
