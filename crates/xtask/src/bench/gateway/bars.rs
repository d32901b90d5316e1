//! The bars: what a gateway that meters exactly may cost, and whether this run held to it.

use super::calls::{Figures, percent};

/// Everything that was found; what was not asked for is left out.
#[derive(Default)]
pub struct Found {
    pub tollway: Option<Figures>,
    pub litellm: Option<Figures>,
    pub portkey: Option<Figures>,
    /// With many idle streams.
    pub idle_mb: Option<f64>,
}

/// One bar, and how far it was reached.
struct Bar {
    what: String,
    figure: String,
    holds: bool,
}

impl Found {
    pub fn print(&self) {
        println!();
        for Bar { what, figure, holds } in self.bars() {
            println!("- {}: {what}: {figure}", if holds { "holds" } else { "MISSED" });
        }
    }

    fn bars(&self) -> Vec<Bar> {
        let Some(tollway) = &self.tollway else { return Vec::new() };
        let mut bars = vec![
            share("plain answers", tollway.plain, 0.5),
            share("streams", tollway.streams, 0.7),
            below("added by a plain call at p50, one caller", tollway.added_p50_ms, 0.35, 3, "ms"),
            below("added before the first token at p50", tollway.first_token_ms, 1.0, 3, "ms"),
            below("memory after the run", tollway.memory_mb, 60.0, 0, "MB"),
        ];
        bars.extend(self.idle_mb.map(|memory| below("memory with idle streams", memory, 150.0, 0, "MB")));
        for (name, other, plain, streams) in
            [("LiteLLM", &self.litellm, 60.0, 50.0), ("Portkey", &self.portkey, 10.0, 3.5)]
        {
            if let Some(other) = other {
                bars.push(times(name, "plain answers", tollway.plain / other.plain, plain));
                bars.push(times(name, "streams", tollway.streams / other.streams, streams));
            }
        }
        bars.extend(tollway.counted.map(|counted| exact(tollway, counted)));
        bars
    }
}

fn share(what: &str, share: f64, least: f64) -> Bar {
    Bar {
        what: format!("{what}, at least {} of the floor", percent(least)),
        figure: percent(share),
        holds: share >= least,
    }
}

fn below(what: &str, figure: f64, most: f64, decimals: usize, unit: &str) -> Bar {
    Bar {
        what: format!("{what}, less than {most} {unit}"),
        figure: format!("{figure:.decimals$} {unit}"),
        holds: figure < most,
    }
}

fn times(name: &str, what: &str, times: f64, least: f64) -> Bar {
    Bar {
        what: format!("{what}, at least {least} times {name}"),
        figure: format!("{times:.1} times"),
        holds: times >= least,
    }
}

/// Speed without the count would be no gateway's.
fn exact(tollway: &Figures, (requests, tokens): (u64, u64)) -> Bar {
    Bar {
        what: format!("{} answers of {} tokens counted", tollway.calls, tollway.tokens),
        figure: format!("{requests} and {tokens}"),
        holds: (requests, tokens) == (tollway.calls, tollway.tokens),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bar_holds_or_is_missed() {
        let tollway = Figures { plain: 0.6, streams: 0.6, calls: 3, tokens: 30, ..Figures::default() };
        let tollway = Figures { counted: Some((3, 29)), memory_mb: 60.0, ..tollway };
        let litellm = Figures { plain: 0.01, streams: 0.01, ..Figures::default() };
        let found = Found { tollway: Some(tollway), litellm: Some(litellm), ..Found::default() };
        let holds: Vec<bool> = found.bars().iter().map(|bar| bar.holds).collect();
        assert_eq!(holds, [true, false, true, true, false, true, true, false]);
        assert!(Found::default().bars().is_empty());
    }
}
