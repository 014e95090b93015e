//! One figure of ours beside its peers' and its goal.

use serde_json::{Map, Number, Value, json};

/// A measurement: one line of the output.
#[derive(Clone, Debug)]
pub(crate) struct Row {
    area: &'static str,
    row: String,
    unit: &'static str,
    ours: f64,
    peers: Vec<(&'static str, f64)>,
    goal: Option<Goal>,
}

/// What our figure should reach, in the unit of its row.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Goal {
    /// More is better: a rate.
    AtLeast(f64),
    /// Less is better: a time, a size, a multiple of the floor.
    AtMost(f64),
}

impl Row {
    /// A row without peers and goal. `row` is `operation/size=…`, as in the criterion benches.
    pub(crate) fn new(
        area: &'static str,
        row: impl Into<String>,
        unit: &'static str,
        ours: f64,
    ) -> Self {
        let row = row.into();
        Self {
            area,
            row,
            unit,
            ours,
            peers: Vec::new(),
            goal: None,
        }
    }

    /// Adds what `name` did on the same work in this run.
    pub(crate) fn peer(mut self, name: &'static str, value: f64) -> Self {
        self.peers.push((name, value));
        self
    }

    /// Sets what ours should reach.
    pub(crate) fn goal(mut self, goal: Goal) -> Self {
        self.goal = Some(goal);
        self
    }

    /// Whether the goal is met; `None` without a goal.
    fn met(&self) -> Option<bool> {
        self.goal.map(|goal| match goal {
            Goal::AtLeast(bound) => self.ours >= bound,
            Goal::AtMost(bound) => self.ours <= bound,
        })
    }

    /// `{"area","row","unit","ours","peers":{name: value},"goal","met"}`.
    ///
    /// `goal` is text such as `>= 1000000`. Without one, `goal` and `met` are null; at sizes the
    /// goal was not set for (`judged` is false) only `met` is.
    pub(crate) fn json(&self, judged: bool) -> Value {
        let peers: Map<_, _> = self
            .peers
            .iter()
            .map(|(name, value)| ((*name).to_owned(), number(*value)))
            .collect();
        json!({
            "area": self.area,
            "row": self.row,
            "unit": self.unit,
            "ours": number(self.ours),
            "peers": peers,
            "goal": self.goal.map(Goal::text),
            "met": self.met().filter(|_| judged),
        })
    }

    /// The same as a line of the table under [`Row::table_head`].
    pub(crate) fn table_line(&self, judged: bool) -> String {
        let goal = self.goal.map_or_else(|| "-".to_owned(), Goal::text);
        let met = match self.met().filter(|_| judged) {
            Some(true) => "yes",
            Some(false) => "NO",
            None => "-",
        };
        let peers: Vec<_> = self
            .peers
            .iter()
            .map(|(name, value)| format!("{name} {}", number(*value)))
            .collect();
        let name = format!("{} {}", self.area, self.row);
        let (unit, ours, peers) = (self.unit, number(self.ours).to_string(), peers.join(", "));
        format!("{name:<56} {ours:>12} {unit:<16} {goal:>12} {met:<4} {peers}")
    }

    /// The column names of the table.
    pub(crate) fn table_head() -> String {
        let [name, ours, unit, goal, met] = ["area row", "ours", "unit", "goal", "met"];
        format!("{name:<56} {ours:>12} {unit:<16} {goal:>12} {met:<4} peers")
    }
}

impl Goal {
    fn text(self) -> String {
        match self {
            Self::AtLeast(bound) => format!(">= {}", number(bound)),
            Self::AtMost(bound) => format!("<= {}", number(bound)),
        }
    }
}

/// `value` with no more digits than a measurement has: none after the point from 100 on.
#[expect(
    clippy::cast_possible_truncation,
    reason = "whole, and as large as it was measured"
)]
fn number(value: f64) -> Value {
    if !value.is_finite() {
        return Value::Null;
    }
    if value.abs() >= 100.0 {
        return Value::Number(Number::from(value.round() as i64));
    }
    let rounded = (value * 1000.0).round() / 1000.0;
    Number::from_f64(rounded).map_or(Value::Null, Value::Number)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prints_the_fields_in_the_order_promised() {
        let row = Row::new("merkle", "log::append/size=10", "appends/s", 3_000_000.4)
            .peer("ct-merkle", 1.23456)
            .goal(Goal::AtLeast(3e6));
        assert_eq!(
            row.json(true).to_string(),
            r#"{"area":"merkle","row":"log::append/size=10","unit":"appends/s","ours":3000000,"#
                .to_owned()
                + r#""peers":{"ct-merkle":1.235},"goal":">= 3000000","met":true}"#
        );
    }

    #[test]
    fn judges_a_goal_by_its_direction_and_only_when_asked() {
        let row = Row::new("merkle", "proof", "bytes", 801.0).goal(Goal::AtMost(800.0));
        assert_eq!(row.json(true)["met"], Value::Bool(false));
        assert_eq!(row.json(false)["met"], Value::Null);
        assert_eq!(
            Row::new("merkle", "x", "bytes", 1.0).json(true)["met"],
            Value::Null
        );
    }
}
