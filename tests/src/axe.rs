//! Accessibility, as axe-core (<https://github.com/dequelabs/axe-core>) finds it wanting.

use serde_json::Value;

use crate::Page;

/// The library as its authors publish it; `tests/vendor/list.toml` says which version.
const AXE: &str = include_str!("../vendor/axe-core-4.10.3/axe.min.js");

impl Page {
    /// Demands that axe-core finds no serious or critical fault on the page, in its shadow roots included.
    #[track_caller]
    pub fn check_accessibility(&self) {
        let faults = self.accessibility_faults();
        assert!(faults.is_empty(), "{}: {}", self.url(), faults.join("\n"));
    }

    /// The serious and critical faults, a paragraph each: rule, what it demands, and the elements.
    pub fn accessibility_faults(&self) -> Vec<String> {
        // Defined through the protocol, so the page's own content security policy stays as it is.
        self.eval(&format!("if (!window.axe) {{ {AXE} }}; true"));
        // It tries things out with styles of its own, which our policy refuses.
        let report = self.apart(|| self.eval("axe.run(document, { resultTypes: ['violations'] })"));
        let violations = report["violations"].as_array().expect("axe reports a list").iter();
        let serious =
            violations.filter(|violation| violation["impact"] == "serious" || violation["impact"] == "critical");
        serious.map(paragraph).collect()
    }
}

fn paragraph(violation: &Value) -> String {
    let nodes = violation["nodes"].as_array().into_iter().flatten();
    let nodes: Vec<_> = nodes
        .map(|node| {
            format!(
                "  {} {}",
                node["target"],
                node["failureSummary"].as_str().unwrap_or_default().replace('\n', " ")
            )
        })
        .collect();
    format!(
        "{} ({}): {}\n{}",
        violation["id"],
        violation["impact"],
        violation["help"],
        nodes.join("\n")
    )
}
