//! A tree of forks, as far as a viewer may see it: what hangs on a script that they may not see hangs on what that one hangs on.

use std::{collections::HashMap, sync::Arc};

use serde::Serialize;

use super::queries::Branch;

/// A script in the tree, in the order in which it is read: after what it was made from.
#[derive(Debug, PartialEq, Eq, Serialize)]
pub struct Node {
    pub id: Arc<str>,
    pub title: String,
    pub author: Arc<str>,
    /// How many steps it is from the first, among those that are seen.
    pub depth: usize,
}

/// The tree, each script followed by what was made from it. A parent stands before its children in `branches`.
pub fn nodes(branches: &[Branch]) -> Vec<Node> {
    let known: HashMap<&str, &Branch> = branches.iter().map(|branch| (&*branch.id, branch)).collect();
    let mut children: HashMap<&str, Vec<&Branch>> = HashMap::new();
    let mut roots = Vec::new();
    for branch in branches {
        match branch.parent.as_deref().filter(|parent| known.contains_key(parent)) {
            Some(parent) => children.entry(parent).or_default().push(branch),
            None => roots.push(branch),
        }
    }
    let mut nodes = Vec::with_capacity(branches.len());
    let mut open: Vec<(&Branch, usize)> = roots.into_iter().rev().map(|root| (root, 0)).collect();
    while let Some((branch, depth)) = open.pop() {
        if branch.seen {
            nodes.push(Node {
                id: branch.id.clone(),
                title: branch.title.clone(),
                author: branch.author.clone(),
                depth,
            });
        }
        let below = depth + usize::from(branch.seen);
        let of_branch = children.remove(&*branch.id).unwrap_or_default();
        open.extend(of_branch.into_iter().rev().map(|child| (child, below)));
    }
    nodes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_made_from_a_hidden_fork_hangs_on_the_next_one_above() {
        let branch = |id: &str, parent: Option<&str>, seen| Branch {
            id: id.into(),
            parent: parent.map(Arc::from),
            title: id.into(),
            author: "ana".into(),
            seen,
        };
        let tree = nodes(&[
            branch("root", None, true),
            branch("hidden", Some("root"), false),
            branch("second", Some("root"), true),
            branch("deep", Some("hidden"), true),
        ]);
        let shown: Vec<_> = tree.iter().map(|node| (&*node.id, node.depth)).collect();
        assert_eq!(shown, [("root", 0), ("deep", 1), ("second", 1)]);
    }
}
